"""Texts and rows: what is chosen, what a search finds, and what is left out."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from automl_bench_local import content_choice, minilm
from automl_bench_local.candidates import ACCURACY
from automl_bench_local.selection import numbered
from automl_bench_local.training_sets import read_contents, store_training_set
from content_sets import (
    PASSENGER_COLUMNS,
    Labelled,
    documentation,
    learn,
    parted,
    passengers,
    sample_of,
    share_right,
    training_set_of,
)

from automl_bench.contract import Column, ColumnKind

VECTORIZER = "sklearn.feature_extraction.text.TfidfVectorizer"
LOGISTIC = "sklearn.linear_model.LogisticRegression"
PIPELINE = {
    "pipeline": [{"step": VECTORIZER}, {"step": LOGISTIC}],
    "grid": {
        "tfidfvectorizer__ngram_range": [[1, 1], [1, 2]],
        "tfidfvectorizer__sublinear_tf": [True, False],
        "logisticregression__C": [0.1, 10.0],
    },
}


@pytest.fixture(scope="module")
def texts() -> tuple[Labelled, Labelled]:
    chosen, others = parted(documentation(), 15)
    return chosen, others[:60]


@pytest.fixture(scope="module")
def rows() -> tuple[Labelled, Labelled]:
    chosen, others = parted(passengers(), 20)
    return chosen, others[:300]


def stored(home: Path, samples: Labelled) -> tuple[list[Any], Any]:
    """Return contents and classes as the provider stores them: ordered by content."""
    name = "automl-bench-0123456789ab-training-set"
    folder = store_training_set(home, name, training_set_of(samples), lambda done, total, unit: None)
    material = read_contents(folder)
    return list(material.contents), numbered(material.labels)[1]


@pytest.mark.parametrize("kind", ["grid", "random"])
def test_a_search_of_a_text_pipeline_is_what_scikit_learn_finds_on_the_same_subset(
    kind: str, texts: tuple[Labelled, Labelled], tmp_path: Path
) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    contents, classes = stored(tmp_path, texts[0])
    space: dict[str, Any] = {
        "tfidfvectorizer__ngram_range": [(1, 1), (1, 2)],
        "tfidfvectorizer__sublinear_tf": [True, False],
        "logisticregression__C": [0.1, 10.0],
    }
    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    own = make_pipeline(TfidfVectorizer(), LogisticRegression(random_state=3))
    settings: dict[str, Any] = dict(PIPELINE)
    if kind == "grid":
        direct = GridSearchCV(own, space, cv=cv, scoring="accuracy")
    else:
        settings |= {"search": "random", "candidates": 5}
        direct = RandomizedSearchCV(own, space, n_iter=5, random_state=3, cv=cv, scoring="accuracy")
    direct.fit(contents, classes)
    model, found = learn(tmp_path, training_set_of(texts[0]), settings, seed=3)

    winner = {name: tuple(value) if isinstance(value, list) else value for name, value in found["best_params"].items()}
    assert winner == direct.best_params_
    scores = [one["score"] for one in found["candidates"]]
    assert scores == pytest.approx(direct.cv_results_["mean_test_score"])
    assert len(set(scores)) > 1
    (chosen,) = [one for one in found["candidates"] if one["chosen"]]
    assert chosen["score"] == pytest.approx(direct.best_score_)
    answers = [model.predict(sample_of(content).content()).label for content, _ in texts[1]]
    assert answers == [("files", "numbers")[number] for number in direct.predict([one for one, _ in texts[1]])]


def test_a_random_search_draws_from_ranges_by_the_seed(rows: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    settings = {
        "estimator": LOGISTIC,
        "grid": {"C": {"low": 0.01, "high": 10, "log": True}, "max_iter": {"low": 100, "high": 200}},
        "search": "random",
        "candidates": 4,
    }
    drawn = []
    for seed in (1, 1, 2):
        _, found = learn(tmp_path, training_set_of(rows[0], PASSENGER_COLUMNS), settings, seed)
        drawn.append([one["candidate"] for one in found["candidates"]])
        assert 0.01 <= found["best_params"]["logisticregression__C"] <= 10
        assert isinstance(found["best_params"]["logisticregression__max_iter"], int)
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(set(names)) for names in drawn] == [4, 4, 4]


def test_a_grid_may_exchange_a_whole_step(texts: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    settings = {
        "pipeline": PIPELINE["pipeline"],
        "grid": {"logisticregression": [LOGISTIC, "sklearn.naive_bayes.MultinomialNB"]},
    }
    _, found = learn(tmp_path, training_set_of(texts[0]), settings)
    names = [one["candidate"] for one in found["candidates"]]
    assert names == ["logisticregression=LogisticRegression", "logisticregression=MultinomialNB"]


def test_the_choice_learns_real_texts_whatever_their_order(texts: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    answers = []
    for chosen in (texts[0], texts[0][::-1]):
        model, found = learn(tmp_path, training_set_of(chosen), {})
        answers.append([model.predict(sample_of(content).content()) for content, _ in texts[1][:10]])
    assert answers[0] == answers[1]
    assert [one["candidate"] for one in found["candidates"]] == ["words", "characters", "embedding", "together"]
    assert sum(one["chosen"] for one in found["candidates"]) == 1
    assert share_right(model, texts[1]) > 0.8


def test_the_choice_learns_passengers_and_leaves_their_names_out(
    rows: tuple[Labelled, Labelled], tmp_path: Path
) -> None:
    model, found = learn(tmp_path, training_set_of(rows[0], PASSENGER_COLUMNS), {})
    assert share_right(model, rows[1]) > 0.7  # the majority is 0.61 to 0.66 in any 300 of them
    assert [one["measure"] for one in found["candidates"]] == ["log_loss"] * 4
    content = dict(rows[1][0][0])  # type: ignore[arg-type]
    renamed = {**content, "name": "Somebody, Mr Else"}
    assert model.predict(sample_of(content).content()).scores == model.predict(sample_of(renamed).content()).scores


def test_a_pipeline_over_raw_rows_gets_a_data_frame(rows: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    settings = {
        "features": "raw",
        "pipeline": [
            {"step": "sklearn.preprocessing.OneHotEncoder", "params": {"handle_unknown": "ignore"}},
            {"step": LOGISTIC, "params": {"max_iter": 1000}},
        ],
    }
    model, _ = learn(tmp_path, training_set_of(rows[0], PASSENGER_COLUMNS), settings)
    assert share_right(model, rows[1][:50]) > 0.5


def test_one_sample_a_class_is_enough(rows: tuple[Labelled, Labelled], tmp_path: Path) -> None:
    chosen, _ = parted(rows[0], 1)
    model, found = learn(tmp_path, training_set_of(chosen, PASSENGER_COLUMNS), {})
    assert found["features"] == "together"
    assert found["candidates"] == []
    assert model.predict(b"{}").label in {"died", "survived"}


def test_one_alone_is_taken_only_where_it_is_clearly_better() -> None:
    from sklearn.dummy import DummyClassifier
    from sklearn.neighbors import KNeighborsClassifier

    contents = [[float(number)] for number in range(40)]
    classes = np.array([number // 20 for number in range(40)])
    knows = KNeighborsClassifier(1)
    always_one = DummyClassifier(strategy="constant", constant=1)

    def chosen(pipelines: dict[str, Any]) -> str:
        return content_choice.choose(
            pipelines, contents, classes, most_folds=5, measure=ACCURACY, say=lambda line: None
        ).name

    assert chosen({"knows": knows, "one": always_one, "one too": always_one}) == "knows"
    assert chosen({"knows": knows, "knows too": KNeighborsClassifier(2)}) == "together"


def test_sentences_of_one_meaning_are_near_each_other() -> None:
    texts = ["How do I reset my password?", "I forgot my login and need a new one", "The train to Oslo leaves at noon"]
    asked, alike, other = minilm.SentenceEmbedding().transform(texts)
    assert float(np.linalg.norm(asked)) == pytest.approx(1.0, abs=1e-5)
    assert asked @ alike > 0.4 > asked @ other


def test_without_the_networks_files_words_and_characters_are_compared(
    texts: tuple[Labelled, Labelled],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(minilm, "NETWORK", ("no_such_package", "model.onnx"))
    _, found = learn(tmp_path, training_set_of(texts[0]), {})
    assert [one["candidate"] for one in found["candidates"]] == ["words", "characters", "together"]
    assert minilm.PIP_LINE in capsys.readouterr().out


CELLS = {
    "age": [3, 4.5, None, "old", float("nan"), True],
    "kind": ["a", "b", None, 1, 1.0, "new"],
    "day": ["2024-02-29", "2024-02-29T12:30:00", None, "soon", 7],
    "note": ["much to say", "nothing", None, ""],
}


def test_any_cells_become_finite_numbers_in_whatever_order_the_columns_come() -> None:
    from automl_bench_local.typed_columns import TypedColumns

    kinds = [("age", "number"), ("kind", "category"), ("day", "date"), ("note", "text")]
    learned = [{"age": 1.0, "kind": "a", "day": "2024-01-01", "note": "x y"}, {"age": None, "kind": "b"}, {"kind": "a"}]
    asked = [dict(zip(CELLS, cells, strict=True)) for cells in itertools.product(*CELLS.values())] + [{}]
    encoder = TypedColumns(kinds, wanted=("note",)).fit(learned)
    matrix = encoder.transform(asked)
    assert len(matrix) == len(asked)
    assert np.isfinite(matrix).all()
    turned = [dict(reversed(row.items())) for row in asked]
    assert np.array_equal(encoder.transform(turned), matrix)
    assert encoder.used() == ("age", "kind", "day", "note")


def test_texts_that_differ_in_nearly_every_row_and_identifiers_are_used_only_if_asked_for() -> None:
    from automl_bench_local.typed_columns import TypedColumns

    kinds = [("key", "identifier"), ("remark", "text"), ("state", "text"), ("size", "number")]
    learned = [
        {"key": number, "remark": f"remark {number}", "state": "open", "size": number % 3} for number in range(10)
    ]
    assert TypedColumns(kinds).fit(learned).used() == ("state", "size")
    assert TypedColumns(kinds, wanted=("key", "remark")).fit(learned).used() == ("key", "remark", "state", "size")


def test_a_table_without_a_usable_column_is_refused_in_a_sentence(tmp_path: Path) -> None:
    samples = [({"key": f"k{number}"}, "ab"[number % 2]) for number in range(10)]
    columns = (Column("key", ColumnKind.IDENTIFIER),)
    with pytest.raises(ValueError, match=r"no column to learn from.*use_columns"):
        learn(tmp_path, training_set_of(samples, columns), {"estimator": LOGISTIC})
