"""Answers one request with an exported folder's model, and tells what that took.

`python -m automl_bench_local.service_probe FOLDER FILE`, as a process of its own: what it has imported of automl-bench
is the code that an image has to hold; what that code and the stored model have imported of others, the packages.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import ColumnKind, Modality
from automl_bench_local.exported_service import EXAMPLE_PICTURE, read_settings
from automl_bench_local.service_app import PREDICT, build_app, modality_of
from automl_bench_local.service_bodies import JSON

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import Message

    from automl_bench_local.model import Served

OWN = ("automl_bench", "automl_bench_local")
EXAMPLE_TEXT = "Can we meet tomorrow at ten?"
EXAMPLE_CELLS: Mapping[str, Any] = {ColumnKind.NUMBER: 1, ColumnKind.DATE: "2026-01-31"}
"""A value for each kind of column; the others get a word."""


def main() -> int:
    """Load the model, answer, and write what was used."""
    from automl_bench_local.model import load_model

    importlib.import_module("uvicorn")  # which a service imports when it begins to listen
    folder, told = map(Path, sys.argv[1:])
    unpickled: set[str] = set()

    def watch(event: str, details: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            unpickled.add(str(details[0]).partition(".")[0])

    sys.addaudithook(watch)
    settings = read_settings(folder, loopback=False)
    model = load_model(settings.model, graph_folder=settings.graphs, threads=settings.threads)
    modality = modality_of(settings.model)
    body, media_type = _example(modality, model)
    status, answer = asyncio.run(_ask(build_app(settings, model), body, media_type))
    code = dict(_own_code())
    content = {
        "code": code,
        "imported": sorted((_imported(map(Path, code.values())) | unpickled) - {*OWN} - sys.stdlib_module_names),
        "example": "" if modality is Modality.IMAGE else body.decode(),
        "answer": json.loads(answer) if status == 200 else None,
    }
    told.write_text(json.dumps(content), encoding="utf-8")
    if modality is Modality.IMAGE:
        (folder / EXAMPLE_PICTURE).write_bytes(body)
    return 0


def _example(modality: Modality, model: Served) -> tuple[bytes, str]:
    """Return a made-up sample and its media type: nothing of the data leaves with the model."""
    if modality is Modality.IMAGE:
        from PIL import Image

        picture = BytesIO()
        Image.radial_gradient("L").resize((64, 64)).save(picture, "PNG")
        return picture.getvalue(), "image/png"
    if modality is Modality.TEXT:
        return json.dumps({"text": EXAMPLE_TEXT}).encode(), JSON
    kinds = _kinds(model)
    row = {name: EXAMPLE_CELLS.get(kinds.get(name, ""), "word") for name in model.features.to_json()["columns"]}
    return json.dumps(row).encode(), JSON


def _kinds(model: Served) -> dict[str, str]:
    """Return the kinds of a table's columns, as far as the model has been told them."""
    from automl_bench_local.content_model import ContentModel
    from automl_bench_local.typed_columns import TypedColumns

    assert isinstance(model, ContentModel)
    parts = model.head.estimator.get_params().values()
    return {name: kind for part in parts if isinstance(part, TypedColumns) for name, kind in part.columns}


async def _ask(app: FastAPI, body: bytes, media_type: str) -> tuple[int, bytes]:
    """Return the status and the body of the answer to one prediction."""
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PREDICT,
        "raw_path": PREDICT.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", media_type.encode())],
    }
    await app(scope, receive, send)
    return told[0]["status"], b"".join(message.get("body", b"") for message in told)


def _own_code() -> Iterator[tuple[str, str]]:
    """Yield the files of our own packages that have been imported: path below all packages, and where it is."""
    roots = {name: Path(str(sys.modules[name].__file__)).parents[1] for name in OWN}
    for name, module in sorted(sys.modules.items()):
        root = roots.get(name.partition(".")[0])
        if root is not None and module.__file__ is not None:
            yield Path(module.__file__).relative_to(root).as_posix(), module.__file__


def _imported(files: Iterable[Path]) -> set[str]:
    """Return the modules that files import anywhere in them and that have been imported by now, by their first name."""
    named = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                named.add(node.module.partition(".")[0])
    found = named & {name.partition(".")[0] for name in sys.modules}
    if "tokenizers" in found:
        from automl_bench_local import minilm

        found |= {minilm.NETWORK[0], minilm.TOKENIZER[0]}
    return found


if __name__ == "__main__":
    sys.exit(main())
