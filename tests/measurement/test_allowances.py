"""What a service says is left of its requests and tokens per minute, and how long the pass then waits."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from call_scripts import make_samples

from automl_bench.contract import HttpRequest, HttpResponse, Prediction, Sample, Usage
from automl_bench.measurement.accuracy_pass import PassLane, PassSettings, run_pass
from automl_bench.measurement.allowances import allowance_pause, read_duration
from automl_bench.store.records import Invocation


def headers(what: str, left: str, whole: str, reset: str) -> dict[str, str]:
    return {
        f"x-ratelimit-remaining-{what}": left,
        f"x-ratelimit-limit-{what}": whole,
        f"x-ratelimit-reset-{what}": reset,
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("20ms", 0.02),
        ("12", 12.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-3s", None),
        ("1s later", None),
        ("9" * 100, None),
    ],
)
def test_durations_are_read_strictly(text: str | None, seconds: float | None) -> None:
    assert read_duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_call_waits_until_the_allowance_covers_as_many_tokens_as_the_last_one() -> None:
    used = Usage(input_tokens=900, output_tokens=100)
    assert allowance_pause(headers("tokens", "1000", "60000", "59s"), used) == 0
    # 500 tokens lack; 59,500 come back in 59.5 s.
    assert allowance_pause(headers("tokens", "500", "60000", "59.5s"), used) == pytest.approx(0.5)
    assert allowance_pause(headers("requests", "0", "3", "60s"), None) == pytest.approx(20)
    assert allowance_pause(headers("requests", "0", "0", "2s"), None) == 2
    assert allowance_pause(headers("requests", "none", "3", "60s"), None) == 0
    assert allowance_pause({}, used) == 0
    assert allowance_pause(headers("tokens", "0", "10", "9" * 12), used) == 3600, "bounded"


class Allowing(BaseHTTPRequestHandler):
    """Says that no request is left, and that two are allowed in 600 ms."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        for name, value in headers("requests", "0", "2", "600ms").items():
            self.send_header(name, value)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"cat")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Asking:
    """An HttpInvoker of a service that gives no confidence and says what it used."""

    def __init__(self, url: str) -> None:
        self.url = url

    def prepare(self, sample: Sample) -> HttpRequest:
        return HttpRequest(self.url, body=sample.sample_id.encode())

    def parse(self, response: HttpResponse) -> Prediction:
        return Prediction(response.body.decode(), None, usage=Usage(text="cat"))


@pytest.mark.parametrize("respected", [True, False])
def test_the_pass_keeps_to_it_unless_told_otherwise(respected: bool) -> None:
    rows: list[Invocation] = []
    settings = PassSettings(warm_up=0, cold=False, respect_limits=respected)
    with ThreadingHTTPServer(("127.0.0.1", 0), Allowing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lane = PassLane("t", Asking(f"http://127.0.0.1:{server.server_port}/"))
        run_pass([lane], make_samples(3), settings=settings, record=rows.append)
        server.shutdown()
    gaps = [later.timing.sent_ns - row.timing.received_ns for row, later in pairwise(rows)]
    if respected:
        assert min(gaps) >= 0.29e9
    assert [row.usage for row in rows] == [Usage(text="cat")] * 3
    assert {row.confidence for row in rows} == {None}
