"""build/lambda.zip: what is in it, and how it serves behind a Function URL."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
import requests

from deploy import build_lambda, lock_lambda, pythons
from proxy import __version__
from proxy.aws import server as aws
from tests import servers
from tests.lambda_function import Deployed, built, deployed
from tests.servers import LOCAL, Emulator

MODEL = "claude-sonnet-5-5"
BODY: Any = {
    "model": MODEL,
    "max_tokens": 1000,
    "stream": True,
    "messages": [{"role": "user", "content": "Hi"}],
}
MEGABYTE = 1_048_576
PATIENCE_SECONDS = 20
UNCHECKED_HASH = 1


@pytest.fixture(scope="module")
def function(emulator: Emulator) -> Iterator[Deployed]:
    with deployed({"GEMINI_ENDPOINT": emulator.url}) as function:
        yield function


def post(function: Deployed, key: str, body: Any = BODY, **more: Any) -> requests.Response:
    url, headers = f"{function.url}/v1/messages", {"x-api-key": key, **more.pop("headers", {})}
    data = body if isinstance(body, bytes) else json.dumps(body)
    headers.setdefault("Content-Type", "application/json")
    return LOCAL.post(url, data=data, headers=headers, stream=True, timeout=60, **more)


def journal(emulator: Emulator, key: str) -> Any:
    (request,) = emulator.journal(key)
    return request


def events(answer: requests.Response) -> list[Any]:
    """The data of a whole stream; requests raises if it was cut."""
    lines = answer.content.decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


def test_lock_is_that_of_the_other_hosts() -> None:
    """Less what is left out."""
    locked, all_pins = (
        lock_lambda.pins(lock) for lock in (lock_lambda.LOCK, servers.ROOT / "requirements.txt")
    )
    assert locked.items() <= all_pins.items(), "`make lock` is due"
    assert locked.keys().isdisjoint(lock_lambda.LEFT_OUT)


def test_build_of_another_clone_has_the_same_bytes(tmp_path: Path) -> None:
    """Also where somebody has worked in it: nothing but modules is taken from there."""
    clone = tmp_path / "elsewhere/clone"
    for name in ("proxy", "translate", "deploy"):
        shutil.copytree(servers.ROOT / name, clone / name)
    shutil.copyfile(servers.ROOT / "main.py", clone / "main.py")
    (clone / "proxy/__pycache__").mkdir(exist_ok=True)
    for name in (".env", "sa.json", ".DS_Store", "__pycache__/old.pyc", "../translate/old.py~"):
        (clone / "proxy" / name).write_bytes(b"These words stay at home.")
    first = built().read_bytes()
    for wheels in (servers.ROOT / "build").glob("wheels-*"):
        shutil.copytree(wheels, clone / "build" / wheels.name)
    subprocess.run([sys.executable, clone / "deploy/build_lambda.py"], check=True, umask=0o077)
    assert (clone / "build/lambda.zip").read_bytes() == first


CUT_OFF = """
import itertools, os, sys
from pathlib import Path
from deploy import build_lambda

def pip(*arguments):
    draft = Path(arguments[arguments.index("--dest") + 1])
    draft.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (draft / f"{name}-{arguments[-1]}.whl").touch()

build_lambda.pip = pip
for step in itertools.count(1):
    folder = Path(str(step))
    if os.fork() == 0:
        left = iter(range(step))
        sys.addaudithook(lambda *_: next(left, None) is None and os._exit(1))
        build_lambda.download(folder)
        os._exit(0)
    _, status = os.wait()
    assert len(build_lambda.download(folder)) == 4, step
    if status == 0:
        break
print(step)
"""
"""Ends a download at its first step, then another at its second, until one has come to its end."""


def test_download_that_was_cut_off_is_begun_anew(tmp_path: Path) -> None:
    command, environ = [sys.executable, "-c", CUT_OFF], {"PYTHONPATH": str(servers.ROOT)}
    assert int(subprocess.check_output(command, cwd=tmp_path, env=environ, timeout=60)) > 10


def test_download_that_failed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(*arguments: str) -> None:
        Path(arguments[arguments.index("--dest") + 1], "x").mkdir(parents=True)
        raise SystemExit("No network.")

    monkeypatch.setattr(build_lambda, "pip", pip)
    with pytest.raises(SystemExit, match="No network"):
        build_lambda.download(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_zip_fits_both_architectures_and_the_runtime() -> None:
    with zipfile.ZipFile(built()) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
        wrapper = archive.read("bootstrap")
        codes = {name: archive.read(name) for name in modes if name.endswith(".pyc")}
    assert {mode for name, mode in modes.items() if name != "bootstrap"} == {0o100644}
    assert (modes["bootstrap"], b"\r" in wrapper) == (0o100755, False)
    binaries = {name for name in modes if name.endswith(".so")}
    arm = {name for name in binaries if "aarch64" in name}
    assert arm
    assert {name.replace("aarch64", "x86_64") for name in arm} == binaries - arm
    sources = {name for name in modes if name.endswith(".py")}
    assert {importlib.util.source_from_cache(name) for name in codes} == sources
    assert {"main.py", "proxy/aws/server.py", "translate/response/stream.py"} <= sources
    files = ("base.html", "home.html", "style.css", "copy.js", "icon.svg")
    templates = {f"proxy/web/templates/{name}" for name in files}
    assert templates <= modes.keys()
    command = [pythons.need(), "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"]
    magic = bytes.fromhex(subprocess.check_output(command, text=True))
    heads = {code[:8] for code in codes.values()}
    assert heads == {magic + UNCHECKED_HASH.to_bytes(4, "little")}
    assert not [name for name, code in codes.items() if str(servers.ROOT).encode() in code]


def test_zip_has_its_list_beside_it() -> None:
    archive = built()
    document = json.loads(archive.with_suffix(".cdx.json").read_text())
    ours = document["metadata"]["component"]
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (ours["version"], ours["hashes"][0]["content"]) == (__version__, digest)
    components = document["components"]
    assert {
        each["name"].lower().replace("_", "-"): each["version"] for each in components
    } == lock_lambda.pins(lock_lambda.LOCK)
    lock = lock_lambda.LOCK.read_text()
    assert all(each["hashes"][0]["content"] in lock for each in components)
    assert all(each["licenses"] for each in components)
    assert len({each["bom-ref"] for each in components}) == len(components)


def test_build_refuses_what_one_zip_cannot_hold(tmp_path: Path) -> None:
    for name, content in (("data", "x.data/data/etc/x"), ("a", "x/m.py"), ("b", "x/m.py")):
        with zipfile.ZipFile(tmp_path / f"{name}.whl", "w") as wheel:
            wheel.writestr(content, name)
    with pytest.raises(SystemExit, match="would have to be installed"):
        build_lambda.unpack(tmp_path / "data.whl", tmp_path / "stage")
    build_lambda.unpack(tmp_path / "a.whl", tmp_path / "stage")
    with pytest.raises(SystemExit, match=r"m\.py differs between architectures"):
        build_lambda.unpack(tmp_path / "b.whl", tmp_path / "stage")


def test_sdk_gets_a_whole_message(function: Deployed, emulator: Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}], "finish": "STOP"})
    with anthropic.Anthropic(base_url=function.url, api_key=key, max_retries=0) as sdk:
        message = sdk.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "Hi é"}]
        )
        assert sdk.messages.count_tokens(model=MODEL, messages=BODY["messages"]).input_tokens > 0
    assert message.content[0].to_dict() == {"type": "text", "text": "Hello."}
    assert "Hi é" in str(emulator.journal(key)[0]["body"])


def test_sdk_sees_words_while_gemini_still_speaks(
    function: Deployed, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hel"}, {"delay": 1}, {"text": "lo."}]})
    with (
        anthropic.Anthropic(base_url=function.url, api_key=key, max_retries=0) as sdk,
        sdk.messages.stream(model=MODEL, max_tokens=1000, messages=BODY["messages"]) as stream,
    ):
        assert next(stream.text_stream) == "Hel"
        assert journal(emulator, key)["closed"] is None
        assert list(stream.text_stream) == ["lo."]
    assert journal(emulator, key)["closed"] == "complete"


def test_error_of_gemini_in_mid_stream(function: Deployed, emulator: Emulator, key: str) -> None:
    error = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "Overloaded."}}
    emulator.script(key, {"chunks": [{"text": "Hel"}, error]})
    answer = post(function, key)
    assert answer.status_code == 200
    *_, last = events(answer)
    assert (last["type"], last["error"]["type"]) == ("error", "overloaded_error")


def test_error_before_the_first_byte_has_its_status(function: Deployed) -> None:
    answer = post(function, "bad-key")
    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
    assert answer.headers["x-should-retry"] == "false"


def test_body_may_have_six_megabytes(function: Deployed, emulator: Emulator, key: str) -> None:
    """Of the event, in which the body is a text: what JSON escapes there counts twice."""

    def said(text: str) -> requests.Response:
        return post(function, key, BODY | {"messages": [{"role": "user", "content": text}]})

    emulator.script(key)
    just_fits = said("x" * (6 * MEGABYTE - 10_000))
    assert "prompt is too long" in just_fits.json()["error"]["message"], "Gemini has seen it"
    for text in ("x" * 6 * MEGABYTE, "\n" * 2 * MEGABYTE):
        answer = said(text)
        assert (answer.status_code, answer.json()) == (413, {"Message": "Request Entity Too Large"})
    assert len(emulator.journal(key)) == 1, "AWS answers, the function does not hear of it"


def test_head_and_get(function: Deployed) -> None:
    with contextlib.closing(requests.Session()) as kept:
        kept.trust_env = False
        for _ in range(2):
            head = kept.head(function.url, timeout=10)
            assert (head.status_code, head.content) == (200, b"")
            assert kept.get(function.url, timeout=10).json()["status"] == "ok"


def test_bytes_come_as_base64_and_are_understood(
    function: Deployed, emulator: Emulator, key: str
) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}]})
    headers = {"Content-Type": "application/octet-stream", "Cookie": "a=1; b=2"}
    assert events(post(function, key, headers=headers))[-1]["type"] == "message_stop"


def test_client_that_leaves_is_not_noticed(
    function: Deployed, emulator: Emulator, key: str
) -> None:
    """Lambda does not tell: the answer is asked for, and paid for, to its end."""
    words = [{"text": "word "}, {"delay": 0.02}] * 50
    emulator.script(key, {"chunks": words})
    with post(function, key) as answer:
        next(answer.iter_content(100))
    wait_until(lambda: journal(emulator, key)["closed"] is not None)
    assert journal(emulator, key)["closed"] == "complete"
    assert LOCAL.get(function.url, timeout=10).ok


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_answers_end_before_the_function_is_ended(emulator: Emulator, key: str) -> None:
    silence = {"delay": 60}
    emulator.script(
        key,
        {"chunks": [{"text": "Hel"}, silence, {"text": "lo."}]},
        {"chunks": [silence, {"text": "Hello."}]},
        {"chunks": [{"text": "Hello."}]},
    )
    with deployed({"GEMINI_ENDPOINT": emulator.url}, timeout=3.0, concurrency=1) as function:
        assert LOCAL.get(function.url, timeout=10).ok
        process = function.processes()
        *_, last = events(post(function, key))
        assert last["error"] == {"type": "timeout_error", "message": aws.OUT_OF_TIME}
        refused = post(function, key)
        assert (refused.status_code, refused.json()["error"]["type"]) == (504, "timeout_error")
        assert events(post(function, key))[-1]["type"] == "message_stop"
        assert function.processes() == process, "nothing had to be killed"
        assert function.log.read_text().count(aws.LATE.removeprefix("%s")) == 2


def test_streams_have_environments_of_their_own(emulator: Emulator, key: str) -> None:
    words = [{"text": "Hel"}, {"delay": 60}, {"text": "lo."}]  # the finish comes with the last
    emulator.script(key, {"chunks": words, "repeat": True})
    with deployed({"GEMINI_ENDPOINT": emulator.url}, concurrency=2) as function:
        streams = [post(function, key) for _ in range(2)]
        assert [next(stream.iter_content(20))[:6] for stream in streams] == [b"event:"] * 2
        assert len(function.processes()) == 2
        assert post(function, key).status_code == 429
        for stream in streams:
            stream.close()


def test_callers_need_the_token_for_the_server_key(emulator: Emulator, key: str) -> None:
    emulator.script(key, {"chunks": [{"text": "Hello."}], "repeat": True})
    environ = {"GEMINI_ENDPOINT": emulator.url, "GEMINI_API_KEY": key}
    with deployed(environ) as function:
        assert post(function, "").status_code == 401
    with deployed({**environ, "PROXY_TOKEN": "token"}) as function:
        assert post(function, "other").status_code == 401
        assert post(function, "token").status_code == 200


def test_bad_setting_is_in_the_log(emulator: Emulator) -> None:
    with deployed({"GEMINI_SAFETY": "none"}) as function:
        assert post(function, "key").status_code == 502
        assert function.function.journal[0].failure == "BadSetting"
        assert "GEMINI_SAFETY: expected one of" in function.log.read_text()
