"""examples/quickstart.ipynb runs from the first cell to the last, in a kernel of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "quickstart.ipynb"


@pytest.mark.integrations
@pytest.mark.timeout(300)  # six trainings, on a machine that does other work, too
def test_the_notebook_runs_and_shows_the_decision_the_comparison_and_the_report(tmp_path, monkeypatch):
    import nbclient
    import nbformat
    from jupyter_client.kernelspec import KernelSpecManager

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without outputs"
    client = nbclient.NotebookClient(notebook, timeout=250, resources={"metadata": {"path": str(tmp_path)}})
    manager = client.create_kernel_manager()
    manager.kernel_spec_manager = KernelSpecManager(ensure_native_kernel=True)
    manager.kernel_spec.argv[0] = sys.executable
    client.execute()
    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "execute_result"
    ]
    run, table, comparison, report = shown
    assert "local:svc" in run
    assert "accuracy" in run
    assert "<td>" in table
    assert "local:logistic-pixels" in comparison
    assert report.startswith("<iframe srcdoc=")
    assert (tmp_path / "quickstart" / "reports" / "first" / "report.html").is_file()
