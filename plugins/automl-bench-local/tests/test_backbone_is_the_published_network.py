"""The network built from the packaged weights is EfficientNet-Lite0, and reading the weights runs no foreign code."""

from __future__ import annotations

import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_local import backbone
from PIL import Image


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backbone.graph_path(tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def session(graph: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])


def photo(name: str) -> Any:
    import skimage.data
    import sklearn.datasets

    return sklearn.datasets.load_sample_image("flower.jpg") if name == "flower" else getattr(skimage.data, name)()


def at_224(pixels: Any) -> Any:
    image = Image.fromarray(pixels).convert("RGB")
    short = min(image.size)
    left, top = (image.width - short) // 2, (image.height - short) // 2
    square = image.crop((left, top, left + short, top + short)).resize((224, 224), Image.Resampling.BICUBIC)
    return np.asarray(square)[np.newaxis]


@pytest.mark.parametrize(
    ("name", "imagenet_class"), [("chelsea", 285), ("coffee", 967), ("rocket", 657), ("flower", 985)]
)
def test_photos_get_their_imagenet_class(session: Any, name: str, imagenet_class: int) -> None:
    # a network whose stored strides were ignored would answer the same class for every one
    logits = session.run(["logits"], {"images": at_224(photo(name))})[0][0]
    assert int(logits.argmax()) == imagenet_class


def test_an_embedding_has_1280_numbers_at_any_size_and_does_not_depend_on_its_batch(session: Any) -> None:
    batch = np.concatenate([at_224(photo("chelsea")), at_224(photo("coffee"))])
    together = session.run(["embedding"], {"images": batch})[0]
    alone = session.run(["embedding"], {"images": batch[1:]})[0]
    assert together.shape == (2, backbone.EMBEDDING_LENGTH)
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-3, atol=1e-4)
    assert session.run(["embedding"], {"images": batch[:1, :97, :131]})[0].shape == (1, backbone.EMBEDDING_LENGTH)


def test_the_graph_is_written_once_also_by_several_at_a_time(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(lambda _: backbone.graph_path(tmp_path), range(2)))
    (path,) = paths
    written = path.stat().st_mtime_ns
    assert backbone.graph_path(tmp_path) == path
    assert path.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [path]


class Attack:
    def __reduce__(self) -> Any:
        return (print, ("ran",))


@pytest.mark.parametrize("poison", [Attack(), [Attack()], {"a": Attack()}])
def test_weights_that_name_anything_else_are_refused(poison: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    for part in (backbone.LEGACY_MAGIC, backbone.LEGACY_PROTOCOL, {"little_endian": True}, poison):
        pickle.dump(part, stream, protocol=2)
    stream.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="not part of a state dictionary"):
        backbone.read_weights(stream)
    assert capsys.readouterr().out == ""


def test_another_format_is_refused() -> None:
    stream = io.BytesIO(b"".join(pickle.dumps(part) for part in (1, 2, {"little_endian": True})))
    with pytest.raises(pickle.UnpicklingError, match="not in torch's little-endian format"):
        backbone.read_weights(stream)
