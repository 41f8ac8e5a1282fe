"""The emulated tier, fifth part: the answers mean something, own lanes are true, nothing is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from automl_bench.contract import CallInvoker, Capability, Prediction, Sample, Stage
from automl_bench.errors import AutomlBenchError
from automl_bench.measurement.call import Caller
from automl_bench.store.records import Outcome
from automl_bench.testing.bench import Bench
from automl_bench.testing.checks import Tier, check

LANES = 8
PATIENCE_SECONDS = 60.0
ENDING_SECONDS = 3.0
ABOVE_CHANCE = 0.25
"""Share of the way from chance to all right that a model of coloured squares must go."""


class AnswerChecks:
    """Checks A01 to A03."""

    @check("A01", Tier.EMULATED, Capability.INVOKE)
    def test_a01_answers_are_known_labels_and_better_than_chance(self, bench: Bench) -> None:
        """Each test sample gets one of the dataset's own labels, and more are right than by chance."""
        with bench.trial() as trial:
            trial.bring_up()
            invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
            labels = trial.material.training_set.labels
            right = 0
            with Caller(invoker) as caller:
                for sample, label in trial.material.test:
                    prediction = _answer(caller, sample)
                    assert prediction.label is not None, "a sample that every model knows is abstained from"
                    assert prediction.label in labels, (
                        f"answered {prediction.label!r}, which is none of the dataset's labels, such as {labels[0]!r}"
                    )
                    right += prediction.label == label
            total, chance = len(trial.material.test), 1 / len(labels)
            wanted = chance + ABOVE_CHANCE * (1 - chance)
            assert right >= wanted * total, (
                f"{right} of {total} answers are right, and chance alone gives {chance:.0%}: are labels and samples"
                " uploaded as they belong together, and does the stand-in learn from them?"
            )

    @check("A02", Tier.EMULATED, Capability.UPLOAD, Capability.PARALLEL)
    def test_a02_own_lanes_are_as_many_as_asked_for_and_answer_alike(self, bench: Bench) -> None:
        """`parallel` opens exactly the lanes asked for; used at once, each answers as one alone, and all are closed."""
        if not hasattr(bench.session.registry.load(bench.wishes.provider), "parallel"):
            return  # S10 says so
        with bench.trial() as trial:
            trial.bring_up()
            lanes = bench.bound.provider.parallel(trial.context(Stage.PARALLEL), trial.endpoint(), LANES)
            assert lanes is not None, "parallel is declared and gives nothing"
            try:
                opened = lanes.open(LANES)
                assert len({id(lane) for lane in opened}) == LANES, "some lanes are one and the same object"
                samples = [sample for sample, _ in trial.material.test]
                alone = [_lane_answer(opened[0], sample).label for sample in samples]
                with ThreadPoolExecutor(LANES) as pool:
                    found = list(pool.map(lambda lane: [_lane_answer(lane, one).label for one in samples], opened))
                odd = [number for number, answers in enumerate(found) if answers != alone]
                assert not odd, f"lanes {odd} answer otherwise than lane 0 does alone"
            except AutomlBenchError as error:
                raise AssertionError(str(error)) from error
            finally:
                lanes.close()

    @check("A03", Tier.EMULATED, Capability.INVOKE)
    def test_a03_no_thread_is_left_behind(self, bench: Bench) -> None:
        """After a whole trial no thread of the plugin goes on that Python would wait for at its end."""
        before = set(threading.enumerate())
        with bench.trial() as trial:
            trial.bring_up()
            if Capability.INVOKE in bench.description.capabilities:
                invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
                with Caller(invoker) as caller:
                    _answer(caller, trial.material.test[0][0])
        until = time.monotonic() + ENDING_SECONDS
        while (left := _left(before)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not left, f"left running: {', '.join(left)}; end them, or make them daemons"


def _left(before: set[threading.Thread]) -> Sequence[str]:
    return sorted(
        thread.name
        for thread in threading.enumerate()
        if thread not in before and thread.is_alive() and not thread.daemon
    )


def _answer(caller: Caller, sample: Sample) -> Prediction:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        result = caller.call(sample)
        if result.outcome is Outcome.OK and result.prediction is not None:
            return result.prediction
        assert result.passing, f"a prediction ended {result.outcome.value}: {result.error}"
        assert time.monotonic() < until, f"throttled for {PATIENCE_SECONDS:.0f} s"
        time.sleep(min(result.retry_after or 0.05, 1.0))


def _lane_answer(lane: CallInvoker, sample: Sample) -> Prediction:
    with closing(Caller(lane)) as caller:
        result = caller.call(sample)
    assert result.prediction is not None, f"a lane's call ended {result.outcome.value}: {result.error}"
    return result.prediction
