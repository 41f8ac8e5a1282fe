"""With a judge the caller reads every answer: passing trouble is sent again, anything final ends the sending."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from servers.scripted_server import HangUp, Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest, HttpResponse
from automl_bench.errors import (
    BillingRequired,
    ConnectionLost,
    Interrupted,
    RateLimited,
    ServiceUnavailable,
    WorkspaceError,
)
from automl_bench.transport import RetryPolicy, send_all
from automl_bench.transport.bulk import RequestMaker

QUICK = RetryPolicy(attempts=3, first_wait_seconds=0.01, longest_wait_seconds=0.5)


def posts(url: str, count: int) -> Iterator[tuple[int, RequestMaker]]:
    for number in range(count):
        yield number, lambda number=number: HttpRequest(f"{url}{number}")


def accept(tag: int, response: HttpResponse) -> None:
    """Take every answer."""


def test_a_conflict_may_be_accepted() -> None:
    seen: dict[int, int] = {}
    with ScriptedServer(lambda connection, _: connection.sendall(whole_answer(status="409 Conflict"))) as server:
        report = send_all(
            posts(server.url, 5), judge=lambda tag, response: seen.update({tag: response.status}), policy=QUICK
        )
    assert seen == dict.fromkeys(range(5), 409)
    assert (report.sent, report.failures) == (5, [])


def test_what_the_judge_calls_passing_is_sent_again_after_the_wait_it_names() -> None:
    asked: Counter[int] = Counter()
    moments: list[float] = []

    def judge(tag: int, response: HttpResponse) -> None:
        asked[tag] += 1
        if tag == 1 and asked[1] == 1:
            moments.append(time.monotonic())
            raise RateLimited("slow down.", retry_after=0.2)
        if tag == 1:
            moments.append(time.monotonic())

    with ScriptedServer() as server:
        report = send_all(posts(server.url, 3), judge=judge, policy=QUICK)
    assert asked == {0: 1, 1: 2, 2: 1}
    assert (report.sent, report.repeated) == (3, 1)
    assert moments[1] - moments[0] >= 0.2


def test_a_final_error_ends_the_sending_at_once() -> None:
    def judge(tag: int, response: HttpResponse) -> None:
        if tag == 3:
            raise BillingRequired("the free quota is used up.")

    with ScriptedServer() as server:
        with pytest.raises(BillingRequired, match="free quota"):
            send_all(posts(server.url, 100), judge=judge, in_flight=1)
        assert len(server.received) == 4


@pytest.mark.parametrize("error", [RateLimited, ServiceUnavailable])
def test_used_up_attempts_raise_the_last_error(error: type[Exception]) -> None:
    def judge(tag: int, response: HttpResponse) -> None:
        raise error("not now.")

    with ScriptedServer() as server:
        with pytest.raises(error, match="not now"):
            send_all(posts(server.url, 1), judge=judge, policy=QUICK)
        assert len(server.received) == QUICK.attempts


def test_a_lost_answer_is_sent_again_and_at_last_raised() -> None:
    def hang_up(connection: object, request: Received) -> None:
        raise HangUp

    with ScriptedServer(hang_up) as server, pytest.raises(ConnectionLost, match="0: "):
        send_all(posts(server.url, 1), judge=accept, policy=QUICK)


def test_a_maker_in_passing_trouble_is_asked_again() -> None:
    calls: list[int] = []

    def make() -> HttpRequest:
        calls.append(1)
        if len(calls) < 3:
            raise ServiceUnavailable("no token just now.")
        return HttpRequest(server.url)

    with ScriptedServer() as server:
        assert send_all([("x", make)], judge=accept, policy=QUICK).sent == 1
        assert len(server.received) == 1
    assert len(calls) == 3


def test_an_unreadable_file_is_named() -> None:
    def unreadable() -> HttpRequest:
        raise FileNotFoundError(2, "No such file or directory", "/data/cat.png")

    with pytest.raises(WorkspaceError, match="/data/cat.png cannot be read"):
        send_all([("cat", unreadable)], judge=accept)


def test_a_wish_to_stop_is_heard_within_the_second() -> None:
    stop = threading.Event()

    def hold(connection: object, request: Received) -> None:
        stop.set()
        server.stopped.wait()

    with ScriptedServer(hold) as server:
        begun = time.monotonic()
        with pytest.raises(Interrupted):
            send_all(posts(server.url, 3), stop=stop)
        assert time.monotonic() - begun < 3


def test_no_second_holds_more_requests_than_the_published_rate_even_after_a_stall() -> None:
    arrivals: list[float] = []
    lock = threading.Lock()

    def stall_at_first(connection: object, request: Received) -> None:
        with lock:
            arrivals.append(time.monotonic())
            late = len(arrivals) <= 10
        if late:
            time.sleep(0.6)  # the stall is the point: every place is taken meanwhile
        connection.sendall(whole_answer())  # type: ignore[attr-defined]  # a socket

    with ScriptedServer(stall_at_first) as server:
        send_all(posts(server.url, 50), in_flight=10, requests_per_second=40)
    busiest = max(sum(1 for other in arrivals if start <= other < start + 0.5) for start in arrivals)
    assert busiest <= 20 + 2, "one to catch up with, one for the clock"
