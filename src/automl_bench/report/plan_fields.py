"""What every field of `plan --json` means. docs/planning.md lists them; a test holds the two equal."""

from __future__ import annotations

from collections.abc import Mapping

PLAN_FIELDS: Mapping[str, str] = {
    "experiment": "Name of the experiment.",
    "trials": "Every trial, in the order a run takes them.",
    "providers": "Every provider named: whether it can be used here, its limits, its prices.",
    "total": "All trials that a run would do now, together.",
    "keep_trained_hours": "How long uploads and trained models of a failed trial stay, so that a retry need not pay"
    " again.",
    "statistics": "What the design can and cannot show, for each dataset.",
    "over_datasets": "What it can and cannot show over datasets; null where nothing is compared over datasets.",
    "warnings": "What to look at before running, one sentence each.",
}
"""Fields of the whole document."""

TRIAL_FIELDS: Mapping[str, str] = {
    "trial_id": "Twelve hex digits, as `run` gives it; null where the provider cannot be loaded.",
    "provider": "Name of the provider.",
    "variant": "Name of the variant; null where the provider cannot be loaded and the default one is meant.",
    "dataset": "Name of the dataset.",
    "shots": "Labelled samples per class; null for all.",
    "fold": "Which draw of the subset.",
    "repeat": "Which repetition.",
    "standing": "new, continued (begun before), done (nothing left to do), failed (before; needs --retry-failed) or"
    " refused.",
    "feasible": "Whether nothing stands in its way: false exactly where it is refused.",
    "reason": "Why it is refused, with the remedy: the very words of `run`.",
    "train_samples": "Labelled samples that are uploaded; null if they cannot be drawn.",
    "test_samples": "Test samples, each asked once if all goes well.",
    "load_calls": "Calls of its load run; 0 without one, null where only its length is given.",
    "most_calls": "Requests at most, repetitions and warm-up included.",
    "cost": "What it may cost at most: usd (null: nothing is known), unknown (items without a price or a bound), and"
    " the same by part: train, serve, calls, storage, other. Null if refused.",
    "lines": "Each item of the price table that costs or is unknown: item, part, usd_each, units at most, usd at most,"
    " basis.",
    "expected_hours": "Median of the hours that earlier trials of this variant, dataset and shots took here; null if"
    " there were none.",
    "expected_from": "How many there were.",
    "most_hours": "Hours after which the host's deadlines end it; work on this machine waits for its turn besides.",
    "likely": "What it will probably take and cost: hours (low, high; null if nothing is known), without (stages not in"
    " them), usd (low, high), unknown (items without a price or quantity), bill (item, usd_each, units), sources. Null"
    " if refused.",
    "simulated": "Whether its prices are those of a simulation, which nobody bills.",
}
"""Fields of each entry of `trials`."""

PROVIDER_FIELDS: Mapping[str, str] = {
    "name": "Its name.",
    "problems": "What keeps it from being used here (a package, a setting, a secret), one sentence each; empty if"
    " nothing does.",
    "trials_at_once": "Trials of it that `run` has under way at once.",
    "requests_per_second": "Its published prediction rate; null if none is known.",
    "in_flight": "Its published number of predictions under way; null if none is known.",
    "prices": "Its price table, a line for each variant and item: variant, item, usd (null: unknown), unit, as_of,"
    " source.",
    "stale": "Whether a price that counts was read too long ago.",
}
"""Fields of each entry of `providers`."""

TOTAL_FIELDS: Mapping[str, str] = {
    "trials": "Trials of the experiment.",
    "refused": "Trials that cannot run.",
    "ahead": "Trials that a run would do now.",
    "cost": "What those may cost at most together; as in a trial.",
    "expected_hours": "Sum of their expected hours, one after another; null if none has any.",
    "without_experience": "Trials of them without expected hours.",
}
"""Fields of `total`."""

STATISTICS_FIELDS: Mapping[str, str] = {
    "dataset": "Name of the dataset.",
    "test_samples": "Test samples.",
    "variants": "Variants that are compared on it.",
    "draws": "Draws of the training subsets (folds).",
    "comparisons": "Pairs that count in the correction, on all datasets together.",
    "level": "What p is held against on a single dataset: the part of 5 % that one of these pairs has; null if nothing"
    " is compared.",
    "interval_at_90": "The 95 % Wilson interval that 90 % accuracy would have: [low, high].",
    "detectable": "For each assumed disagreement (share of test samples that only one of two gets right): the smallest"
    " difference in accuracy of the trained models found with 80 % power at that level, with one_draw, and best: with"
    " all draws, if they were independent; null if none can be.",
    "another_draw": "For each assumed spread (standard deviation of the difference from draw to draw): the smallest"
    " difference that can be shown for another draw with 80 % power at best (null below three draws), and"
    " draws_for_difference, the draws that show a difference as large as the spread.",
    "latency_calls": "Calls timed one by one in each trial: the test samples.",
    "load_calls": "Calls of each load run; 0 without any, null where only a length is given.",
    "quantiles": "For p50, p90, p95, p99, p99.9: the calls it needs, and whether the accuracy pass and the load run"
    " have that many.",
}
"""Fields of each entry of `statistics`."""

PANEL_FIELDS: Mapping[str, str] = {
    "datasets": "Datasets with variants in common.",
    "variants": "Most variants compared on one of them.",
    "comparisons": "Pairs that count in the correction.",
    "smallest_p": "Smallest p that Wilcoxon's signed-rank test can give with so many datasets.",
    "level": "What the smallest p is held against.",
    "possible": "Whether a verdict over datasets can be reached at all.",
    "datasets_needed": "Datasets that make one possible.",
    "datasets_needed_with_baseline": "The same where all variants are compared with one baseline only.",
}
"""Fields of `over_datasets`."""
