"""Answers at the time limit, dripping, resetting and bombing servers: no exception, no lost call, nothing grows."""

from __future__ import annotations

import gzip
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from servers.hostile_server import hostile_server
from servers.scripted_server import Received, ScriptedServer, whole_answer

from automl_bench.contract import HttpRequest
from automl_bench.store.records import Outcome
from automl_bench.transport import MultiTransport, TransportOptions
from automl_bench.transport.body_budget import BodyBudget

LIMIT_MS = 40
STRESS_CALLS = int(os.environ.get("AUTOML_BENCH_STRESS_CALLS", "20000"))
"""The long form: AUTOML_BENCH_STRESS_CALLS=1000000."""

MIX = {
    "/ok": 40,
    f"/after/{LIMIT_MS}": 30,
    f"/after/{LIMIT_MS - 1}": 10,
    "/drip": 6,
    "/drip-forever": 3,
    "/reset": 4,
    "/half": 3,
    "/bomb": 2,
    "/garbage": 2,
}


def drive(url: str, paths: list[str], lanes: int, options: TransportOptions | None = None) -> Counter[tuple[str, str]]:
    """Send one request a path, as many at once as there are lanes; return how often each outcome came for each."""
    seen: Counter[tuple[str, str]] = Counter()
    pending = iter(enumerate(paths))
    left = len(paths)
    answered: set[int] = set()
    with MultiTransport(options or TransportOptions(), lanes) as transport:
        while left:
            while transport.free and (job := next(pending, None)) is not None:
                number, path = job
                transport.start(HttpRequest(url + path, body=b"x" * 200, timeout_seconds=LIMIT_MS / 1000), number)
            for number, exchange in transport.wait(1.0):
                assert number not in answered, "an exchange came twice"
                answered.add(number)
                assert exchange.response is not None or exchange.error
                seen[paths[number], exchange.outcome.value] += 1
                left -= 1
    return seen


def test_answers_at_the_time_limit_race_with_it_and_nothing_breaks() -> None:
    with hostile_server() as url:
        for _ in range(4):
            seen = drive(url, [f"/after/{LIMIT_MS}"] * 256, 64)
            assert seen.total() == 256
            assert {outcome for _, outcome in seen} <= {"ok", "timeout"}


@pytest.mark.simulation
@pytest.mark.timeout(3600)
def test_no_call_is_lost_and_nothing_grows() -> None:
    """Short form of the run of 1,000,000 calls, which takes minutes."""
    chance = random.Random(10)
    this = psutil.Process()
    with hostile_server() as url:
        before: tuple[int, int] | None = None
        done, batch = 0, max(2000, STRESS_CALLS // 20)
        while done < STRESS_CALLS:
            paths = chance.choices(list(MIX), list(MIX.values()), k=batch)
            assert drive(url, paths, 128).total() == batch
            done += batch
            now = this.num_fds(), this.memory_info().rss
            before = before or now  # the first batch has warmed allocator and caches up
            print(f"{done} calls: {now[0]} descriptors, {now[1] / 2**20:.0f} MiB")
        assert before is not None
        assert now[0] <= before[0] + 2
        assert now[1] <= before[1] + 64 * 2**20


def test_an_event_of_a_closed_socket_that_a_child_process_keeps_open_does_not_come_back_for_ever() -> None:
    def late(connection: socket.socket, _: Received) -> None:
        time.sleep(0.3)
        connection.sendall(whole_answer())

    with ScriptedServer(late) as server, MultiTransport(TransportOptions(), 2) as transport:
        transport.start(HttpRequest(server.url, timeout_seconds=0.1), 0)
        transport.wait(0.05)
        with subprocess.Popen(["sleep", "30"], pass_fds=list(transport._watched)) as child:
            [(_, exchange)] = transport.wait(5)
            assert exchange.outcome is Outcome.TIMEOUT
            used = time.process_time()
            assert transport.wait(0.6) == []
            assert time.process_time() - used < 0.2, "it went round and round over a dead event"
            child.kill()


BOMBS = """
import resource, sys
from automl_bench.contract import HttpRequest
from automl_bench.transport import MultiTransport, TransportOptions

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with MultiTransport(TransportOptions(), 32) as transport:
    for number in range(32):
        transport.start(HttpRequest(sys.argv[1], timeout_seconds=60), number)
    left = 32
    while left:
        for number, exchange in transport.wait(60):
            assert exchange.response is None, "a bomb was taken"
            assert exchange.final, "a bomb would be asked for again"
            assert "limit of 16 MiB" in exchange.error or "may hold 128 MiB together" in exchange.error
            left -= 1
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_32_gzip_bombs_at_once_stay_within_the_budget_of_all_lanes(tmp_path: Path) -> None:
    with hostile_server() as url:
        script = tmp_path / "bombs.py"
        script.write_text(BOMBS)
        command = [sys.executable, str(script), f"{url}/bomb"]
        grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 128 + 48, f"memory grew by {grown} MiB"


def test_a_large_answer_fails_in_one_sentence_and_a_small_one_beside_it_does_not() -> None:
    def script(connection: socket.socket, request: Received) -> None:
        size = 700_000 if request.target == "/large" else 20_000
        connection.sendall(whole_answer(gzip.compress(bytes(size)), headers="Content-Encoding: gzip\r\n"))

    options = TransportOptions(max_response_bytes=2**20, max_total_bytes=2**20)
    with ScriptedServer(script) as server, MultiTransport(options, 8) as transport:
        for number in range(8):
            transport.start(HttpRequest(f"{server.url}{'large' if number % 2 else 'small'}"), number)
        ended = {}
        while len(ended) < 8:
            ended.update(transport.wait(5))
    assert all(ended[number].outcome is Outcome.OK for number in (0, 2, 4, 6))
    failed = [ended[number] for number in (1, 3, 5, 7) if ended[number].response is None]
    assert all(one.final and "all answers under way may hold 1 MiB together" in one.error for one in failed)


def test_the_budget_is_never_passed_and_comes_back_whole() -> None:
    chance = random.Random(3)
    budget = BodyBudget(100_000, 7)
    held = [0] * 7
    for _ in range(20_000):
        lane = chance.randrange(7)
        if chance.random() < 0.1:
            budget.give_back(held[lane])
            held[lane] = 0
        elif budget.take(held[lane], more := chance.randrange(16_384)):
            held[lane] += more
        else:
            assert held[lane] + more > 100_000 // 14, "an answer within its own share was refused"
        assert sum(held) <= 100_000
    for lane in range(7):
        budget.give_back(held[lane])
    assert budget.take(0, 100_000 // 2)
