"""The web application of `automl-bench ui`: pages and reports of one workspace, by GET alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from automl_bench.errors import AutomlBenchError, NoResults
from automl_bench.report.page import own_file
from automl_bench.report.workspace_page import (
    FILES,
    POLICY,
    empty_page,
    experiment_page,
    index_page,
    report_of,
)
from automl_bench.store import open_store

if TYPE_CHECKING:
    from starlette.requests import Request

    from automl_bench.settings.workspace import Workspace
    from automl_bench.store import Store

OWN_NAMES = ("127.0.0.1", "localhost")
"""Hosts that a request may name: a web page that lets a name of its own point to this machine reads nothing."""

SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
OF_PAGES = {**SAFE, "Content-Security-Policy": POLICY}
OF_REPORTS = {**SAFE, "Content-Security-Policy": "frame-ancestors 'none'"}
"""A report carries the rest of its policy itself."""


def workspace_app(workspace: Workspace) -> FastAPI:
    """Return the application.

    Args:
        workspace: What it shows. Each request opens the results file anew, for reading.
    """
    app = FastAPI(openapi_url=None, exception_handlers={AutomlBenchError: _explain})
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=OWN_NAMES, www_redirect=False)

    def read(show: Callable[[Store], str]) -> str:
        try:
            with open_store(workspace.store_path, read_only=True) as store:
                return show(store)
        except NoResults:
            return empty_page(workspace.store_path)

    @app.get("/")
    def index() -> HTMLResponse:
        return HTMLResponse(read(lambda store: index_page(store, workspace.reports)), headers=OF_PAGES)

    @app.get("/experiments/{name}")
    def experiment(name: str) -> HTMLResponse:
        def show(store: Store) -> str:
            found = store.experiment(name)
            if found is None:
                raise HTTPException(404, "There is no such experiment.")
            return experiment_page(store, workspace.reports, found)

        return HTMLResponse(read(show), headers=OF_PAGES)

    @app.get("/reports/{name}")
    def report(name: str) -> FileResponse:
        try:
            with open_store(workspace.store_path, read_only=True) as store:
                found = report_of(store, workspace.reports, name)
        except NoResults:
            found = None
        if found is None:
            raise HTTPException(404, "There is no such report.")
        return FileResponse(found, media_type="text/html", headers=OF_REPORTS)

    @app.get("/{name}")
    def file(name: str) -> Response:
        if name not in FILES:
            raise HTTPException(404, "There is nothing here.")
        return Response(own_file(name), media_type=FILES[name], headers=SAFE)

    return app


async def _explain(request: Request, error: Exception) -> Response:
    """Answer with the error's own sentence, as a command would print it."""
    return Response(str(error), 500, media_type="text/plain", headers=SAFE)
