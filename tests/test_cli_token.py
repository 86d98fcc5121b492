"""`python -m proxy token`: each command, with a store and without, and where a token may stand."""

from __future__ import annotations

import getpass
import io
import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy import clock
from proxy.cli import main
from proxy.cli import token as command
from proxy.program import as_typed
from proxy.team import token_registry, tokens
from proxy.team.stores.sqlite import SqliteStore
from proxy.team.tokens import LATEST, Token
from tests.team_stores import closing

SECRET, OLD = "s" * 32, "o" * 32
NOW = int(datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp())
DAY = 86_400
PLANS = "[plans.standard]\nusd_per_day = 1\n[plans.large]\n[groups.core]\n"
Run = Callable[..., tuple[int | str | None, str, str]]


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")
    yield from closing(monkeypatch)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/team.sqlite"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code (or the sentence that ends the command), standard output, standard error. given:
    what stands on standard input."""

    def run(*arguments: str, given: str = "", **environ: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        environ = {"PROXY_SECRET": f"{SECRET},{OLD}", **environ}
        code: int | str | None
        try:
            code = main.main(["token", *arguments], environ, lambda: None)
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


def made(person: str = "alice", secret: str = SECRET, **more: int | str) -> str:
    fields = {"plan": "standard", "issued": NOW - 60, "expires": NOW + DAY, **more}
    return tokens.create(Token((f"{person}-1",), person, **fields), secret)  # type: ignore[arg-type]


def audits(error: str) -> list[tuple[str, str, str, str]]:
    lines = [json.loads(line) for line in error.splitlines() if line.startswith("{")]
    return [tuple(line.values()) for line in lines]


# --- create ------------------------------------------------------------------------------------


def test_token_alone_is_on_standard_output(run: Run) -> None:
    code, output, error = run("create", "--person", "alice", "--plan", "standard")
    token = tokens.verify(output.strip(), [SECRET], NOW)
    assert (code, len(output.splitlines())) == (0, 1)
    assert (token.person, token.plan, token.group, token.issued, token.expires) == (
        "alice",
        "standard",
        "",
        NOW,
        NOW + 90 * DAY,
    )
    assert audits(error) == [("token create", token.id, "alice", "bob")]
    for sentence in (
        "export ANTHROPIC_AUTH_TOKEN=gmp_...",
        "2027-02-26 12:00 UTC",
        "plan standard",
    ):
        assert sentence in error
    assert output.strip() not in error
    assert SECRET not in output + error


def test_token_has_a_group_and_an_end(run: Run) -> None:
    _, output, error = run(
        *("create", "--person", "a@b.example", "--group", "core", "--days", "3"), PROXY_PLANS=PLANS
    )
    token = tokens.verify(output.strip(), [SECRET], NOW)
    assert (token.group, token.expires, token.plan) == ("core", NOW + 3 * DAY, "standard")
    assert "group core" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--plan", "standrad"), "The plan file has no plan 'standrad'; did you mean standard?"),
        (("--group", "x"), "The plan file has no group 'x'"),
    ],
)
def test_plan_that_there_is_not(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    assert run("create", "--person", "alice", *arguments, PROXY_PLANS=PLANS) == (sentence, "", "")


def test_token_needs_a_secret(run: Run) -> None:
    for arguments, given in ((("create", "--person", "alice"), ""), (("rotate",), made())):
        ended = run(*arguments, given=given, PROXY_SECRET="")
        assert ended == (token_registry.NO_SECRET, "", "")
    assert run("list", PROXY_SECRET="")[0] == command.NO_TEAM


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("create",), "--person"),
        (("create", "--person", "a b"), "a name has letters"),
        (("create", "--person", "alice", "--days", "0"), "expected a number from 1 to 3660"),
        (("create", "--person", "alice", "--days", "²"), "expected a number from 1 to 3660"),
        (("derive", "--models", "a b"), "expected names of models"),
        (("rotate", "--grace", "soon"), "expected hours or days like 12h"),
        (("revoke", "a b"), "a token's id has letters"),
        (("revoke", made()), "pipe it to standard input"),
        (("show", made()), "pipe it to standard input"),
        ((made(),), "pipe it to standard input"),
        (("rotate", f"--token={made()}"), "pipe it to standard input"),
    ],
)
def test_arguments_are_checked_and_no_token_shown(
    run: Run, arguments: tuple[str, ...], problem: str
) -> None:
    code, output, error = run(*arguments)
    assert (code, output) == (2, "")
    assert problem in error
    assert "gmp_" not in error


@pytest.mark.parametrize("action", command.ACTIONS)
def test_each_action_has_help_and_an_example(run: Run, action: str) -> None:
    code, output, _ = run(action, "--help")
    assert code == 0
    assert as_typed(f"\n    python -m proxy token {action}") in output
    assert f"    python -m proxy token {action}" in command.DESCRIPTION


# --- show --------------------------------------------------------------------------------------


def test_token_is_shown(run: Run) -> None:
    text = tokens.derive(made(group="core"), "ci", expires=NOW + 60, models=["a", "b-*"])
    text = tokens.derive(text, "job", models=["b-1"])
    code, output, _ = run("show", given=f"{text}\n", PROXY_PLANS='zone = "Europe/Berlin"')
    assert code == 0
    assert output.splitlines() == [
        "id            job",
        "derived from  ci < alice-1",
        "person        alice",
        "plan          standard",
        "group         core",
        "issued        2026-11-28 12:59 CET",
        "expires       2026-11-28 13:01 CET",
        "models        a or b-* and b-1",
        "signature     good",
        "revoked       no, as far as is known here",
    ]


@pytest.mark.parametrize(
    ("text", "environ", "line"),
    [
        (made(secret="x" * 32), {}, "signature     not this server's"),
        (made(expires=NOW), {}, "expires       2026-11-28 12:00 UTC (it has)"),
        (made(), {"PROXY_REVOKED": "alice-1"}, "revoked       yes"),
    ],
)
def test_token_that_is_refused_ends_with_1(
    run: Run, text: str, environ: dict[str, str], line: str
) -> None:
    code, output, _ = run("show", given=text, **environ)
    assert code == 1
    assert line in output


def test_token_is_shown_without_a_secret(run: Run) -> None:
    zone = 'zone = "Asia/Tokyo"'
    text = made(secret=OLD, expires=LATEST)
    code, output, _ = run("show", given=text, PROXY_SECRET="", PROXY_PLANS=zone)
    assert code == 0
    assert "signature     not checked" in output
    assert "signature     good" in run("show", given=text)[1]


@pytest.mark.parametrize("given", ["", "gmp_x", "sk-ant-x", "gmp_a.b", "gmp_" + "a" * 9_000, "ä"])
@pytest.mark.parametrize("action", ["show", "derive", "rotate"])
def test_damaged_token_is_a_sentence(run: Run, action: str, given: str) -> None:
    assert run(action, given=given) == (1, "", f"{tokens.NO_TOKEN}\n")


def test_token_is_not_shown_at_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt, stream: f" {made()} ")

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO()))
    assert command.read_token() == made()


# --- derive ------------------------------------------------------------------------------------


def test_token_is_narrowed_without_a_secret(run: Run) -> None:
    code, output, error = run(
        *("derive", "--hours", "2", "--models", "gemini-3.8-*", "b"),
        given=made(),
        PROXY_SECRET="",
        PROXY_AUTH="no setting is read",
    )
    token = tokens.verify(output.strip(), [SECRET], NOW)
    assert (code, token.person, token.ids[0]) == (0, "alice", "alice-1")
    assert (token.expires, token.models) == (NOW + 7_200, (("gemini-3.8-*", "b"),))
    assert output.strip() not in error


def test_derived_token_does_not_outlive_its_parent(run: Run) -> None:
    _, output, error = run("derive", "--hours", "48", given=made())
    assert tokens.inspect(output.strip()).expires == NOW + DAY
    assert "expires 2026-11-29 12:00 UTC" in error


def test_nothing_is_derived_from_what_is_over(run: Run) -> None:
    expired = run("derive", given=made(expires=NOW))
    assert expired == (1, "", f"{tokens.EXPIRED.format('alice-1')}\n")
    text = made()
    for number in range(4):
        text = tokens.derive(text, f"{number}")
    assert run("derive", given=text) == ("a token has at most 4 restrictions.", "", "")


# --- list, revoke, rotate, log -----------------------------------------------------------------


def test_tokens_are_listed(run: Run, url: str) -> None:
    ids = []
    for person in ("bob.b@c-d_e+f", "alice", "alice"):
        _, output, _ = run("create", "--person", person, PROXY_STORE=url)
        ids.append(tokens.inspect(output.strip()).id)
    store = SqliteStore(url.removeprefix("sqlite://"))
    store.mark("tokens", f"old.{NOW - 9}.alice/standard/", NOW)
    first, second = sorted(ids[1:])
    assert run("revoke", first, PROXY_STORE=url)[0] == 0
    code, output, _ = run("list", PROXY_STORE=url)
    assert code == 0
    assert [line.split() for line in output.splitlines()] == [
        ["ID", "PERSON", "EXPIRES", "REVOKED"],
        [first, "alice", "2027-02-26", "12:00", "UTC", "yes"],
        [second, "alice", "2027-02-26", "12:00", "UTC"],
        [ids[0], "bob.b@c-d_e+f", "2027-02-26", "12:00", "UTC"],
    ]


def test_list_without_a_store_is_what_is_revoked(run: Run) -> None:
    listed = run("list", PROXY_REVOKED="t1, alice<2026-11-28")
    assert listed == (0, "t1\nalice<2026-11-28\n", f"{command.NO_LIST}\n")


def test_revoked_token_is_marked_in_the_store(run: Run, url: str) -> None:
    code, output, error = run("revoke", "alice-1", "--person", "alice", PROXY_STORE=url)
    assert (code, output) == (0, "")
    assert audits(error) == [("token revoke", "alice-1", "alice", "bob")]
    store = SqliteStore(url.removeprefix("sqlite://"))
    latest = NOW + command.MAX_DAYS * DAY
    assert store.read("person:alice") == {"revoked.alice-1": 1, "expires.alice-1": latest}
    assert run("show", given=made(), PROXY_STORE=url)[0] == 1
    assert run("rotate", given=made(), PROXY_STORE=url)[0] == (
        "The token alice-1 is revoked already: make a new one."
    )


def test_older_tokens_of_a_person_are_revoked(run: Run, url: str) -> None:
    """What is revoked stays so, whatever is revoked afterwards."""
    store = SqliteStore(url.removeprefix("sqlite://"))
    revoke = ("revoke", "--person", "alice", "--issued-before")
    for day in ("2026-11-29", "2026-11-01"):
        code, _, error = run(*revoke, day, PROXY_STORE=url)
        assert (code, "refused from now on" in error) == (0, True)
        assert store.read("person:alice") == {"revoked_before": NOW + DAY // 2}
    code, output, _ = run("show", given=made(), PROXY_STORE=url)
    assert (code, "revoked       yes" in output) == (1, True)


def test_revoke_without_a_store_prints_the_setting(run: Run) -> None:
    revoked = "t1,alice<2026-11-28,bob<2026-01-01"
    for arguments, expected in (
        (("t2",), f"{revoked},t2"),
        (("t1",), "alice<2026-11-28,bob<2026-01-01,t1"),
        (
            ("--person", "alice", "--issued-before", "2026-11-29"),
            "t1,bob<2026-01-01,alice<2026-11-29",
        ),
        (
            ("--person", "alice", "--issued-before", "2026-01-01"),
            "t1,bob<2026-01-01,alice<2026-11-28",
        ),
    ):
        code, output, error = run("revoke", *arguments, PROXY_REVOKED=revoked)
        assert (code, output) == (0, f"{expected}\n")
        assert audits(error)[0][0] == "token revoke"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--person", "alice"),
        ("--issued-before", "2026-11-28"),
        ("t1", "--person", "alice", "--issued-before", "2026-11-28"),
    ],
)
def test_revoke_needs_to_know_what(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("revoke", *arguments) == (
        "Give the id of a token and its --person, or --person and --issued-before.",
        "",
        "",
    )


@pytest.mark.parametrize("day", ["soon", "2026-11-28,12:00:00"])
def test_revoke_needs_a_day(run: Run, day: str) -> None:
    code, output, _ = run("revoke", "--person", "alice", "--issued-before", day)
    assert (output, "expected a day like 2026-11-28" in str(code)) == ("", True)


def test_revoke_finds_whose_token_it_is(run: Run, url: str) -> None:
    unknown = run("revoke", "t9", PROXY_STORE=url)
    assert unknown[0] == "The store does not know the token t9: give its --person, too."
    _, output, _ = run("create", "--person", "alice", PROXY_STORE=url)
    identity = tokens.inspect(output.strip()).id
    wrong = run("revoke", identity, "--person", "bob", PROXY_STORE=url)
    assert wrong[0] == f"The token {identity} is alice's, not bob's."
    assert run("revoke", identity, PROXY_STORE=url)[0] == 0


@pytest.mark.parametrize(
    ("grace", "marks", "sentence"),
    [
        ((), {"revoked_from.alice-1": LATEST - NOW - 7 * DAY}, "from 2026-12-05 12:00 UTC on"),
        (("--grace", "12h"), {"revoked_from.alice-1": LATEST - NOW - DAY // 2}, "from 2026-11-29"),
        (("--grace", "0"), {"revoked.alice-1": 1}, "refused now"),
    ],
)
def test_token_is_replaced(
    run: Run, url: str, grace: tuple[str, ...], marks: dict[str, int], sentence: str
) -> None:
    old = made(group="core", plan="large")
    code, output, error = run("rotate", *grace, given=old, PROXY_STORE=url, PROXY_PLANS=PLANS)
    token = tokens.verify(output.strip(), [SECRET], NOW)
    assert (code, token.person, token.plan, token.group) == (0, "alice", "large", "core")
    assert (token.issued, token.expires, token.id == "alice-1") == (NOW, NOW + DAY + 60, False)
    store = SqliteStore(url.removeprefix("sqlite://"))
    assert store.read("person:alice") == {**marks, "expires.alice-1": NOW + DAY}
    assert sentence in error
    assert [act for act, *_ in audits(error)] == ["token create", "token rotate"]
    shown = run("show", given=old, PROXY_STORE=url)[1]
    assert f"revoked       {'from 2026-1' if 'revoked_from.alice-1' in marks else 'yes'}" in shown


def test_rotation_without_a_store_prints_the_setting(run: Run) -> None:
    _, output, error = run("rotate", given=made(secret=OLD), PROXY_REVOKED="t1")
    assert tokens.verify(output.strip(), [SECRET], NOW).person == "alice"
    assert "from 2026-12-05 12:00 UTC on: PROXY_REVOKED=t1,alice-1" in error


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (tokens.derive(made(), "ci"), "The token ci is derived from alice-1: rotate that"),
        (made(plan="gone"), "The plan file has no plan 'gone'"),
    ],
)
def test_token_that_is_not_replaced(run: Run, text: str, sentence: str) -> None:
    code, output, _ = run("rotate", given=text, PROXY_PLANS=PLANS)
    assert (output, str(code)[: len(sentence)]) == ("", sentence)


def test_token_of_another_server_is_not_replaced(run: Run) -> None:
    assert run("rotate", given=made(secret="x" * 32))[2] == f"{tokens.NO_TOKEN}\n"


def test_acts_are_kept_with_a_store(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run("rotate", "--grace", "0", given=made(), PROXY_STORE=url)
    monkeypatch.setattr(clock, "now", lambda: NOW + 60)
    monkeypatch.setattr(getpass, "getuser", lambda: "Dr. Bob\n")
    run("revoke", "--person", "carol.c", "--issued-before", "2026-11-28", PROXY_STORE=url)
    code, output, _ = run("log", PROXY_STORE=url)
    created, rotated, revoked = output.splitlines()
    assert code == 0
    assert created.startswith("2026-11-28 12:00 UTC  create  ")
    assert rotated == "2026-11-28 12:00 UTC  rotate  alice-1   of alice by bob"
    assert revoked == "2026-11-28 12:01 UTC  revoke  -         of carol.c by Dr__Bob_"
    assert run("log") == (0, "", f"{command.NO_LOG}\n")


def test_acts_that_are_done_again_are_lines_of_their_own(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later, and within the same second."""
    for second in (NOW, NOW, NOW + 60):
        monkeypatch.setattr(clock, "now", lambda second=second: second)
        run("revoke", "--person", "alice", "--issued-before", "2026-11-28", PROXY_STORE=url)
    lines = run("log", PROXY_STORE=url)[1].splitlines()
    noon = "2026-11-28 12:00 UTC  revoke  -         of alice by bob"
    assert lines == [noon, noon, noon.replace("12:00", "12:01")]


def test_lists_keep_the_newest(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an account holds, it stays far below what an item or a document has room for."""
    store = SqliteStore(url.removeprefix("sqlite://"))
    expired, acted = token_registry.EXPIRED_DAYS * DAY, token_registry.AUDIT_DAYS * DAY
    for second, name in ((NOW - expired - 1, "gone"), (NOW - expired, "listed")):
        store.mark("tokens", f"{name}.{NOW}.alice", second)
    for second, name in ((NOW - acted - 1, "gone"), (NOW - acted, "kept")):
        store.mark("audit", f"create.{name}.bob.1f.alice", second)
    run("create", "--person", "alice", PROXY_STORE=url)
    assert [name.split(".")[0] for name in store.read("tokens")][1:] == ["listed"]
    assert [name.split(".")[1] for name in store.read("audit")][1:] == ["kept"]
    monkeypatch.setattr(token_registry, "MAX_TOKENS", 3)
    monkeypatch.setattr(token_registry, "MAX_ACTS", 2)
    for days in (50, 40, 30, 20):
        monkeypatch.setattr(clock, "now", lambda second=NOW + DAY - days: second)
        run("create", "--person", "carol", "--days", str(days), PROXY_STORE=url)
    ends = sorted(second - NOW for second in store.read("tokens").values())
    assert [round(second / DAY) for second in ends] == [41, 51, 90]
    assert sorted(store.read("audit").values()) == [NOW + DAY - 30, NOW + DAY - 20]


def test_bounds_fit_into_an_item() -> None:
    """As DynamoDB counts them: 400 KB, names and numbers; the longest names that there are."""
    identity, number = "i" * 32, 10
    mark = len(f"revoked_from.{identity}expires.{identity}") + 2 * number
    assert token_registry.MAX_NAMES + token_registry.MAX_TOKENS * number < 350_000
    assert token_registry.MAX_NAMES + token_registry.MAX_ACTS * number < 350_000
    assert token_registry.MAX_REVOKED * mark < 120_000


def test_names_of_an_account_have_a_bound(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may be long or short: what counts are its bytes, the newest first."""
    store = SqliteStore(url.removeprefix("sqlite://"))
    monkeypatch.setattr(token_registry, "MAX_NAMES", 200)
    for days in (10, 30, 20):
        person = str(days).ljust(64, "a")
        run("create", "--person", person, "--days", str(days), PROXY_STORE=url)
    kept = {name.split(".")[2][:2]: len(name) for name in store.read("tokens")}
    assert kept.keys() == {"20", "30"}
    assert sum(kept.values()) <= 200


def test_marks_of_expired_tokens_are_dropped(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day after their end, by when no server takes them."""
    store = SqliteStore(url.removeprefix("sqlite://"))
    token = run("create", "--person", "alice", "--days", "3", PROXY_STORE=url)[1]
    run("rotate", "--grace", "1d", given=token, PROXY_STORE=url)
    old = tokens.inspect(token.strip()).id
    marks = {f"revoked_from.{old}": LATEST - NOW - DAY, f"expires.{old}": NOW + 3 * DAY}
    assert store.read("person:alice") == marks
    for days, is_kept in ((4 - 1 / DAY, True), (4, False)):
        monkeypatch.setattr(clock, "now", lambda second=NOW + int(days * DAY): second)
        run("revoke", "other", "--person", "alice", PROXY_STORE=url)
        assert (marks.items() <= store.read("person:alice").items()) is is_kept
    assert set(store.read("person:alice")) == {"revoked.other", "expires.other"}


def test_revoked_tokens_of_a_person_have_a_bound(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is made or revoked beyond it, and the error names what helps."""
    monkeypatch.setattr(token_registry, "MAX_REVOKED", 2)
    for identity in ("t1", "t2"):
        assert run("revoke", identity, "--person", "alice", PROXY_STORE=url)[0] == 0
    store = SqliteStore(url.removeprefix("sqlite://"))
    for arguments in (("revoke", "t3", "--person", "alice"), ("rotate",)):
        ended = run(*arguments, given=made(), PROXY_STORE=url)
        assert ended == (token_registry.FULL.format("alice", 2), "", "")
        assert store.read("tokens") == {}
    older = ("revoke", "--person", "alice", "--issued-before", "2026-11-28")
    assert run(*older, PROXY_STORE=url)[0] == 0


def test_user_without_a_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", fail)
    assert audits(run("revoke", "t1")[2]) == [("token revoke", "t1", "", "unknown")]


def test_store_that_is_down_makes_no_token(run: Run, tmp_path: Path) -> None:
    (tmp_path / "team.sqlite").write_bytes(b"no database" * 100)
    code, output, _ = run(
        "create", "--person", "alice", PROXY_STORE=f"sqlite://{tmp_path}/team.sqlite"
    )
    assert (code, output) == ("The store cannot be asked: SQLite: file is not a database.", "")
