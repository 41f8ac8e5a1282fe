"""The request of each kind of address that embeds, and where its answer holds vectors and tokens.

OpenAI's takes texts only. Jina's is OpenAI's with objects in place of texts, so that a server of one's own can offer
images by it, too. Cohere's and Voyage's are their own. `local` has no address: vectors are computed in this process.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_bench_embed.items import Item

LOCAL = "local"
TASK = "classification"
"""What vectors are for, where a service asks: the same for training and for predictions."""

Body = dict[str, Any]
Vectors = Iterator[tuple[int, Any]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of address.

    Attributes:
        base_url: The service's own address.
        path: Path of its embeddings.
        model: Its model, where the variant names none.
        secret: Secret that holds its key.
        most: Samples that one request takes at most.
        sees: Whether it embeds images.
        body: Makes the body of a request: model, samples, length of the vectors or None.
        vectors: Gives the place and the vector of each sample of an answer.
    """

    base_url: str
    path: str
    model: str
    secret: str
    most: int
    sees: bool
    body: Callable[[str, Sequence[Item], int | None], Body]
    vectors: Callable[[Mapping[str, Any]], Vectors]


def _openai_body(model: str, items: Sequence[Item], dimensions: int | None) -> Body:
    body: Body = {"model": model, "input": [one.text for one in items], "encoding_format": "base64"}
    return body if dimensions is None else {**body, "dimensions": dimensions}


def _jina_body(model: str, items: Sequence[Item], dimensions: int | None) -> Body:
    def entry(item: Item) -> dict[str, str]:
        if item.image is None:
            return {"text": item.text}
        return {"image": base64.b64encode(item.image.content()).decode()}

    body: Body = {"model": model, "input": [entry(one) for one in items], "task": TASK}
    return body if dimensions is None else {**body, "dimensions": dimensions}


def _cohere_body(model: str, items: Sequence[Item], dimensions: int | None) -> Body:
    body: Body = {"model": model, "input_type": TASK, "embedding_types": ["float"]}
    images = [one.url() for one in items if one.image is not None]
    body |= {"images": images} if images else {"texts": [one.text for one in items]}
    return body if dimensions is None else {**body, "output_dimension": dimensions}


def _voyage_body(model: str, items: Sequence[Item], dimensions: int | None) -> Body:
    def part(item: Item) -> dict[str, str]:
        if item.image is None:
            return {"type": "text", "text": item.text}
        return {"type": "image_base64", "image_base64": item.url()}

    body: Body = {"model": model, "inputs": [{"content": [part(one)]} for one in items], "input_type": None}
    return body if dimensions is None else {**body, "output_dimension": dimensions}


def _indexed(content: Mapping[str, Any]) -> Vectors:
    return ((int(one["index"]), one["embedding"]) for one in content["data"])


def _in_order(content: Mapping[str, Any]) -> Vectors:
    return iter(enumerate(content["embeddings"]["float"]))


SHAPES: Mapping[str, Shape] = {
    "openai": Shape(
        base_url="https://api.openai.com/v1",
        path="/embeddings",
        model="text-embedding-3-small",
        secret="api_key",
        most=2048,
        sees=False,
        body=_openai_body,
        vectors=_indexed,
    ),
    "jina": Shape(
        base_url="https://api.jina.ai/v1",
        path="/embeddings",
        model="jina-clip-v2",
        secret="jina_key",
        most=512,
        sees=True,
        body=_jina_body,
        vectors=_indexed,
    ),
    "cohere": Shape(
        base_url="https://api.cohere.com",
        path="/v2/embed",
        model="embed-v4.0",
        secret="cohere_key",
        most=96,
        sees=True,
        body=_cohere_body,
        vectors=_in_order,
    ),
    "voyage": Shape(
        base_url="https://api.voyageai.com/v1",
        path="/multimodalembeddings",
        model="voyage-multimodal-3.5",
        secret="voyage_key",
        most=1000,
        sees=True,
        body=_voyage_body,
        vectors=_indexed,
    ),
}


def usage_in(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return model and tokens of an answer in OpenAI's words, whatever the shape; what is not told stays away.

    Cohere counts tokens of texts and of images apart; Voyage's total has the tokens that it makes of pixels.
    """
    told = content.get("usage")
    if isinstance(told, Mapping):
        counted = told.get("prompt_tokens", told.get("total_tokens"))
    else:
        billed = content.get("meta", {})
        billed = billed.get("billed_units", {}) if isinstance(billed, Mapping) else {}
        units = [billed.get(name) for name in ("input_tokens", "image_tokens")] if isinstance(billed, Mapping) else []
        whole = [int(one) for one in units if isinstance(one, (int, float)) and not isinstance(one, bool)]
        counted = sum(whole) if whole else None
    return {"model": content.get("model"), "usage": {"prompt_tokens": counted}}
