"""How a request goes out: the one libcurl client, its phases and lanes, bulk sending.

Importing this loads libcurl: commands that send no request import it inside the function that needs it.
"""

from automl_bench.contract import SendFailure, SendReport
from automl_bench.transport.bulk import RetryPolicy, send_all
from automl_bench.transport.exchange import SEEN, Exchange, ResponseHeaders, Unseen, classify_status
from automl_bench.transport.heartbeat import HeartbeatThread, ProcessorWait, Standstills
from automl_bench.transport.multi import MultiTransport
from automl_bench.transport.options import TransportOptions, resolve_ca_bundle, resolve_proxy
from automl_bench.transport.probe import probe_round_trip
from automl_bench.transport.single import Transport

__all__ = [
    "SEEN",
    "Exchange",
    "HeartbeatThread",
    "MultiTransport",
    "ProcessorWait",
    "ResponseHeaders",
    "RetryPolicy",
    "SendFailure",
    "SendReport",
    "Standstills",
    "Transport",
    "TransportOptions",
    "Unseen",
    "classify_status",
    "probe_round_trip",
    "resolve_ca_bundle",
    "resolve_proxy",
    "send_all",
]
