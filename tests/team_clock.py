"""A clock for the stores in the clouds, which try again until a deadline."""

from __future__ import annotations


class Clock:
    """Goes on while somebody sleeps, and at no other time: no deadline depends on the machine."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
