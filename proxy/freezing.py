"""What has to be done before AWS Lambda freezes a process, which it does as soon as an invocation
has ended: whatever is left to a thread then waits for the next one, which may never come.
"""

from __future__ import annotations

from collections.abc import Callable

Task = Callable[[float], object]
"""Gets the seconds that the function may still take, which it need not use, and can be none."""

_tasks: list[Task] = []


def before(task: Task) -> None:
    """Have it done from now on; once, however often it is given."""
    if task not in _tasks:
        _tasks.append(task)


def prepare(end: Callable[[], float]) -> None:
    """Do all, one after another. end: the seconds that are left."""
    for task in _tasks:
        task(end())
