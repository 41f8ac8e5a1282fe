"""Whatever stands in a file, it is read or refused with one of our own errors: TOML, CSV, manifests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_bench.border.cells import inert, restored
from automl_bench.datasets.found_lists import read_named_list
from automl_bench.datasets.layouts import LayoutHints
from automl_bench.datasets.manifest import read_manifest
from automl_bench.errors import AutomlBenchError, ExitCode, InvalidSetting
from automl_bench.report.importing import read_results
from automl_bench.settings.experiment_files import read_experiment
from automl_bench.settings.provider_files import read_provider_file

EXPERIMENT = 'name = "x"\ndatasets = ["tiny"]\nproviders = ["toy"]\nshots = [2]\n'
RESULTS = "provider,dataset,shots,accuracy\nsome,pets,5,0.5\n"
LIST = "path,label,split\na.png,cat,train\n"
MANIFEST = (
    "sample_id,path,split,label,bytes,width,height,media_type\n" + "0" * 64 + ",a.png,train,cat,1,1,1,image/png\n"
)

PARSERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "experiment": ("x.toml", EXPERIMENT, read_experiment),
    "provider file": ("x.toml", '[settings]\na = 1\n[variants.v]\nb = "c"\n[budget]\ncall = 1.0\n', read_provider_file),
    "results": ("x.csv", RESULTS, read_results),
    "sample list": ("x.csv", LIST, lambda path: read_named_list(path, LayoutHints())),
    "manifest": ("manifest.csv", MANIFEST, lambda path: read_manifest(path.parent)),
}
PIECES = [
    "0" * 5000, "9" * 400, "-1", "1e999", "nan", "inf", "2024-01-01", "[" * 300, "{a=" * 300, "=cmd()", "'", '"', '"""',
    "\n", "\r", ",", ";", "\t", "\0", "\ufeff", "\x1b[31m", "../../x", "true", "[[a]]", "[parallel]", "name", "=", "é",
    "٣", "²", "a.b", "#", "\\", "\\u0000", "-", "0x", "1_0",
]  # fmt: skip


@pytest.mark.parametrize("kind", PARSERS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_file_is_read_or_refused(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    name, good, read = PARSERS[kind]
    text = good
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        place = data.draw(st.integers(0, len(text)), label="place")
        cut = data.draw(st.integers(0, 12), label="cut")
        piece = data.draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), label="piece")
        text = text[:place] + piece + text[place + cut :]
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read(path)
    except AutomlBenchError:
        return


@pytest.mark.parametrize("kind", PARSERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, kind: str, content: bytes) -> None:
    name, _, read = PARSERS[kind]
    path = tmp_path / name
    path.write_bytes(content)
    try:
        read(path)
    except AutomlBenchError:
        return


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = " + "1" * 5000, "holds a number that is too long (5,000 digits)"),
        ("title = " + "[" * 5000, "is nested too deeply"),
        ("a = " + "{b = " * 3000, "is nested too deeply"),
        ("seed = " + "1" * 30, "'seed'"),
        ("folds = " + "1" * 12, "'folds'"),
    ],
)
def test_numbers_and_nesting_without_measure_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f"{text}\n" if text.startswith(("title", "a =")) else f"{EXPERIMENT}{text}\n")
    with pytest.raises(InvalidSetting) as caught:
        read_experiment(path)
    assert words in str(caught.value)
    assert caught.value.exit_code is ExitCode.SETTINGS
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["../../x", "/etc", "..", "a/b", "a\\b", "", ".hidden", "a\nb", "x" * 200])
@pytest.mark.parametrize("key", ["datasets", "providers"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, key: str, name: str) -> None:
    lines = {"datasets": '["tiny"]', "providers": '["toy"]', key: f"[{name!r}]"}
    path = tmp_path / "x.toml"
    path.write_text('name = "x"\nshots = [2]\n' + "".join(f"{one} = {value}\n" for one, value in lines.items()))
    with pytest.raises(InvalidSetting):
        read_experiment(path)


@given(st.text())
def test_an_inert_cell_comes_back_as_it_was(text: str) -> None:
    assert restored(inert(text)) == text


@given(st.sampled_from("=+-@\t\r\n"), st.text(min_size=1))
def test_no_cell_begins_as_a_formula_unless_it_is_a_number(first: str, rest: str) -> None:
    cell = inert(first + rest)
    assert cell.startswith("'") or float(cell) is not None
