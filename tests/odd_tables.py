"""Odd files of texts and tables: how to make each, what it is imported with, and what should come of it."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from openpyxl import Workbook
from pyarrow import parquet

from automl_bench.errors import ExitCode

BODY = "".join(f"{n},{'red' if n % 3 else 'blue'},{'yes' if n % 2 else 'no'}\n" for n in range(40))
PLAIN = "size,colour,label\n" + BODY
TEXTS = "".join(f'"text number {n}, so",{"spam" if n % 2 else "ham"}\n' for n in range(30))
TABLE: Mapping[str, Any] = {"target": "label"}
TEXT: Mapping[str, Any] = {"text": "text", "label": "label"}
Maker = Callable[[Path], None]


@dataclass(frozen=True)
class Odd:
    """One source.

    Attributes:
        name: File or folder.
        make: Its bytes, or a function that makes it.
        asked: Options of the columns.
        error: What the one sentence says, or "" for an import.
        code: Exit code of the refusal; what is wrong whatever the file holds is a fault of the command line.
        rows: Samples that come of it.
        says: What a note or warning says.
        kinds: Kinds of columns that have to be found.
        labels: The labels, where they are what is odd.
        group: Value of --group.
    """

    name: str
    make: bytes | Maker
    asked: Mapping[str, Any] = field(default_factory=lambda: TABLE)
    error: str = ""
    code: ExitCode = ExitCode.DATASET
    rows: int = 40
    says: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    group: str = ""


def _parquet(columns: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> Maker:
    def make(path: Path) -> None:
        table = pa.table(dict(columns))
        if metadata is not None:
            table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
        parquet.write_table(table, path)

    return make


def _workbook(*sheets: str) -> Maker:
    def make(path: Path) -> None:
        book = Workbook()
        book.remove(book.active)
        for name in sheets:
            sheet = book.create_sheet(name)
            sheet.append(["size", "seen", "label"])
            for n in range(40):
                sheet.append([float(n), pd.Timestamp(2026, 1, 1 + n % 28), n % 2 == 0])
        book.save(path)

    return make


def _folder(files: Mapping[str, bytes]) -> Maker:
    def make(path: Path) -> None:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)

    return make


def _shards(path: Path) -> None:
    (path / "data").mkdir(parents=True)
    for split in ("train", "test"):
        texts = [f"{split} {n}" for n in range(20)]
        _parquet({"text": texts, "label": ["a", "b"] * 10})(path / "data" / f"{split}-00000-of-00001.parquet")


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _rows(cells: Callable[[int], str], header: str = "size,x,label") -> bytes:
    return (header + "\n" + "".join(f"{n},{cells(n)},{'yes' if n % 2 else 'no'}\n" for n in range(40))).encode()


def _labels(label: Callable[[int], str]) -> bytes:
    return ("size,label\n" + "".join(f"{n % 7},{label(n)}\n" for n in range(40))).encode()


LINES = "".join(json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) + "\n" for n in range(30))
HALF = PLAIN.encode()
MAIL = b"From a@b Thu Aug 22\nSubject: =?utf-8?q?caf=C3=A9?= offer\nX-List: secret-list\n\nBuy %d now\n"

ODD: Mapping[str, Odd] = {
    # --- how a file is written
    "plain": Odd("a.csv", HALF, kinds={"size": "identifier", "colour": "category"}),
    "byte order mark": Odd("a.csv", b"\xef\xbb\xbf" + HALF, says="byte order mark"),
    "utf-16": Odd("a.csv", PLAIN.encode("utf-16"), says="UTF-16"),
    "utf-16 without mark": Odd("a.csv", PLAIN.encode("utf-16-le"), says="without a byte order mark"),
    "windows-1252": Odd("a.csv", PLAIN.replace("red", "rosé").encode("cp1252"), says="Windows-1252"),
    "cyrillic in windows-1251": Odd("a.csv", PLAIN.replace("red", "красный").encode("cp1251"), error="--encoding"),
    "windows-1251, told": Odd(
        "a.csv", PLAIN.replace("red", "красный").encode("cp1251"), {**TABLE, "encoding": "cp1251"}
    ),
    "an encoding that does not exist": Odd(
        "a.csv", HALF, {**TABLE, "encoding": "utf-9"}, error="no encoding 'utf-9'", code=ExitCode.USAGE
    ),
    "cells separated by a word": Odd(
        "a.csv", HALF, {**TABLE, "delimiter": "and"}, error="cannot separate cells", code=ExitCode.USAGE
    ),
    "zero bytes": Odd("a.csv", b"\x00\x01\x02\x00" * 300, error="holds zero bytes"),
    "semicolons and decimal commas": Odd(
        "a.csv",
        HALF.replace(b",", b";").replace(b"size", b"price").replace(b";red", b",5;red"),
        says="decimal commas",
        kinds={"price": "number"},
    ),
    "tabs in a csv": Odd("a.csv", HALF.replace(b",", b"\t"), says="separated by tabs"),
    "tsv": Odd("a.tsv", HALF.replace(b",", b"\t")),
    "vertical bars": Odd("a.csv", HALF.replace(b",", b"|"), says="vertical bars"),
    "excel's sep line": Odd("a.csv", b"sep=;\n" + HALF.replace(b",", b";"), says="semicolons"),
    "windows line ends": Odd("a.csv", HALF.replace(b"\n", b"\r\n"), labels=("no", "yes")),
    "no line end at the end": Odd("a.csv", HALF.rstrip(b"\n")),
    "blank lines": Odd("a.csv", HALF.replace(b"\n", b"\n\n")),
    "line breaks in quotes": Odd("t.csv", f"text,label\n{TEXTS}".replace(", so", ",\nso").encode(), TEXT, rows=30),
    "doubled quotes": Odd("t.csv", f"text,label\n{TEXTS}".replace(", so", ', ""so""').encode(), TEXT, rows=30),
    "a quote that is never closed": Odd("a.csv", HALF.replace(b"5,red", b'5,"red'), error="closed"),
    "a row with too many cells": Odd("a.csv", HALF.replace(b"7,red,", b"7,red,,"), error="row 9 (the header is row 1)"),
    "a row with too few cells": Odd("a.csv", HALF + b"41,red\n", error="2 cells, where the header has 3"),
    "empty": Odd("a.csv", b"", error="is empty"),
    "header only": Odd("a.csv", b"size,colour,label\n", error="no rows"),
    "one column": Odd("a.csv", b"label\nyes\nno\n", error="one column only"),
    "git lfs pointer": Odd(
        "a.csv",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1\n",
        error="Git LFS",
    ),
    "a saved web page": Odd("a.csv", b"<!DOCTYPE html><html><body>Sign in</body></html>", error="web page"),
    # --- headers
    "two columns of one name": Odd("a.csv", HALF.replace(b"size,colour", b"size,size"), error="two columns called"),
    "two of one name, ignored": Odd(
        "a.csv", _rows(lambda n: f"{n % 5},{n % 3}", "size,size,colour,label"), {**TABLE, "ignore": ("size",)}
    ),
    "a column without a name": Odd("a.csv", HALF.replace(b"size,", b",", 1), says="'column_1'"),
    "commas at the ends of the lines": Odd("a.csv", HALF.replace(b"\n", b",\n"), labels=("no", "yes")),
    "no header": Odd("a.csv", BODY.encode(), error="has no column 'label'"),
    "a misspelt column": Odd("a.csv", HALF, {"target": "lable"}, error="Did you mean 'label'"),
    "another case": Odd("a.csv", HALF, {"target": "LABEL"}),
    "two columns but for the case": Odd(
        "a.csv", HALF.replace(b"size,colour", b"Label,LABEL"), {"target": "lAbEl"}, error="but for the case"
    ),
    "spaces around names": Odd("a.csv", HALF.replace(b"size,colour,label", b" size , colour , label ")),
    # --- cells
    "missing in many words": Odd(
        "a.csv", _rows(lambda n: ("NA", "", "NaN", "?", f"{n}.5")[n % 5]), kinds={"x": "number"}
    ),
    "thousands": Odd("a.csv", _rows(lambda n: f'"1,{n + 100}.5"'), says="thousands", kinds={"x": "number"}),
    "leading zeros": Odd("a.csv", _rows(lambda n: f"0{n % 9}123"), kinds={"x": "category"}),
    "numbers too long for a float": Odd("a.csv", _rows(lambda n: f"{10**17 + n}"), kinds={"x": "identifier"}),
    "iso dates": Odd("a.csv", _rows(lambda n: f"2026-01-{n % 28 + 1:02d}"), kinds={"x": "date"}),
    "day before month": Odd("a.csv", _rows(lambda n: f"{n % 28 + 1}/3/2026"), says="day, month", kinds={"x": "date"}),
    "month before day": Odd("a.csv", _rows(lambda n: f"3/{n % 28 + 1}/2026"), says="month, day", kinds={"x": "date"}),
    "dates that may be either": Odd("a.csv", _rows(lambda n: f"{n % 3 + 1}/2/2026"), says="cannot be told apart"),
    "one word among numbers": Odd("a.csv", _rows(lambda n: "many" if n == 39 else f"{n % 4}"), kinds={"x": "category"}),
    "a kind that the cells are not of": Odd(
        "a.csv", HALF, {**TABLE, "kinds": {"colour": "number"}}, error="was called a number"
    ),
    "long texts": Odd("a.csv", _rows(lambda n: f"{'word ' * 20}{n}"), kinds={"x": "text"}),
    "names": Odd("a.csv", _rows(lambda n: f"Mr {n} Smith"), kinds={"x": "identifier"}),
    "infinity": Odd("a.csv", _rows(lambda n: "inf" if n == 3 else f"{n % 6}"), kinds={"x": "category"}),
    # --- labels
    "labels as floats": Odd("a.csv", _labels(lambda n: f"{n % 2}.0"), says="written as 1", labels=("0", "1")),
    "labels that are missing": Odd("a.csv", _labels(lambda n: "" if n < 4 else "ab"[n % 2]), rows=36, says="label"),
    "the label None": Odd("a.csv", _labels(lambda n: "None" if n % 2 else "NA"), labels=("NA", "None")),
    "labels that look alike": Odd("a.csv", _labels(lambda n: ("Cat", "cat", "dog")[n % 3]), says="--merge-labels"),
    "regression": Odd("a.csv", _labels(lambda n: f"{n * 1.37:.2f}"), error="regression"),
    "regression in whole numbers": Odd("a.csv", _labels(lambda n: f"{n * 1000}"), error="regression"),
    "multi-label": Odd("a.csv", _labels(lambda n: ("a", "b", "a|b", "b|c", "c", "a|c")[n % 6]), error="multi-label"),
    "lists of labels": Odd("a.jsonl", b'{"text": "x", "label": ["a"]}\n', TEXT, error="multi-label"),
    "texts that are empty": Odd("t.csv", f"text,label\n{TEXTS}  ,ham\n".encode(), TEXT, rows=30, says="without a text"),
    "no column to learn from": Odd(
        "a.csv", _labels(lambda n: "ab"[n % 2]), {**TABLE, "ignore": ("size",)}, error="learn"
    ),
    # --- other files
    "json lines": Odd("a.jsonl", LINES.encode(), TEXT, rows=30, labels=("a", "b")),
    "json lines of mixed types": Odd(
        "a.jsonl", b"".join(b'{"x": %s, "label": %d}\n' % ((b"1", b'"one"')[n % 2], n % 2) for n in range(30)), rows=30
    ),
    "a json document": Odd("a.jsonl", b'[\n{"text": "x"}\n]\n', TEXT, error="JSON array"),
    "a json file": Odd("a.json", b"[]", TEXT, error="JSON document"),
    "parquet": Odd(
        "a.parquet",
        _parquet({"x": [1.5, None] * 20, "y": [True] * 40, "label": ["a", "b"] * 20}),
        kinds={"x": "number"},
    ),
    "parquet with ClassLabel": Odd(
        "a.parquet",
        _parquet(
            {"text": [f"t {n}" for n in range(40)], "label": [0, 1] * 20},
            {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}},
        ),
        TEXT,
        labels=("neg", "pos"),
    ),
    "parquet with bytes": Odd(
        "a.parquet", _parquet({"x": [1, 2] * 20, "b": [b"\x00"] * 40, "label": ["a", "b"] * 20}), says="left out"
    ),
    "no parquet at all": Odd("a.parquet", b"PAR1 not really", error="cannot be read as Parquet"),
    "excel": Odd("a.xlsx", _workbook("all"), kinds={"seen": "date"}, labels=("false", "true")),
    "excel with two sheets": Odd("a.xlsx", _workbook("one", "two"), error="several sheets"),
    "excel with two sheets, one told": Odd("a.xlsx", _workbook("one", "two"), {**TABLE, "sheet": "two"}),
    "excel without the sheet that was told": Odd(
        "a.xlsx", _workbook("one", "two"), {**TABLE, "sheet": "three"}, error="has no sheet 'three'"
    ),
    "an old workbook": Odd("a.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 100, error="old Excel workbook"),
    "gzip": Odd("a.csv.gz", gzip.compress(HALF), error="a.csv.gz"),
    # --- several files
    "train and test": Odd("d", _folder({"train.csv": HALF, "test.csv": HALF.replace(b",red", b",green")}), rows=80),
    "a competition": Odd(
        "d",
        _folder(
            {"train.csv": HALF, "test.csv": b"size,colour\n1,red\n", "sample_submission.csv": b"size,label\n1,a\n"}
        ),
        says="without the column of labels",
    ),
    "files that name no split": Odd("d", _folder({"a.csv": HALF, "b.csv": HALF}), error="--list"),
    "files of different columns": Odd(
        "d", _folder({"train.csv": HALF, "test.csv": HALF.replace(b"colour", b"color")}), error="no column 'color'"
    ),
    "a zip": Odd("a.zip", _zip({"data/a.csv": HALF, "readme.md": b"# x"})),
    "a split column": Odd(
        "a.csv", _rows(lambda n: "test" if n % 5 == 0 else "train", "size,split,label"), says="says the split"
    ),
    "hub shards": Odd("d", _shards, TEXT, rows=40),
    "folders of texts": Odd(
        "d", _folder({f"{c}/{n}.txt": f"{c} {n}".encode() for c in ("ham", "spam") for n in range(6)}), {}, rows=12
    ),
    "folders of mails": Odd(
        "d", _folder({f"{c}/{n}.eml": MAIL % n for c in ("ham", "spam") for n in range(6)}), {}, rows=12, says="label"
    ),
    "a text that is no utf-8": Odd(
        "d", _folder({"ham/1.txt": b"caf\xe9", "spam/2.txt": b"x"}), {}, error="is not UTF-8"
    ),
    "groups": Odd("a.csv", _rows(lambda n: f"p{n // 4}", "size,patient,label"), group="patient"),
    "a group that is no column": Odd("a.csv", HALF, error="for --group", group="patient"),
    "folders of texts with groups in their names": Odd(
        "d",
        _folder({f"{c}/{n // 3}-{n}.txt": f"{c} {n}".encode() for c in ("ham", "spam") for n in range(30)}),
        {},
        rows=60,
        group=r"/(\d+)-",
    ),
    "folders of texts and a column of groups": Odd(
        "d", _folder({"ham/1.txt": b"x", "spam/2.txt": b"y"}), {}, error="is no column of the data", group="thread"
    ),
    "folders of texts and a pattern that finds nothing": Odd(
        "d", _folder({"ham/1.txt": b"x", "spam/2.txt": b"y"}), {}, error="finds nothing in 'ham/1.txt'", group=r"t(\d)"
    ),
}
