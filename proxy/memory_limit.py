"""How much memory this container or machine has, and how much of it is for requests.

The kernel's files are read, and no setting; how many processes share it is the caller's to say.
"""

from __future__ import annotations

import os
from pathlib import Path

PROCESS_BYTES = 64_000_000
"""Of memory, for a process without a request: 43 MB at its start, and what is kept in caches."""

MEMORY_SHARE = 0.75
"""Of what is left, for requests: the rest is for answers, and lost between blocks of memory."""

LEAST_MEMORY_SHARE = 0.25
"""Of all memory, for requests, where the processes alone would take it."""

UNKNOWN_MEMORY = 2_000_000_000
"""Where the system does not tell how much it has (Windows)."""

CGROUPS = (
    ("", "sys/fs/cgroup", "memory.max"),
    ("", "sys/fs/cgroup/unified", "memory.max"),
    ("memory", "sys/fs/cgroup/memory", "memory.limit_in_bytes"),
)
"""Controller in /proc/self/cgroup ("" in version 2), where it is mounted, the file of its limit."""


def for_requests(processes: int) -> int:
    """Bytes that the requests of one process may take together, beside so many processes."""
    limit = memory_limit()
    left = int(MEMORY_SHARE * (limit - processes * PROCESS_BYTES))
    return max(int(LEAST_MEMORY_SHARE * limit), left) // processes


def memory_limit(root: Path = Path("/")) -> int:
    """Bytes of memory that this container may use, or that the machine has.

    The kernel knows a limit for each cgroup above a process; inside a container the innermost one
    is often mounted where outside the outermost is.
    """
    limits = [_physical_memory()]
    groups = _cgroups(root / "proc/self/cgroup")
    for controller, mount, name in CGROUPS:
        inner = root / mount / groups.get(controller, "")
        folders = [each for each in (inner, *inner.parents) if each.is_relative_to(root / mount)]
        limits += [limit for folder in folders if (limit := _read_limit(folder / name))]
    return min(limits)


def _cgroups(file: Path) -> dict[str, str]:
    """Controller -> path of its cgroup; lines are `4:cpu,memory:/path`, or `0::/path`."""
    try:
        lines = [line.split(":", 2) for line in file.read_text().splitlines()]
    except OSError:
        return {}
    parts = [(line[1].split(","), line[2].strip("/")) for line in lines if len(line) == 3]
    return {controller: path for controllers, path in parts for controller in controllers}


def _read_limit(file: Path) -> int:
    """0 where there is no such file, or no limit ("max")."""
    try:
        text = file.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN_MEMORY
