"""What every field of a result row means. docs/results-format.md lists them; a test holds the two equal."""

from __future__ import annotations

from collections.abc import Mapping

RESULT_FIELDS: Mapping[str, str] = {
    "provider": "Name of the provider.",
    "variant": "Name of the variant: a configuration of the provider.",
    "dataset": "Name of the dataset.",
    "shots": "Labelled samples per class, training and validation together; null (CSV: all) for every sample.",
    "fold": "Which seeded draw of the training subset.",
    "repeat": "Which repetition of the same trial.",
    "seed": "Seed of the draw.",
    "source": '"measured", or the name of the file that the result was imported from.',
    "trial_id": "Twelve hex digits; empty for an imported result.",
    "status": "planned, running, tearing_down, done, failed, interrupted or infeasible; imported for such a result.",
    "reason": "Why it failed or is infeasible.",
    "complete": "Whether the accuracy pass reached its end; only complete rows enter means.",
    "classes": "Distinct true labels among the test samples sent.",
    "train_samples": "Labelled samples the provider got, where the upload recorded it.",
    "test_samples": "Test samples sent, failed ones included.",
    "correct": "Right answers.",
    "failed": "Test samples without an answer after the last attempt; they count as wrong.",
    "unanswered": "Why samples had no answer: `reason` and `samples` each, the most frequent first.",
    "abstained": "Test samples answered without a label; they count as wrong.",
    "off_list": "Answers that are no label of the dataset (no true label of any of its test samples asked so far); they"
    " count as wrong and are no class of their own.",
    "off_list_near": "Those of them that differ from a label only in case, blanks or Unicode form.",
    "off_list_empty": 'Those of them that are empty, or say that there is no answer ("null").',
    "off_list_examples": "The three most frequent of them, with how often.",
    "accuracy": "correct / test_samples, 0 to 1.",
    "accuracy_low": "Lower end of the 95 % Wilson interval over test samples.",
    "accuracy_high": "Upper end of it.",
    "accuracy_answered": "correct / samples answered with a label.",
    "balanced_accuracy": "Unweighted mean over the true labels of the share found, as sklearn's"
    " balanced_accuracy_score.",
    "majority": "Share of the most frequent true label among the test samples: what always answering it would score.",
    "chance": "1 / classes: what guessing scores on the average.",
    "macro_f1": "Unweighted mean of the F1 of each label, as sklearn's average='macro'.",
    "micro_f1": "F1 of the pooled counts, as sklearn's average='micro'.",
    "top3_accuracy": "Share of the test samples whose true label is among the three highest scores; null where answers"
    " came without scores, or there are only three classes.",
    "top5_accuracy": "The same among the five highest.",
    "training_asked": "Training samples asked for after the accuracy pass (`[invoke] also`); in no other score.",
    "training_accuracy": "Share of them that was answered right; far above accuracy is over-fitting.",
    "train_seconds": "Training time in seconds; see train_seconds_kind.",
    "train_seconds_kind": '"work": as the provider says it worked; "wall": begin to end as this machine saw it, waiting'
    ' included; "imported".',
    "chosen": "What the training chose by itself, as the provider tells it (features, a kind of model); null where"
    " nothing was chosen or told. Latencies of different choices are never pooled.",
    "environment": "The environment that the variant trained and served in, where it had one of its own; else null.",
    "predict_seconds": "Sum of the service times of all measured calls, in seconds.",
    "latency_ms": "Service time (sent to received) of the measured calls that were answered, in milliseconds.",
    "calls": "Requests of the accuracy pass by outcome, repeated attempts included.",
    "cold_ms": "Service times of the calls made cold on purpose, in milliseconds, in the order sent.",
    "over_http": "Whether the host sent the calls itself; false where the provider's own client had to.",
    "round_trip_ms": "TCP round trip to the endpoint's host before, during and after the accuracy pass, in"
    " milliseconds; null where it was not probed.",
    "latency_verdict": "Whether the latencies of the accuracy pass may be compared, with reasons and notes; null where"
    " that was not judged. The accuracy does not depend on it.",
    "interleaved_with": "Ids of the trials that were called in turn with this one, sample by sample.",
    "stopping": "Where `[invoke] stop` was set: samples answered and in all, calls and dollars saved, and each "
    "comparison with its interval and p, which hold at every look; else null.",
    "stages": "Each stage that began: status and seconds.",
    "cost": "What the trial has cost so far, as far as that can be told, at the prices of the day it began.",
    "usage": "What the measured answers used, as they say: tokens, models, endings; null where none says so.",
    "stability": "How often repeated answers agree, where the experiment's `repeats` made the draw more than once; else"
    " null.",
    "shared": "Whether the variant learns from no sample, so that one trial stands for all shots and folds. Its row is"
    " repeated at the points of the others, without the costs, calls and latencies, which stand once.",
    "throughput": "Answers per second of the last complete closed-loop load run, or null.",
    "load_runs": "Every load run of the trial, in the order begun.",
    "configuration": "Eight hex digits over variant_settings, images, test_limit; rows that differ are not averaged.",
    "fingerprint": "SHA-256 over the dataset's samples, splits and labels.",
    "variant_settings": "The variant's settings as resolved.",
    "images": "The image setting as resolved; empty means as they are.",
    "test_limit": "Test samples used, drawn by seed; null for the whole test set.",
    "deviations": "What this trial was given that others were not, one sentence each.",
    "created_at": "When the trial was planned, ISO 8601, UTC.",
}
"""Field → meaning, in the order of the row."""

ENVIRONMENT_FIELDS: Mapping[str, str] = {
    "where": "host, venv or container: the Python of automl-bench, a virtual environment, or an image.",
    "python": "Version of Python in it.",
    "packages": "Names and versions of all packages in it.",
    "blas": "Numeric libraries that were loaded, with their versions; empty where the environment cannot tell.",
    "threads": "Threads of these libraries.",
    "megabytes": "What venv or image take on the disk.",
    "build_seconds": "What building it took, once; in no other time.",
    "lock": "Hash over Python, system and packages, or of the image: the same digits are the same environment.",
}
"""Field → meaning of `environment`; null where the variant ran as usual."""

USAGE_FIELDS: Mapping[str, str] = {
    "answers": "Measured answers that say what they used.",
    "input_tokens": "Tokens read, together; cached ones and those of images are among them.",
    "cached_tokens": "Those of them from the service's cache.",
    "output_tokens": "Tokens written, together; those of a reasoning are among them.",
    "reasoning_tokens": "Those of them that were a reasoning.",
    "usd_per_1000": "US dollars for 1,000 answers: as the service says, else by tokens at the prices of the day.",
    "models": "Answers by the model that served them.",
    "endings": "Answers by the way they ended.",
}
"""Field → meaning of `usage`; null where no answer says so."""

STABILITY_FIELDS: Mapping[str, str] = {
    "trials": "Complete trials of the draw.",
    "samples": "Test samples that all of them answered, be it without a label.",
    "same": "Those of them that all answered alike.",
    "same_low": "Lower end of the 95 % Wilson interval of their share.",
    "same_high": "Upper end of it.",
    "agreement": "How often two of the trials give a sample the same answer, 0 to 1; the mean over the samples.",
}
"""Fields of `stability`, the same in each row of the draw."""

LATENCY_FIELDS: Mapping[str, str] = {
    "n": "Calls.",
    "p50": "Median; null below its smallest n.",
    "p90": "90th percentile; null below its smallest n.",
    "p95": "95th percentile; null below its smallest n.",
    "p99": "99th percentile; null below its smallest n.",
    "mean": "Mean; null without calls.",
    "intervals": "95 % order-statistic interval of each percentile given: [low, high]; low is null where only the upper"
    " end can be had.",
    "needs": "Smallest n of each percentile that is null.",
}
"""Fields of `latency_ms`."""

VERDICT_FIELDS: Mapping[str, str] = {
    "valid": "Whether the latencies may be compared.",
    "reasons": 'Why not: {"kind", "words"}; kinds: disturbed, drifting, too few, several sittings.',
    "notes": "What a reader should know although they may: the same.",
}
"""Fields of `latency_verdict`."""

STAGE_FIELDS: Mapping[str, str] = {
    "status": "running, done, failed or undone (done, but teardown deleted what it made).",
    "queue_seconds": "What the provider waited before it began; null if it does not say.",
    "work_seconds": "What the provider worked; null if it does not say.",
    "wall_seconds": "Begin to end as this machine saw it.",
    "billable_seconds": "What the provider will bill; null if it does not say.",
}
"""Fields of each entry of `stages`, which is keyed by the stage's name."""

COST_FIELDS: Mapping[str, str] = {
    "usd": "US dollars of what is known; null if nothing is.",
    "unknown": "Items that cost or may have cost and cannot be told, by their names in the price table or the ledger;"
    ' with any, usd is a lower bound. "everything": no price table was kept with the trial.',
    "train_usd": "Training: billable (else working) time × price; null if unknown.",
    "serve_usd": "What existed by the hour, endpoints and storage: ledger's times × hourly prices; null if unknown.",
    "calls_usd": "Requests stored × price, load runs included, free allowances not taken off; null if unknown.",
    "train_hours": "Hours of training that are billed, else worked; null if the provider does not say.",
    "serve_hours": "Longest time that something existed which costs money while idle, in hours.",
    "wall_hours": "Sum of the stages' wall times, in hours.",
    "calls": "Requests stored, load runs included.",
    "prices_as_of": "Oldest date of the prices used that are above 0; null if there are none.",
    "simulated": "Whether the prices are those of a simulation, which nobody bills.",
}
"""Fields of `cost`, which is null for an imported result."""

THROUGHPUT_FIELDS: Mapping[str, str] = {
    "value": "Answers per second.",
    "low": "Lower end of the 95 % interval over time slices; null if unknown.",
    "high": "Upper end of it.",
    "load_run_id": "The load run.",
    "valid": "Whether the run may be compared.",
}
"""Fields of `throughput`."""

LOAD_RUN_FIELDS: Mapping[str, str] = {
    "load_run_id": "Hex id.",
    "loop": '"closed", "open" or "sweep".',
    "complete": "Whether its end was stored; an incomplete run is never mixed with complete ones.",
    "valid": "Whether it may be compared; null while incomplete.",
    "reasons": "Why it is not valid, one sentence each.",
    "settings": "Calls, concurrency, rate, duration, arrivals, seed: as resolved.",
    "summary": "Throughput, quantiles with n and interval, outcomes, connections, client CPU; docs/measuring.md.",
    "started_at": "ISO 8601, UTC.",
}
"""Fields of each entry of `load_runs`."""

COMPARISON_FIELDS: Mapping[str, str] = {
    "a": "The variant with the higher mean.",
    "b": "The other one.",
    "question": '"these trained models", "the method on another draw" or "datasets like these".',
    "dataset": 'Dataset, or "all datasets".',
    "shots": 'Labelled samples per class, or "all".',
    "where": "Both in words.",
    "difference": "Accuracy of a minus that of b, 0 to 1; with `compare --metric`, of that score.",
    "low": "Lower end of its 95 % interval; null if it cannot be had.",
    "high": "Upper end of it.",
    "p": "Two-sided p of no difference, alone.",
    "p_corrected": "The same, corrected for every verdict of the page; null where no verdict is attempted.",
    "basis": "What was paired, with every n.",
    "method": "How interval and p were made.",
    "verdict": "The verdict in words.",
    "separated": "Whether it names a winner without a reservation.",
    "advice": "What would settle it; null if it is settled or nothing can be said.",
    "equivalence": "The chances that a is worse, equal within rope, better; null where they cannot be had. On a dataset"
    " from the interval taken as normal, over datasets by the Bayesian signed-rank test. Not corrected, no verdict.",
}
"""Fields of each entry of `comparisons` in results.json, and of `compare --json`."""
