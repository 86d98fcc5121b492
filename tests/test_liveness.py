"""proxy/liveness.py: silence is seen, and so is a client that leaves; a wait is one system call."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy import liveness
from proxy.liveness import INTERIM_RESPONSE, READABLE, SILENCE, WRITABLE, Poller, run
from tests.servers import reset
from tests.sockets import LONG, SOON, Pair, connected, drain, fill, soon
from translate import ApiError

Calls = list[float | None]


@pytest.fixture
def upstream() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def client() -> Iterator[Pair]:
    """Our side and the client's."""
    ours, theirs = connected()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture(params=["poll", "select"])
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The milliseconds for which the system was asked to wait, with and without its poll."""
    made: Calls = []
    make: Any = select.poll if request.param == "poll" else liveness.SelectPoll

    class Counted:
        def __init__(self) -> None:
            self.real = make()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def poll(self, timeout: float | None) -> Any:
            made.append(timeout)
            return self.real.poll(timeout)

    if request.param == "poll":
        monkeypatch.setattr(select, "poll", Counted)
    else:
        monkeypatch.delattr(select, "poll")
        monkeypatch.setattr(liveness, "SelectPoll", Counted)
    return made


only_poll = pytest.mark.parametrize("calls", ["poll"], indirect=True)


# --- Waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "later"), [(0, 0), (LONG, 0), (math.inf, 0), (LONG, SOON), (math.inf, SOON)]
)
def test_wait_ends_when_the_upstream_is_ready(
    upstream: Pair, calls: Calls, seconds: float, later: float
) -> None:
    timer = threading.Timer(later, upstream[1].close)
    timer.start()
    if not later:
        timer.join()
    assert Poller().wait(upstream[0].fileno(), soon(seconds))
    timer.join()
    assert [timeout is None for timeout in calls] == [seconds == math.inf]


@pytest.mark.parametrize("has_fd", [True, False])
@pytest.mark.parametrize(
    ("due", "deadline"),
    [(SOON, LONG), (LONG, SOON), (math.inf, SOON), (SOON, math.inf), (-LONG, LONG), (LONG, -LONG)],
)
def test_wait_is_one_call_until_due_or_deadline(
    upstream: Pair, calls: Calls, due: float, deadline: float, has_fd: bool
) -> None:
    poller = Poller()
    before = time.monotonic()
    poller.due = before + due
    assert not poller.wait(upstream[0].fileno() if has_fd else -1, before + deadline)
    assert time.monotonic() - before >= min(due, deadline)
    (milliseconds,) = calls
    assert milliseconds is not None
    assert 0 <= milliseconds <= 1000 * SOON + 1


def test_wait_looks_at_the_descriptor_of_each_call(upstream: Pair, calls: Calls) -> None:
    poller = Poller()
    ours, theirs = (sock.fileno() for sock in upstream)
    upstream[1].send(b"a")
    waits = [poller.wait(fd, soon()) for fd in (ours, theirs, ours, -1)]
    assert waits == [True, False, True, False]
    fill(upstream[1])
    assert not poller.wait(theirs, soon(), WRITABLE)
    assert poller.wait(ours, soon(), READABLE)
    drain(upstream[0])
    assert not poller.wait(ours, soon(), READABLE)
    assert poller.wait(ours, soon(), WRITABLE)
    assert poller.wait(theirs, soon(), WRITABLE)
    assert len(calls) == 9


@pytest.mark.parametrize("later", [0, SOON])
@pytest.mark.parametrize("is_ready", [True, False])
def test_wait_ends_when_the_process_is_stopped(
    upstream: Pair, client: Pair, later: float, is_ready: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the upstream has something to say or not; for every waiter, and for good."""
    monkeypatch.setattr(Poller, "stop_fd", -1)
    stop = liveness.prepare_stop()
    pollers = Poller(), Poller(client[0])
    if is_ready:
        upstream[1].sendall(b"x")
        assert pollers[0].wait(upstream[0].fileno(), soon(LONG))
    timer = threading.Timer(later, stop)
    timer.start()
    if is_ready or not later:
        timer.join()
    for poller in (*pollers, *pollers):
        with pytest.raises(ApiError, match="is being stopped") as caught:
            poller.wait(upstream[0].fileno(), soon(LONG))
        error = caught.value
        assert (error.status, error.cause, error.headers()) == (529, "busy", {"retry-after": "1"})
    timer.join()
    os.close(Poller.stop_fd)


def test_pollers_do_not_mind_each_other(upstream: Pair) -> None:
    pollers = Poller(), Poller()
    pollers[0].due = 0
    upstream[0].send(b"1")
    waits = [pollers[n].wait(upstream[n].fileno(), soon()) for n in (0, 1, 0)]
    assert waits == [False, True, False]


# --- Clients that leave -----------------------------------------------------------------------


@pytest.fixture(params=[liveness.ENDED_SENDING, READABLE], ids=["POLLRDHUP", "POLLIN"])
def ended(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that can tell a client that sends no more from one that sends, and the others."""
    monkeypatch.setattr(liveness, "ENDED_SENDING", request.param)


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize("has_begun", [True, False])
@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("is_meanwhile", [True, False])
def test_client_that_leaves_is_noticed_at_once(
    client: Pair, has_begun: bool, leave: Callable[[socket.socket], None], is_meanwhile: bool
) -> None:
    """Before the response has begun an interim response is the probe, then a ping."""
    poller = Poller(client[0], can_probe=True)
    poller.has_begun = has_begun
    later = threading.Timer(SOON, leave, [client[1]])
    later.start()
    if not is_meanwhile:
        later.join()
    before = time.monotonic()
    if leave is not reset:
        assert not poller.wait(-1, soon(LONG))
        assert poller.due == (0 if has_begun else math.inf)
        if has_begun:
            client[0].send(b"ping")
            poller.due = math.inf
    with pytest.raises(liveness.ClientDisconnected):
        poller.wait(-1, soon(LONG))
    assert time.monotonic() - before < LONG / 2
    later.join()


def test_client_that_leaves_ends_a_wait_for_the_upstream(client: Pair, upstream: Pair) -> None:
    """Also where the upstream is ready, and where it takes nothing."""
    poller = Poller(client[0])
    poller.has_begun = True
    upstream[1].send(b"a")
    client[1].shutdown(socket.SHUT_WR)
    assert poller.wait(upstream[0].fileno(), soon(LONG))
    assert poller.due == 0
    reset(client[1])
    poller.due = math.inf
    fill(upstream[0])
    for mask in (READABLE, WRITABLE):
        with pytest.raises(liveness.ClientDisconnected):
            poller.wait(upstream[0].fileno(), soon(LONG), mask)


@only_poll
@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize(
    ("has_begun", "can_probe", "probe"),
    [(True, True, b""), (False, True, INTERIM_RESPONSE), (False, False, b"")],
)
def test_client_that_only_listens_gets_everything(
    client: Pair, calls: Calls, has_begun: bool, can_probe: bool, probe: bytes
) -> None:
    """It has shut down its sending side, is looked at once, and then the wait is asleep."""
    poller = Poller(client[0], can_probe=can_probe)
    poller.has_begun = has_begun
    client[1].shutdown(socket.SHUT_WR)
    assert not poller.wait(-1, soon(LONG))
    assert poller.due == (0 if has_begun else math.inf)
    poller.due = math.inf
    for _ in range(2):
        client[0].send(b"answer")
        before = time.monotonic()
        assert not poller.wait(-1, soon())
        assert time.monotonic() - before >= SOON
    assert len(calls) == 3
    assert drain(client[1]) == probe + b"answeranswer"


@only_poll
@pytest.mark.usefixtures("ended")
def test_client_that_sends_more_has_not_left(client: Pair, calls: Calls) -> None:
    poller = Poller(client[0], can_probe=True)
    poller.has_begun = True
    client[1].send(b"POST /v1/messages")
    for _ in range(3):
        assert not poller.wait(-1, soon())
    assert (poller.due, len(calls)) == (math.inf, 3)
    assert client[0].recv(100) == b"POST /v1/messages"
    reset(client[1])
    with pytest.raises(liveness.ClientDisconnected):
        poller.wait(-1, soon(LONG))


class Failing(socket.socket):
    """The system is wrong about what can be done with it."""

    error: OSError

    def recv(self, *_: Any) -> bytes:
        raise self.error

    send = recv  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("mask", "error", "has_left"),
    [
        (READABLE, BlockingIOError(), False),
        (READABLE, ConnectionResetError(), True),
        (liveness.ENDED_SENDING, BrokenPipeError(), False),
    ],
)
def test_client_that_seems_to_be_readable(
    client: Pair, monkeypatch: pytest.MonkeyPatch, mask: int, error: OSError, has_left: bool
) -> None:
    monkeypatch.setattr(liveness, "ENDED_SENDING", mask)
    with Failing(fileno=client[0].detach()) as ours:
        ours.error = error
        poller = Poller(ours, can_probe=True)
        client[1].send(b"a")
        client[1].shutdown(socket.SHUT_WR)
        expected = pytest.raises(liveness.ClientDisconnected)
        with expected if has_left else contextlib.nullcontext():
            assert not poller.wait(-1, soon())
        assert poller.due == math.inf


def test_client_is_not_looked_at_behind_tls_or_closed(client: Pair, calls: Calls) -> None:
    encrypted = ssl.SSLSocket.__new__(ssl.SSLSocket)
    socket.socket.__init__(encrypted, fileno=client[0].detach())
    client[1].close()
    with encrypted:
        for ours in (encrypted, client[0], None):
            before = time.monotonic()
            assert not Poller(ours, can_probe=True).wait(-1, soon())
            assert time.monotonic() - before >= SOON
    assert len(calls) == 3


def test_client_is_looked_at_without_poll(client: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows: the write that follows tells."""
    monkeypatch.delattr(select, "poll")
    monkeypatch.setattr(liveness, "ENDED_SENDING", READABLE)
    poller = Poller(client[0])
    poller.has_begun = True
    assert not poller.wait(-1, soon())
    assert poller.due == math.inf
    client[1].close()
    assert not poller.wait(-1, soon(LONG))
    assert poller.due == 0


def test_client_disconnected_is_not_caught_as_an_exception() -> None:
    with pytest.raises(liveness.ClientDisconnected), contextlib.suppress(Exception):
        raise liveness.ClientDisconnected


# --- Pauses and calls -------------------------------------------------------------------------


def test_pause_is_a_sleep_that_yields_silence() -> None:
    poller = Poller()
    before = poller.due = time.monotonic()
    pause = poller.pause(2 * SOON)
    assert next(pause) is SILENCE
    poller.due = math.inf
    assert run(pause) is None
    assert time.monotonic() - before >= 2 * SOON


@pytest.mark.parametrize("is_pause", [True, False])
def test_client_that_leaves_ends_a_pause_and_a_call(client: Pair, is_pause: bool) -> None:
    poller = Poller(client[0])
    is_over = threading.Event()
    reset(client[1])
    with pytest.raises(liveness.ClientDisconnected):
        run(poller.pause(LONG) if is_pause else poller.call(is_over.wait))
    is_over.set()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
def test_call_ends_as_the_function_does(error: BaseException) -> None:
    def fail() -> None:
        raise error

    assert run(Poller().call(threading.current_thread)) is not threading.current_thread()
    with pytest.raises(type(error)) as caught:
        run(Poller().call(fail))
    assert caught.value is error


def test_call_has_a_timeout() -> None:
    """It goes on over silences, and has no errno: that is for the system's."""
    poller, is_over = Poller(), threading.Event()
    poller.due = 0
    before = time.monotonic()
    with pytest.raises(TimeoutError) as caught:
        run(poller.call(is_over.wait, SOON))
    assert (time.monotonic() - before >= SOON, caught.value.errno) == (True, None)
    is_over.set()


@pytest.mark.parametrize("is_left", [True, False])
def test_call_yields_silence_and_may_be_left(upstream: Pair, is_left: bool) -> None:
    """Its thread then goes on alone; the poller can be used in any case."""
    poller = Poller()
    poller.due = 0
    is_over, has_ended = threading.Event(), threading.Event()

    def work() -> str:
        is_over.wait(LONG)
        has_ended.set()
        return "done"

    call = poller.call(work)
    assert [next(call) for _ in range(3)] == [SILENCE] * 3
    assert not has_ended.is_set()
    poller.due = math.inf
    if is_left:
        call.close()
    is_over.set()
    assert is_left or run(call) == "done"
    assert has_ended.wait(LONG)
    upstream[1].send(b"a")
    assert poller.wait(upstream[0].fileno(), soon(LONG))


def test_failed_call_is_left_to_no_garbage_collection() -> None:
    class Failure(Exception):
        pass

    def fail() -> None:
        raise Failure

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Failure) as caught:
            run(Poller().call(fail))
        kept = weakref.ref(caught.value)
        del caught
        deadline = time.monotonic() + LONG
        while kept() is not None and time.monotonic() < deadline:
            time.sleep(0.001)  # the thread has told of its end, and is about to come to it
        assert kept() is None
    finally:
        gc.enable()
