"""The service of an exported folder: `python -m automl_bench_local.exported_service`, where its `service.json` is.

It needs the folder and its requirements; neither the workspace nor what training needs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from automl_bench.errors import AutomlBenchError
from automl_bench_local.service_process import is_loopback, run_service

if TYPE_CHECKING:
    from automl_bench_local.service_app import ServiceSettings

SETTINGS = "service.json"
MODEL = "model"
EXAMPLE_PICTURE = "example.png"


def write_settings(folder: Path, settings: ServiceSettings) -> None:
    """Write what the folder's service serves, and how."""
    content = {
        "title": settings.title,
        "facts": dict(settings.facts),
        "threads": settings.threads,
        "largest_body": settings.largest_body,
        "most_samples": settings.most_samples,
    }
    (folder / SETTINGS).write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_settings(folder: Path, *, loopback: bool) -> ServiceSettings:
    """Return what a folder's service serves, and how.

    Args:
        folder: The exported folder.
        loopback: Whether only this machine may ask.

    Raises:
        OSError: If the folder has no settings.
        ValueError: If they cannot be read.
    """
    from automl_bench_local.service_app import ServiceSettings

    content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return ServiceSettings(model=folder / MODEL, graphs=folder / MODEL, loopback=loopback, **content)


def main() -> int:
    """Serve until asked to end."""
    parser = argparse.ArgumentParser(prog="python -m automl_bench_local.exported_service")
    parser.add_argument("--folder", type=Path, default=Path(), help="the exported folder; by default the current one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines ask")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer, each with the model")
    options = parser.parse_args()
    try:
        settings = read_settings(options.folder.absolute(), loopback=is_loopback(options.host))
        run_service(settings, options.host, options.port, options.workers, lambda text: print(text, flush=True))
    except AutomlBenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    except (OSError, ValueError, TypeError) as error:
        print(f"error: {options.folder / SETTINGS} cannot be read: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
