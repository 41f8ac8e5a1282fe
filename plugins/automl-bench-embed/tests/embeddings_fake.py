"""A server that embeds texts and images in the shapes of OpenAI, Jina, Cohere and Voyage: strict, counting, billing.

OpenAI's requests are held against the types of its package, the others against what the services document. Vectors are
hashed words and thumbnails, or those of real networks: MiniLM and EfficientNet-Lite0, as they come inside packages.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Required, TypedDict

import numpy as np
from automl_bench_embed.access import WORD
from openai_fake import OpenaiFake, Refusal, word_vector
from PIL import Image
from sdk_types import mismatch

LENGTH = 64
SIDE = 4


class JinaText(TypedDict):
    text: str


class JinaImage(TypedDict):
    image: str


class JinaParams(TypedDict, total=False):
    model: Required[str]
    input: Required[list[JinaText | JinaImage]]
    task: Literal["classification"]
    dimensions: int


class CohereParams(TypedDict, total=False):
    model: Required[str]
    input_type: Required[Literal["classification"]]
    embedding_types: Required[list[Literal["float"]]]
    texts: list[str]
    images: list[str]
    output_dimension: int


class VoyageText(TypedDict):
    type: Literal["text"]
    text: str


class VoyageImage(TypedDict):
    type: Literal["image_base64"]
    image_base64: str


class VoyageInput(TypedDict):
    content: list[VoyageText | VoyageImage]


class VoyageParams(TypedDict, total=False):
    model: Required[str]
    inputs: Required[list[VoyageInput]]
    input_type: Literal["query", "document"] | None
    output_dimension: int


KINDS = {"/embeddings": JinaParams, "/v2/embed": CohereParams, "/multimodalembeddings": VoyageParams}
MOST = {"/embeddings": 512, "/v2/embed": 96, "/multimodalembeddings": 1000}


@dataclass
class EmbeddingsFake(OpenaiFake):
    """The server.

    Attributes:
        embed: Makes the vector of a text or of an image; by default of hashed words and thumbnails.
    """

    embed: Callable[[str | Image.Image], Sequence[float]] | None = None

    def _predicts(self, raw: bytes) -> bool:
        body = json.loads(raw)
        contents = next(body[name] for name in ("input", "inputs", "texts", "images") if name in body)
        return len(contents) == 1 and WORD not in raw.decode()

    def _reply(self, path: str, body: Any) -> Any:
        texts_only = path == "/embeddings" and "task" not in body
        if path not in KINDS or texts_only:
            return super()._reply(path, body)
        if found := mismatch(body, KINDS[path]):
            raise Refusal(400, f"Wrong argument: {found}", None)
        if path == "/embeddings":
            contents = [one.get("text", one.get("image")) for one in body["input"]]
            seen = [_opened(one["image"]) if "image" in one else one["text"] for one in body["input"]]
        elif path == "/v2/embed":
            if ("texts" in body) is ("images" in body):
                raise Refusal(400, "either texts or images", None)
            contents = body.get("texts", body.get("images"))
            seen = [_of_url(one) for one in contents] if "images" in body else list(contents)
        else:
            contents = [one["content"][0] for one in body["inputs"]]
            seen = [_of_url(one["image_base64"]) if "image_base64" in one else one["text"] for one in contents]
        if not 1 <= len(contents) <= MOST[path] or "" in contents:
            raise Refusal(400, f"between 1 and {MOST[path]} contents", None)
        vectors = [self._vector(one, body.get("dimensions", body.get("output_dimension", LENGTH))) for one in seen]
        read = [sum(map(_tokens, (one for one in seen if isinstance(one, str) is words))) for words in (True, False)]
        with self.lock:
            self.bill.read += sum(read)
            self.bill.answers += 1
        if path == "/v2/embed":
            units = {"input_tokens": float(read[0]), "image_tokens": float(read[1])}
            return {"id": "1", "embeddings": {"float": vectors}, "meta": {"billed_units": units}}
        data = [{"object": "embedding", "index": place, "embedding": one} for place, one in enumerate(vectors)]
        return {"object": "list", "model": self.served, "data": data[::-1], "usage": {"total_tokens": sum(read)}}

    def _vector(self, content: str | Image.Image, length: int) -> list[float]:
        if self.embed is not None:
            return [float(value) for value in self.embed(content)]
        if isinstance(content, str):
            return word_vector(content, length)
        small = np.asarray(content.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float).ravel()
        return [float(value) + 1 for value in small]


def networks(folder: Path) -> Callable[[str | Image.Image], Sequence[float]]:
    """Return vectors of MiniLM for texts and of EfficientNet-Lite0 for images, from their packages."""
    from automl_bench_local.features import open_extractor, settle_features
    from automl_bench_local.minilm import SentenceEmbedding

    sees = open_extractor(settle_features("embedding", (), None, 1.0), graph_folder=folder, threads=1)
    reads = SentenceEmbedding()
    return lambda content: reads.transform([content])[0] if isinstance(content, str) else sees.one(content)


def _tokens(content: str | Image.Image) -> int:
    return len(content) // 4 + 1 if isinstance(content, str) else content.width * content.height // 560 + 1


def _of_url(text: str) -> Image.Image:
    head, _, data = text.partition(";base64,")
    if head not in ("data:image/png", "data:image/jpeg"):
        raise Refusal(400, "no data URL of an image", None)
    return _opened(data)


def _opened(data: str) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        picture.load()
    except (OSError, binascii.Error):
        raise Refusal(400, "no image", "invalid_image") from None
    return picture
