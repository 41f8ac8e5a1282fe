"""What the provider says of itself. Static: no I/O and no import of an HTTP client."""

from __future__ import annotations

from automl_bench.contract import Capability, Limits, Modality, ProviderDescription
from automl_bench_nyckel.options import DECLARED
from automl_bench_nyckel.reported_times import REPORTED

NAME = "nyckel"

REQUESTS_PER_SECOND = 25.0
IN_FLIGHT = 25
"""Published limits of an account: https://www.nyckel.com/docs/api, throttling. Either one exceeded is answered 429."""

UPLOADS_PER_SECOND = 20.0
"""Below the published rate, so that the looks at lists and states before and after an upload fit in."""

POLICY = """\
Nyckel has no permissions to choose from: a client id and secret may do everything in their account, its other
functions included. The least privilege is therefore an account of its own for benchmarks.
With these credentials automl-bench calls, on functions whose name begins with "automl-bench-" (or the one adopted with
--endpoint) and nothing else:
  POST   /connect/token
  GET    /v1/functions                               look for the function by name, list leftovers
  POST   /v1/functions                               create the trial's function
  GET    /v1/functions/{id}
  GET    /v1/functions/{id}/labels
  POST   /v1/functions/{id}/labels
  GET    /v1/functions/{id}/fields                   of a function of tables
  POST   /v1/functions/{id}/fields                   one per column
  GET    /v1/functions/{id}/samples                  what is there already
  GET    /v1/functions/{id}/samples/{id}
  POST   /v1/functions/{id}/samples                  one per training sample
  PUT    /v1/functions/{id}/samples/{id}/annotation  where a sample has another label
  GET    /v0.9/functions/{id}, /v0.9/functions/{id}/metrics   whether it is trained
  POST   /v1/functions/{id}/invoke?capture=false     one per prediction
  DELETE /v1/functions/{id}                          teardown; never an adopted function
"""

DESCRIPTION = ProviderDescription(
    name=NAME,
    title="Nyckel",
    capabilities=frozenset(
        {
            Capability.CHECK_ACCESS,
            Capability.PRICE,
            Capability.UPLOAD,
            Capability.TRAIN,
            Capability.INVOKE,
            Capability.EXPORT_MANIFEST,
            Capability.ADOPT_ENDPOINT,
            Capability.LIST_RESOURCES,
        }
    ),
    modalities=frozenset({Modality.IMAGE, Modality.TEXT, Modality.TABULAR}),
    # The number of labels and samples depends on the plan (20 and 5,000 on the free one): the service answers 402.
    limits=Limits(
        min_samples_per_class=2,
        min_classes=2,
        requests_per_second=REQUESTS_PER_SECOND,
        in_flight=IN_FLIGHT,
        # The rate is the account's: a second trial's upload would throttle the first one's measurement.
        concurrent_trials=1,
    ),
    settings=DECLARED,
    variant_settings=(),
    requires="automl-bench[nyckel]",
    settle_seconds=3.0,
    reported_times=REPORTED,
    split_policy=(
        "Takes no validation set: trains on both halves with the service's own cross-validation. Images are sent as "
        "they are, not resized by the client (resized = false); of a row, missing cells are left out."
    ),
    docs_url="https://www.nyckel.com/docs/",
    policy=POLICY,
)
