"""Many requests go up with a few in flight; passing faults are sent again, final ones are listed."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator

from servers.scripted_server import HangUp, Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest
from automl_bench.errors import RequestRefused
from automl_bench.store.records import Outcome
from automl_bench.transport import RetryPolicy, send_all
from automl_bench.transport.bulk import RequestMaker

QUICK = RetryPolicy(attempts=4, first_wait_seconds=0.01, longest_wait_seconds=0.05)


def puts(url: str, count: int) -> Iterator[tuple[int, RequestMaker]]:
    for number in range(count):
        yield number, lambda number=number: HttpRequest(f"{url}{number}", method="PUT", body=b"%d" % number)


def test_everything_arrives_once_and_in_flight_is_bounded() -> None:
    together = Counter[str]()
    lock = threading.Lock()

    def script(connection: object, request: Received) -> None:
        with lock:
            together["now"] += 1
            together["most"] = max(together["most"], together["now"])
        with lock:
            together["now"] -= 1
        connection.sendall(whole_answer())  # type: ignore[attr-defined]  # a socket

    steps: list[int] = []
    done: list[int] = []
    with ScriptedServer(script) as server:
        report = send_all(
            puts(server.url, 200), in_flight=7, progress=steps.append, on_done=lambda tag, _: done.append(tag)
        )
        assert server.connections <= 7
        assert sorted(request.target for request in server.received) == sorted(f"/{number}" for number in range(200))
        assert {request.body for request in server.received} == {b"%d" % number for number in range(200)}
    assert (report.sent, report.repeated, report.failures) == (200, 0, [])
    assert steps == list(range(1, 201))
    assert sorted(done) == list(range(200))
    assert together["most"] <= 7


def test_passing_faults_are_sent_again_and_final_ones_are_listed() -> None:
    seen = Counter[str]()

    def script(connection: object, request: Received) -> None:
        seen[request.target] += 1
        number = int(request.target[1:])
        status = "200 OK"
        if number % 10 == 3 and seen[request.target] < 3:
            status = "503 Service Unavailable"
        elif number % 10 == 5 and seen[request.target] < 2:
            raise HangUp
        elif number % 10 == 7:
            status = "403 Forbidden"
        elif number == 9:
            status = "500 Internal Server Error"
        connection.sendall(whole_answer(status=status))  # type: ignore[attr-defined]  # a socket

    with ScriptedServer(script) as server:
        report = send_all(puts(server.url, 30), in_flight=5, policy=QUICK)
    assert report.sent == 26
    assert {failure.tag: failure.status for failure in report.failures} == {7: 403, 17: 403, 27: 403, 9: 500}
    by_tag = {failure.tag: failure for failure in report.failures}
    assert (by_tag[7].attempts, by_tag[7].outcome) == (1, Outcome.REFUSED)
    assert (by_tag[9].attempts, by_tag[9].outcome) == (4, Outcome.FAILED)
    assert seen["/3"] == 3
    assert seen["/5"] == 2
    assert report.repeated == sum(seen.values()) - 30


def test_pause_that_the_service_asks_for_is_kept_while_others_go_on() -> None:
    moments: dict[str, list[float]] = {}

    def script(connection: object, request: Received) -> None:
        times = moments.setdefault(request.target, [])
        times.append(time.monotonic())
        throttled = request.target == "/0" and len(times) == 1
        answer = (
            whole_answer(status="429 Too Many Requests", headers="Retry-After: 1\r\n") if throttled else whole_answer()
        )
        connection.sendall(answer)  # type: ignore[attr-defined]  # a socket

    with ScriptedServer(script) as server:
        report = send_all(puts(server.url, 20), in_flight=2)
    assert (report.sent, report.repeated) == (20, 1)
    assert moments["/0"][1] - moments["/0"][0] >= 0.99
    assert max(moments[f"/{number}"][0] for number in range(1, 20)) < moments["/0"][1]


def test_requests_are_made_when_they_are_sent_so_memory_is_bounded() -> None:
    alive: set[int] = set()
    most = 0

    class Body(bytes):
        def __new__(cls, number: int) -> Body:
            made = super().__new__(cls, 10_000)
            made.number = number
            alive.add(number)
            nonlocal most
            most = max(most, len(alive))
            return made

        number: int

        def __del__(self) -> None:
            alive.discard(self.number)

    with ScriptedServer() as server:
        requests = ((number, lambda number=number: HttpRequest(server.url, body=Body(number))) for number in range(300))
        assert send_all(requests, in_flight=4).sent == 300
    gc.collect()
    assert most <= 4 + 4 + 1, "each handle may hold its last body, no more"


def test_request_that_cannot_be_made_is_listed_and_the_rest_goes_up() -> None:
    def unreadable() -> HttpRequest:
        raise FileNotFoundError("cat.png is gone")

    def refused() -> HttpRequest:
        raise RequestRefused("The sample is too large.")

    with ScriptedServer() as server:
        jobs = [("a", unreadable), ("b", lambda: HttpRequest(server.url)), ("c", refused)]
        report = send_all(jobs)
    assert report.sent == 1
    assert [(failure.tag, failure.attempts) for failure in report.failures] == [("a", 0), ("c", 0)]
    assert "cat.png is gone" in report.failures[0].error


def test_published_rate_is_kept() -> None:
    with ScriptedServer() as server:
        begun = time.monotonic()
        report = send_all(puts(server.url, 21), in_flight=10, requests_per_second=50)
    assert report.sent == 21
    assert time.monotonic() - begun >= 20 / 50


def test_nothing_to_send_is_done_at_once() -> None:
    assert send_all([]).sent == 0
