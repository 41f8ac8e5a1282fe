"""The folder of `export service`: a model and all that an image needs to serve it, written whole or not at all."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_bench.contract import Modality
from automl_bench.errors import UsageError, WorkspaceError
from automl_bench_local.exported_service import EXAMPLE_PICTURE, MODEL, SETTINGS, write_settings
from automl_bench_local.model import FILES
from automl_bench_local.service_needs import Needs, needs_of

if TYPE_CHECKING:
    from automl_bench_local.service_app import ServiceSettings

CODE = "app"
REQUIREMENTS = "requirements.txt"
PORT = 8000
PLAIN_FILE, PLAIN_FOLDER = 0o644, 0o755
"""The image's user is another one than who exports."""

DOCKERFILE = f"""\
# Any image with Python {{python}} and pip will do: --build-arg BASE=…
ARG BASE=docker.io/library/python:{{python}}-slim
FROM ${{{{BASE}}}}
WORKDIR /service
COPY {REQUIREMENTS} ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check -r {REQUIREMENTS}
COPY {CODE} {CODE}
COPY {MODEL} {MODEL}
COPY {SETTINGS} ./
ENV PYTHONPATH=/service/{CODE} PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE {PORT}
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"]
ENTRYPOINT ["python", "-m", "automl_bench_local.exported_service"]
CMD ["--host", "0.0.0.0", "--port", "{PORT}"]
"""

COMPOSE = f"""\
services:
  model:
    build: .
    image: {{image}}
    ports:
      - "127.0.0.1:{PORT}:{PORT}"  # this machine only; "{PORT}:{PORT}" lets others ask
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
"""

README = f"""\
# {{title}}

A model that automl-bench trained, as a service. Everything that it needs is in this folder, but for the packages in
`{REQUIREMENTS}`, which the image installs: those that it was tried with, on Python {{python}}.

```
docker build --tag {{image}} .
docker run --rm --publish 127.0.0.1:{PORT}:{PORT} {{image}}
```

or `docker compose up --build`. `podman` takes the same words. It listens on this machine only, asks nobody who they are
and does not encrypt: put a proxy with TLS and a login before it for others. Options of the service stand behind the
image's name: `--host 0.0.0.0 --port {PORT} --workers 2`. Without containers:

```
python -m venv venv && venv/bin/pip install -r {REQUIREMENTS}
PYTHONPATH={CODE} venv/bin/python -m automl_bench_local.exported_service
```

## Ask it

The example is made up.{{answered}}

```
{{asked}}
```

One request may have {{most}} samples and {{largest:,}} bytes (`{SETTINGS}`). What is refused gets a 4xx status
and `{{{{"detail": "one sentence"}}}}`. `/openapi.json` describes all of it.
"""


def write_service(folder: Path, settings: ServiceSettings) -> Needs:
    """Write the folder.

    Args:
        folder: Where to; it must not exist yet, or be empty.
        settings: The model and its limits.

    Raises:
        UsageError: If the folder is in use, or the model needs what no package has.
        WorkspaceError: If it cannot be written.
        ProviderError: If the model cannot be loaded, or fails.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already.", remedy="Name a new folder, or delete this one first.")
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        draft.mkdir(parents=True)
        try:
            needs = _fill(draft, settings)
            if folder.is_dir():
                folder.rmdir()
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise WorkspaceError(
            f"{folder} cannot be written: {error.strerror or error}.", remedy="Choose a folder that you may write to."
        ) from error
    return needs


def _fill(folder: Path, settings: ServiceSettings) -> Needs:
    from automl_bench_local.service_app import modality_of

    (folder / MODEL).mkdir()
    for name in FILES:
        if (settings.model / name).is_file():
            shutil.copyfile(settings.model / name, folder / MODEL / name)
    write_settings(folder, settings)
    needs = needs_of(folder)
    for name, source in needs.code.items():
        (folder / CODE / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / CODE / name)
    words = {
        "title": settings.title,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "image": image_name(settings.facts),
        "answered": _answered(needs),
        "asked": "\n".join(_curl_lines(modality_of(folder / MODEL), needs.example)),
        "most": settings.most_samples,
        "largest": settings.largest_body,
    }
    texts = {
        REQUIREMENTS: "\n".join(needs.requirements) + "\n",
        "Dockerfile": DOCKERFILE.format(**words),
        "compose.yaml": COMPOSE.format(**words),
        "README.md": README.format(**words),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(PLAIN_FOLDER if path.is_dir() else PLAIN_FILE)
    return needs


def image_name(facts: Mapping[str, Any]) -> str:
    """Return a name for the image that container engines take."""
    return re.sub("[^a-z0-9]+", "-", f"{facts['dataset']}-{facts['variant']}".lower()).strip("-") or "model"


def _answered(needs: Needs) -> str:
    if needs.answer is None:
        return " The model can make nothing of it: put a sample of your own in its place."
    return f" The model answers it with\n\n```\n{json.dumps(needs.answer, ensure_ascii=False)}\n```"


def _curl_lines(modality: Modality, example: str) -> list[str]:
    to = f"http://127.0.0.1:{PORT}"
    in_json = f"curl -H 'Content-Type: application/json' {to}/predict"
    if modality is Modality.IMAGE:
        in_base64 = f"$(base64 < {EXAMPLE_PICTURE} | tr -d '\\n')"
        ask = [
            f"curl -H 'Content-Type: image/png' {to}/predict --data-binary @{EXAMPLE_PICTURE}",
            f"""echo '[{{"image": "'"{in_base64}"'"}}]' | {in_json} --data-binary @-""",
        ]
    else:
        ask = [f"{in_json} -d {shlex.quote(text)}" for text in (example, f"[{example}, {example}]")]
    return [*ask, f"curl {to}/health", f"curl {to}/metrics"]
