"""proxy/liveness.py: silence is seen, work goes on where it was, a client's leaving ends it."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from proxy import liveness
from proxy.liveness import ClientLeft, Sign, Work, is_seen, pause, until_ready
from tests.servers import reset

SOON = 0.02
"""Seconds that are waited for in vain."""

LONG = 30.0
"""Seconds that nothing here takes: a test that waits for so long has found a fault."""

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[Callable[[], Pair]]:
    """Makes pairs of connected sockets: ours, and the other side's."""
    made: list[socket.socket] = []

    def make() -> Pair:
        pair = socket.socketpair()
        made.extend(pair)
        return pair

    yield make
    for each in made:
        each.close()


@pytest.fixture
def upstream(pairs: Callable[[], Pair]) -> Pair:
    return pairs()


@pytest.fixture
def client() -> Iterator[Pair]:
    """Our side and the client's of a connection that can be reset."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    with ours, theirs:
        yield ours, theirs


Make = Callable[..., Work[Any]]


@pytest.fixture
def working() -> Iterator[Make]:
    """Makes works, and stops them in the end: one that is left alone stays for ever."""
    made: list[Work[Any]] = []

    def make(items: Generator[Any, None, None], client: socket.socket | None = None) -> Work[Any]:
        made.append(Work(items))
        made[-1].watch(client)
        return made[-1]

    yield make
    for work in made:
        work.stop()


class Reader:
    """Work that reads from a socket until its end, and a note of what happened to it."""

    def __init__(self, sock: socket.socket, seconds: float | None = None) -> None:
        self.sock = sock
        self.seconds = seconds
        self.notes: list[str] = []

    def items(self) -> Generator[bytes, None, None]:
        self.notes.append("started")
        try:
            while True:
                if not until_ready(self.sock, self.seconds):
                    raise TimeoutError("nothing to read")
                read = self.sock.recv(100)
                if not read:
                    return
                yield read
        finally:
            self.notes.append("closed")


# --- Items ------------------------------------------------------------------------------------


def test_items_are_taken_one_by_one_until_the_end(working: Make) -> None:
    work = working(iter_of("a", "b"))
    assert [work.take(LONG) for _ in range(4)] == ["a", "b", Sign.END, Sign.END]


def iter_of(*items: str) -> Generator[str, None, None]:
    yield from items


def test_nothing_is_done_before_it_is_asked_for(upstream: Pair, working: Make) -> None:
    reader = Reader(upstream[0])
    work = working(reader.items())
    assert reader.notes == []
    upstream[1].send(b"a")
    assert (work.take(LONG), reader.notes) == (b"a", ["started"])


def test_what_has_come_is_taken_at_once(upstream: Pair, working: Make) -> None:
    work = working(Reader(upstream[0]).items())
    upstream[1].send(b"a")
    assert work.take(0) == b"a"
    assert work.take(0) is Sign.SILENCE
    upstream[1].close()
    assert [work.take(0), work.take(0)] == [Sign.END, Sign.END]


def test_what_comes_while_it_is_waited_for_ends_the_wait(upstream: Pair, working: Make) -> None:
    work = working(Reader(upstream[0]).items())
    assert work.take(0) is Sign.SILENCE
    later = threading.Timer(SOON, upstream[1].send, [b"late"])
    later.start()
    assert work.take(LONG) == b"late"
    later.join()


def test_an_exception_of_the_work_is_raised_where_it_is_taken(
    upstream: Pair, working: Make
) -> None:
    reader = Reader(upstream[0], SOON)
    work = working(reader.items())
    with pytest.raises(TimeoutError, match="nothing to read"):
        work.take(LONG)
    assert (work.take(LONG), reader.notes) == (Sign.END, ["started", "closed"])


# --- Silence ----------------------------------------------------------------------------------


def test_silence_is_told_after_the_time_that_was_given(upstream: Pair, working: Make) -> None:
    work = working(Reader(upstream[0]).items())
    before = time.monotonic()
    assert work.take(SOON) is Sign.SILENCE
    assert time.monotonic() - before >= SOON
    before = time.monotonic()
    assert work.take(4 * SOON) is Sign.SILENCE
    assert time.monotonic() - before >= 4 * SOON


def test_a_silence_that_is_over_at_once_does_not_wait(upstream: Pair, working: Make) -> None:
    work = working(Reader(upstream[0]).items())
    assert [work.take(seconds) for seconds in (0, -1, 0)] == [Sign.SILENCE] * 3


def test_the_work_goes_on_from_where_it_waited(upstream: Pair, working: Make) -> None:
    def whole_lines() -> Generator[bytes, None, None]:
        with upstream[0].makefile("rb") as file:
            held = b""
            while until_ready(upstream[0], None) and (read := file.read1(1)):
                held += read
                if read == b"\n":
                    yield held
                    held = b""

    work = working(whole_lines())
    upstream[1].send(b"half")
    assert [work.take(0), work.take(SOON)] == [Sign.SILENCE] * 2
    upstream[1].send(b" a line\nand")
    assert [work.take(LONG), work.take(0)] == [b"half a line\n", Sign.SILENCE]


def test_the_time_of_a_read_goes_on_over_silences(upstream: Pair, working: Make) -> None:
    """Nothing comes for as long as a socket allows: that is not put off by a sign of life."""
    reader = Reader(upstream[0], 3 * SOON)
    work = working(reader.items())
    silences = []

    def take_all() -> None:
        while (taken := work.take(SOON)) is Sign.SILENCE:
            silences.append(taken)

    before = time.monotonic()
    with pytest.raises(TimeoutError):
        take_all()
    assert time.monotonic() - before >= 3 * SOON
    assert 1 <= len(silences) <= 3


def test_each_read_has_its_time_anew(upstream: Pair, working: Make) -> None:
    work = working(Reader(upstream[0], 10 * SOON).items())
    before = time.monotonic()
    while time.monotonic() - before < 12 * SOON:
        upstream[1].send(b"a")
        assert work.take(LONG) == b"a"
        time.sleep(SOON)
    assert work.take(0) is Sign.SILENCE


def test_a_pause_can_be_seen(working: Make) -> None:
    def items() -> Generator[str, None, None]:
        pause(2 * SOON)
        yield "rested"

    work = working(items())
    before = time.monotonic()
    assert work.take(0) is Sign.SILENCE
    assert work.take(LONG) == "rested"
    assert time.monotonic() - before >= 2 * SOON


@pytest.fixture
def selected(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The times for which the system was asked to wait."""
    times: list[float | None] = []
    real = liveness.ready

    def counted(readers: Any, writers: Any, seconds: float) -> Any:
        times.append(seconds)
        return real(readers, writers, seconds)

    monkeypatch.setattr(liveness, "ready", counted)
    return times


def test_no_time_is_spent_awake(
    upstream: Pair, selected: list[float | None], working: Make
) -> None:
    """A wait is one call, not many short ones."""
    work = working(Reader(upstream[0], LONG).items())
    assert work.take(SOON) is Sign.SILENCE
    upstream[1].send(b"a")
    assert work.take(LONG) == b"a"
    assert 2 <= len(selected) <= 4
    assert all(timeout is not None and timeout <= LONG for timeout in selected)


@pytest.mark.parametrize("has_poll", [True, False])
def test_what_is_ready_is_told_with_and_without_poll(
    pairs: Callable[[], Pair], has_poll: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    (quiet, _), (loud, other), (full, _) = pairs(), pairs(), pairs()
    fill(full)
    assert liveness.ready([quiet, loud], [full], 0) == []
    other.send(b"a")
    assert liveness.ready([quiet, loud], [full], LONG) == [loud]
    assert liveness.ready([quiet, loud], [full, other], None) == [loud, other]


def fill(sock: socket.socket) -> None:
    """Write until nothing more is taken."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65_536))


def test_what_cannot_be_written_is_waited_for(
    upstream: Pair, selected: list[float | None], working: Make
) -> None:
    def items() -> Generator[bool, None, None]:
        yield until_ready(upstream[0], 2 * SOON, writes=True)
        yield until_ready(upstream[0], None, writes=True)

    fill(upstream[0])
    work = working(items())
    assert [work.take(0), work.take(LONG), work.take(SOON)] == [Sign.SILENCE, False, Sign.SILENCE]
    assert len(selected) <= 5
    drain(upstream[1])
    assert [work.take(LONG), work.take(LONG)] == [True, Sign.END]


def drain(sock: socket.socket) -> None:
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(65_536)


def test_two_works_do_not_mind_each_other(pairs: Callable[[], Pair], working: Make) -> None:
    first, second = pairs(), pairs()
    works = [working(Reader(pair[0]).items()) for pair in (first, second)]
    assert [work.take(0) for work in works] == [Sign.SILENCE] * 2
    second[1].send(b"2")
    assert [work.take(0) for work in works] == [Sign.SILENCE, b"2"]
    first[1].send(b"1")
    assert [work.take(0) for work in works] == [b"1", Sign.SILENCE]


def test_a_work_runs_in_whatever_thread_made_it(upstream: Pair) -> None:
    taken: list[Any] = []

    def run() -> None:
        work = Work(Reader(upstream[0]).items())
        taken.append(work.take(SOON))
        upstream[1].send(b"a")
        taken.append(work.take(LONG))
        work.stop()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LONG)
    assert taken == [Sign.SILENCE, b"a"]


# --- Stopping ---------------------------------------------------------------------------------


def test_a_work_that_was_never_begun_is_stopped_without_a_trace(upstream: Pair) -> None:
    reader = Reader(upstream[0])
    items = reader.items()
    work = Work(items)
    work.stop()
    assert (work.take(LONG), reader.notes, list(items)) == (Sign.END, [], [])


def test_a_work_is_stopped_in_the_middle_of_a_wait(upstream: Pair, working: Make) -> None:
    reader = Reader(upstream[0])
    work = working(reader.items())
    assert work.take(0) is Sign.SILENCE
    work.stop()
    assert reader.notes == ["started", "closed"]
    assert work.take(LONG) is Sign.END


def test_a_work_is_stopped_between_two_items(upstream: Pair, working: Make) -> None:
    reader = Reader(upstream[0])
    work = working(reader.items())
    upstream[1].send(b"a")
    assert work.take(LONG) == b"a"
    work.stop()
    assert (reader.notes, work.take(LONG)) == (["started", "closed"], Sign.END)


def test_a_work_is_stopped_in_a_pause(working: Make) -> None:
    notes = []

    def items() -> Generator[str, None, None]:
        try:
            pause(LONG)
            yield "never"
        finally:
            notes.append("closed")

    work = working(items())
    assert work.take(0) is Sign.SILENCE
    work.stop()
    assert (notes, work.take(0)) == (["closed"], Sign.END)


def test_a_work_that_has_ended_can_be_stopped_again_and_again(
    upstream: Pair, working: Make
) -> None:
    reader = Reader(upstream[0])
    work = working(reader.items())
    upstream[1].close()
    assert work.take(LONG) is Sign.END
    work.stop()
    work.stop()
    assert reader.notes == ["started", "closed"]


def test_no_except_clause_of_the_work_can_hold_a_stop(upstream: Pair, working: Make) -> None:
    def items() -> Generator[bytes, None, None]:
        while True:
            with contextlib.suppress(Exception):
                yield from Reader(upstream[0]).items()

    work = working(items())
    assert work.take(0) is Sign.SILENCE
    work.stop()
    assert work.take(LONG) is Sign.END


def test_nothing_is_left_of_many_works(upstream: Pair, client: Pair) -> None:
    def one() -> weakref.ref[Work[bytes]]:
        work = Work(Reader(upstream[0]).items())
        work.watch(client[0])
        assert work.take(0) is Sign.SILENCE
        work.stop()
        return weakref.ref(work)

    with socket.socket() as probe:
        free = probe.fileno()
    left = [one() for _ in range(50)]
    gc.collect()
    assert [work() for work in left if work() is not None] == []
    with socket.socket() as probe:
        assert probe.fileno() == free


# --- Clients that leave -----------------------------------------------------------------------


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_client_that_leaves_ends_the_work(
    upstream: Pair, client: Pair, has_begun: bool, working: Make
) -> None:
    reader = Reader(upstream[0])
    work = working(reader.items(), client[0])
    if has_begun:
        assert work.take(0) is Sign.SILENCE
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)
    assert (reader.notes, work.take(LONG)) == (["started", "closed"], Sign.END)


def test_a_client_that_says_no_more_is_written_to_at_once_and_once(
    upstream: Pair, client: Pair, selected: list[float | None], working: Make
) -> None:
    """It may have left or only listen (Python's requests): a write is what tells."""
    work = working(Reader(upstream[0]).items(), client[0])
    assert work.take(0) is Sign.SILENCE
    client[1].shutdown(socket.SHUT_WR)
    assert work.take(LONG) is Sign.SILENCE
    upstream[1].send(b"a")
    assert work.take(LONG) == b"a"
    selected.clear()
    assert work.take(SOON) is Sign.SILENCE
    assert len(selected) <= 3


def test_a_client_that_leaves_while_it_is_waited_ends_the_wait(
    upstream: Pair, client: Pair, working: Make
) -> None:
    work = working(Reader(upstream[0]).items(), client[0])
    later = threading.Timer(SOON, reset, [client[1]])
    later.start()
    with pytest.raises(ClientLeft):
        work.take(LONG)
    later.join()


def test_a_client_that_leaves_ends_a_wait_to_write(
    upstream: Pair, client: Pair, working: Make
) -> None:
    def items() -> Generator[bool, None, None]:
        yield until_ready(upstream[0], LONG, writes=True)

    fill(upstream[0])
    work = working(items(), client[0])
    assert work.take(0) is Sign.SILENCE
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


def test_a_client_that_leaves_ends_a_pause(client: Pair, working: Make) -> None:
    def items() -> Generator[None, None, None]:
        pause(LONG)
        yield

    work = working(items(), client[0])
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


def test_leaving_is_no_error_that_the_work_could_hold(
    upstream: Pair, client: Pair, working: Make
) -> None:
    def items() -> Generator[bytes, None, None]:
        while True:
            with contextlib.suppress(Exception):
                yield from Reader(upstream[0]).items()

    work = working(items(), client[0])
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


def test_a_client_that_asks_for_more_already_has_not_left(
    upstream: Pair, client: Pair, working: Make
) -> None:
    work = working(Reader(upstream[0]).items(), client[0])
    client[1].send(b"POST /v1/messages")
    assert [work.take(0), work.take(SOON)] == [Sign.SILENCE] * 2
    upstream[1].send(b"a")
    assert work.take(LONG) == b"a"
    assert client[0].recv(100) == b"POST /v1/messages"


def test_a_wait_beside_a_client_that_asks_for_more_is_asleep(
    upstream: Pair, client: Pair, selected: list[float | None], working: Make
) -> None:
    work = working(Reader(upstream[0]).items(), client[0])
    client[1].send(b"more")
    assert [work.take(SOON), work.take(SOON)] == [Sign.SILENCE] * 2
    assert 2 <= len(selected) <= 6


def test_a_client_that_only_seemed_to_speak_has_not_left(
    upstream: Pair, client: Pair, working: Make
) -> None:
    """The system may be wrong about what is there to read."""
    real = liveness.ready
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(liveness, "ready", lambda *given: [*real(*given), client[0]])
        work = working(Reader(upstream[0]).items(), client[0])
        assert work.take(0) is Sign.SILENCE
        upstream[1].send(b"a")
        assert work.take(LONG) == b"a"
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


def test_a_client_behind_encryption_is_not_looked_at(
    upstream: Pair, client: Pair, working: Make
) -> None:
    class Encrypted(ssl.SSLSocket):
        """Without a handshake."""

        def __new__(cls, *_: Any, **__: Any) -> Encrypted:
            return socket.socket.__new__(cls)

        def __init__(self, plain: socket.socket) -> None:
            socket.socket.__init__(self, fileno=plain.detach())

    with Encrypted(client[0]) as sock:
        work = working(Reader(upstream[0]).items(), sock)
        client[1].close()
        assert work.take(0) is Sign.SILENCE
        work.stop()


def test_what_has_come_is_taken_only_by_those_who_are_there(
    upstream: Pair, client: Pair, working: Make
) -> None:
    work = working(Reader(upstream[0]).items(), client[0])
    upstream[1].send(b"a")
    reset(client[1])
    with pytest.raises(ClientLeft):
        work.take(LONG)


# --- Outside of a work ------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [LONG, None])
def test_outside_of_a_work_a_wait_is_not_seen(upstream: Pair, seconds: float | None) -> None:
    assert not is_seen()
    assert not until_ready(upstream[0], SOON)
    later = threading.Timer(SOON, upstream[1].send, [b"a"])
    later.start()
    assert until_ready(upstream[0], seconds)
    assert until_ready(upstream[0], seconds, writes=True)
    later.join()
    fill(upstream[0])
    assert not until_ready(upstream[0], SOON, writes=True)


def test_outside_of_a_work_a_pause_is_a_sleep() -> None:
    before = time.monotonic()
    pause(SOON)
    assert time.monotonic() - before >= SOON
