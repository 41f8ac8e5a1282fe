"""A trial of texts and one of rows, with real processes and real requests; and their manifests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from automl_bench_local import plugin
from content_sets import (
    PASSENGER_COLUMNS,
    Content,
    documentation,
    parted,
    passengers,
    sample_of,
    training_set_of,
)
from local_trial import LocalTrial, our_processes

from automl_bench.contract import Endpoint, HttpResponse, ManifestEntry, OperationState, Stage
from automl_bench.errors import RequestRefused

BAD_BODIES = {
    "texts": [(b"\xff\xfe\x00", "not UTF-8: byte 0")],
    "rows": [(b"{", "not JSON"), (b"[1, 2]", "not a row"), (b'{"age": [1]}', "not a row"), (b"\xff", "not UTF-8")],
}


@pytest.mark.parametrize("content", ["texts", "rows"])
def test_a_whole_trial_learns_serves_and_leaves_nothing(content: str, trial: Callable[..., LocalTrial]) -> None:
    samples = documentation() if content == "texts" else passengers()
    chosen, others = parted(samples, 10)
    mine = trial("logistic-words" if content == "texts" else "auto")
    mine.until_trained(training_set_of(chosen, () if content == "texts" else PASSENGER_COLUMNS))
    deployed = mine.deploy()
    assert deployed.state is OperationState.SUCCEEDED, deployed.message
    result = mine.results[Stage.DEPLOY]
    invoker: Any = plugin.invoke(mine.context, Endpoint(str(result["endpoint_id"]), str(result["url"])))

    right = 0
    for body, label in others[:60]:
        request = invoker.prepare(sample_of(body))
        assert dict(request.headers)["Content-Type"] == ("text/plain" if content == "texts" else "application/json")
        answer = requests.post(request.url, data=request.body, headers=dict(request.headers), timeout=30)
        prediction = invoker.parse(HttpResponse(answer.status_code, answer.headers, answer.content))
        assert set(prediction.scores) == {label for _, label in samples}
        assert prediction.confidence == pytest.approx(max(prediction.scores.values()))
        right += prediction.label == label
    assert right > 36

    for body, words in BAD_BODIES[content]:
        refused = requests.post(f"{result['url']}/predict", data=body, timeout=30)
        assert refused.status_code == 400
        with pytest.raises(RequestRefused, match=words):
            invoker.parse(HttpResponse(refused.status_code, refused.headers, refused.content))
    mine.tear_down()
    assert our_processes(mine.folder) == []
    assert list(mine.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ('a, "quoted"\nline', {"text": 'a, "quoted"\nline', "label": ""}),
        ({"age": 3.5, "town": None}, {"age": 3.5, "town": None, "label": ""}),
        ({"label": "x", "age": 1}, {"label": "x", "age": 1, "label_": ""}),
    ],
)
def test_manifests_list_texts_and_rows_under_their_columns(content: Content, row: dict[str, Any]) -> None:
    manifest = plugin.export_manifest([ManifestEntry(sample_of(content), "train")])
    assert list(manifest.rows) == [row]
    assert manifest.label_at == (list(row)[-1],)
