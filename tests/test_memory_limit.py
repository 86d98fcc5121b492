"""proxy/memory_limit.py: what a container may use, and what of it is for requests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxy import config, memory_limit

GIB = 2**30
V1 = "sys/fs/cgroup/memory"
NO_LIMIT_IN_V1 = str(2**63 - 4096)


@pytest.fixture
def physical(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limit, "_physical_memory", lambda: 16 * GIB)


@pytest.mark.usefixtures("physical")
@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        pytest.param("", {}, 16 * GIB, id="no cgroups"),
        pytest.param("0::/", {"sys/fs/cgroup/memory.max": "max"}, 16 * GIB, id="no limit"),
        pytest.param("0::/", {"sys/fs/cgroup/memory.max": f"{GIB}\n"}, GIB, id="a container"),
        pytest.param(
            "0::/a/b",
            {"sys/fs/cgroup/a/memory.max": f"{GIB}", "sys/fs/cgroup/a/b/memory.max": "max"},
            GIB,
            id="a slice above",
        ),
        pytest.param("0::/", {"sys/fs/cgroup/memory.max": f"{64 * GIB}"}, 16 * GIB, id="too high"),
        pytest.param(
            "0::/\n4:cpu,memory:/docker/1",
            {f"{V1}/memory.limit_in_bytes": f"{GIB}"},
            GIB,
            id="version 1, mounted from inside",
        ),
        pytest.param(
            "4:memory:/a",
            {
                f"{V1}/a/memory.limit_in_bytes": f"{GIB}",
                f"{V1}/memory.limit_in_bytes": NO_LIMIT_IN_V1,
            },
            GIB,
            id="version 1, from outside",
        ),
        pytest.param("garbage", {}, 16 * GIB, id="another system"),
    ],
)
def test_the_memory_limit_is_the_containers_own(
    groups: str, files: dict[str, str], limit: int, tmp_path: Path
) -> None:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory_limit.memory_limit(tmp_path) == limit


def test_the_memory_limit_without_sysconf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert memory_limit.memory_limit(tmp_path) == memory_limit.UNKNOWN_MEMORY


@pytest.mark.parametrize(
    ("limit", "workers", "share"),
    [
        pytest.param(1_000_000_000, "", 702_000_000, id="Cloud Run"),
        pytest.param(1_000_000_000, "3", 202_000_000, id="shared by processes"),
        pytest.param(100_000_000, "", 27_000_000, id="small"),
        pytest.param(64_000_000, "2", 8_000_000, id="too small"),
    ],
)
def test_the_memory_for_requests_leaves_some_for_the_process(
    limit: int, workers: str, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_limit, "memory_limit", lambda: limit)
    assert config.request_memory({"WORKERS": workers}) == share
