"""The emulated tier, fourth part: single requests: how many, what they hold, and what their failures are called."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from automl_bench.contract import NAME_PREFIX, Capability, HttpInvoker, Invoker, Prediction, Sample, Stage
from automl_bench.errors import AutomlBenchError, ProviderError
from automl_bench.measurement.call import Caller, CallResult
from automl_bench.simulation.loopback_service import EXPECTED_ERRORS, Fault, Target
from automl_bench.store.records import Outcome
from automl_bench.testing.bench import Bench
from automl_bench.testing.checks import Tier, check
from automl_bench.testing.network_guard import is_loopback, only_loopback

if TYPE_CHECKING:
    from automl_bench.datasets.manifest import Manifest

THREADS = 32
CALLS_EACH = 3
PATIENCE_SECONDS = 60.0
LARGEST_FILE = 64 * 1024 * 1024


class RequestChecks:
    """Checks R01 to R07."""

    @check("R01", Tier.EMULATED)
    def test_r01_failures_of_control_requests_have_the_right_class(self, bench: Bench) -> None:
        """429, 500, 401, 403, 404, 402, an unreadable answer or a reset each become the error that fits, no other."""
        calls: dict[Capability, Callable[[], object]] = {
            Capability.CHECK_ACCESS: lambda: bench.bound.provider.check_access(bench.provider_context),
            Capability.LIST_RESOURCES: lambda: bench.bound.provider.list_resources(bench.provider_context, NAME_PREFIX),
        }
        declared = [call for capability, call in calls.items() if capability in bench.description.capabilities]
        faults = [fault for fault in EXPECTED_ERRORS if bench.can(fault, Target.CONTROL)]
        for fault in faults if declared else ():
            bench.service.inject(fault, target=Target.CONTROL, times=None)
            error = _error_of(declared[0])
            bench.service.heal()
            _judge(fault, error)

    @check("R02", Tier.EMULATED, Capability.INVOKE)
    def test_r02_failures_of_predictions_have_the_right_class(self, bench: Bench) -> None:
        """What an invoker raises for each failure is the error that fits; the host's outcome follows from it."""
        faults = [fault for fault in EXPECTED_ERRORS if bench.can(fault, Target.PREDICTION)]
        with bench.trial() as trial:
            trial.bring_up()
            sample = trial.material.test[0][0]
            invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
            for fault in faults:
                bench.service.inject(fault, target=Target.PREDICTION, times=None)
                error = _prediction_error(invoker, sample)
                bench.service.heal()
                if fault is not Fault.RESET or error is not None:
                    _judge(fault, error)

    @check("R03", Tier.EMULATED, Capability.INVOKE)
    def test_r03_one_invocation_is_one_request(self, bench: Bench) -> None:
        """The service counts exactly one prediction a call, also when it answers 429: a plugin never retries here."""
        with bench.trial() as trial:
            trial.bring_up()
            invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
            with Caller(invoker) as caller:
                for sample, _ in trial.material.test[:3]:
                    before = bench.service.predictions()
                    _patient_call(caller, sample)
                    assert bench.service.predictions() > before, "no request reached the service"
                before = bench.service.predictions()
                caller.call(trial.material.test[0][0])
                assert bench.service.predictions() - before == 1, (
                    f"one call sent {bench.service.predictions() - before} requests"
                )
                if bench.can(Fault.THROTTLED, Target.PREDICTION):
                    bench.service.inject(Fault.THROTTLED, target=Target.PREDICTION)
                    before = bench.service.predictions()
                    result = caller.call(trial.material.test[0][0])
                    bench.service.heal()
                    assert result.outcome is Outcome.THROTTLED, f"a 429 became {result.outcome.value}: a hidden retry?"
                    assert bench.service.predictions() - before == 1, "a 429 was retried inside one call"

    @check("R04", Tier.EMULATED, Capability.INVOKE)
    def test_r04_an_invoker_serves_32_threads_without_a_mix_up(self, bench: Bench) -> None:
        """32 threads share one invoker; each sample gets the answer that it gets alone."""
        with bench.trial() as trial:
            trial.bring_up()
            invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
            samples = [sample for sample, _ in trial.material.test]
            with Caller(invoker) as caller:
                alone = {sample.sample_id: _said(_patient_call(caller, sample)) for sample in samples}
            start = threading.Barrier(THREADS)

            def work(number: int) -> list[str]:
                wrong = []
                with Caller(invoker) as own:
                    start.wait(PATIENCE_SECONDS)
                    for step in range(CALLS_EACH):
                        sample = samples[(number + step) % len(samples)]
                        said = _said(_patient_call(own, sample))
                        if said != alone[sample.sample_id]:
                            wrong.append(f"{said} instead of {alone[sample.sample_id]}")
                return wrong

            with ThreadPoolExecutor(THREADS) as pool:
                wrong = [each for found in pool.map(work, range(THREADS)) for each in found]
            assert not wrong, (
                f"{len(wrong)} of {THREADS * CALLS_EACH} answers were another sample's, such as {wrong[0]}"
            )

    @check("R05", Tier.EMULATED, Capability.UPLOAD, Capability.INVOKE)
    def test_r05_no_request_tells_a_test_label(self, bench: Bench) -> None:
        """No prediction request holds a label or the path it stands in; no other request holds a test sample."""
        ended = bench.run()
        assert ended.returncode == 0, ended.stderr
        manifest = bench.session.source.manifest(bench.dataset)
        labels = _spellings(manifest.labels)
        known = _marks(manifest)
        for seen in bench.service.requests():
            words = [seen.operation.encode(), *(value.encode() for value in seen.headers.values()), seen.body]
            if seen.predicts:
                told = [label for label in labels if any(label in word for word in words)]
                assert not told, f"{seen.operation.partition('?')[0]} tells the label {told[0]!r}"
            else:
                assert not any(content in seen.body for content in known), f"{seen.operation} uploads a test sample"

    @check("R06", Tier.EMULATED, Capability.INVOKE)
    def test_r06_planted_secrets_are_nowhere(self, bench: Bench) -> None:
        """Credentials stand in no file of the workspace, no output, no `repr`, also after they were refused."""
        secrets = bench.secrets
        bench.run()
        for fault in (Fault.UNAUTHENTICATED, Fault.FORBIDDEN):
            if bench.can(fault):
                bench.service.inject(fault, times=None)
                root = bench.twin(fault.value)
                bench.run(root=root)
                bench.command("--debug", "providers", "check", bench.wishes.provider, root=root)
                bench.service.heal()
                bench.command("teardown", "--all", root=root)
        found = [f"output: {_around(text, secret)}" for text in bench.outputs for secret in secrets if secret in text]
        found += [f"file: {path}" for path in _files(bench.root) for secret in secrets if _holds(path, secret)]
        with bench.trial() as trial:
            trial.bring_up()
            context = trial.context(Stage.INVOKE)
            invoker = bench.bound.provider.invoke(context, trial.endpoint())
            shown = [repr(each) for each in (bench.bound, context, invoker, trial.endpoint())]
            shown += [repr(line) for line in trial.around.store.ledger()]
            if isinstance(invoker, HttpInvoker):
                shown.append(repr(invoker.prepare(trial.material.test[0][0])))
        found += [f"repr: {_around(text, secret)}" for text in shown for secret in secrets if secret in text]
        assert not found, "; ".join(found[:3])

    @check("R07", Tier.EMULATED, Capability.INVOKE)
    def test_r07_nothing_but_the_service_is_contacted(self, bench: Bench) -> None:
        """With the stand-in's addresses set, no connection and no prepared request leaves this machine."""
        with ExitStack() as held:
            refused = held.enter_context(only_loopback())
            trial = held.enter_context(bench.trial())
            trial.bring_up()
            invoker = bench.bound.provider.invoke(trial.context(Stage.INVOKE), trial.endpoint())
            if isinstance(invoker, HttpInvoker):
                url = invoker.prepare(trial.material.test[0][0]).url
                assert is_loopback(urlsplit(url).hostname), f"predictions would go to {urlsplit(url).hostname}"
            assert not refused, f"reached for {', '.join(refused)}"


def _error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # which one it is, is the question
        return error
    return None


def _prediction_error(invoker: Invoker, sample: Sample) -> Exception | None:
    """Return what an invoker raises for one answer; None if the transport itself saw the failure."""
    if not isinstance(invoker, HttpInvoker):
        return _error_of(lambda: invoker.call(sample))
    from automl_bench.transport import Transport, TransportOptions

    transport = Transport(TransportOptions())
    try:
        request = invoker.prepare(sample)
    except Exception as error:  # noqa: BLE001  # a token that has to be renewed may be refused here
        transport.close()
        return error
    try:
        exchange = transport.send(request)
    finally:
        transport.close()
    response = exchange.response
    return None if response is None or not response.status else _error_of(lambda: invoker.parse(response))


def _judge(fault: Fault, error: Exception | None) -> None:
    expected = EXPECTED_ERRORS[fault]
    assert error is not None, f"{fault.value}: no error at all"
    assert isinstance(error, ProviderError), (
        f"{fault.value} became {type(error).__name__} ({error}), which is no ProviderError"
    )
    assert isinstance(error, expected), f"{fault.value} became {type(error).__name__}, not {expected.__name__}: {error}"


def _patient_call(caller: Caller, sample: Sample) -> CallResult:
    """Call, again after a throttle, as the host would between two attempts; any other failure fails the check."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            result = caller.call(sample)
        except AutomlBenchError as error:
            raise AssertionError(f"a prediction ended with {error}") from error
        if result.outcome is Outcome.OK:
            return result
        assert result.passing, f"a prediction ended {result.outcome.value}: {result.error}"
        assert time.monotonic() < until, f"throttled for {PATIENCE_SECONDS:.0f} s"
        time.sleep(min(result.retry_after or 0.05, 1.0))


def _said(result: CallResult) -> Prediction | None:
    """Return the answer itself; what it used (cached tokens, for one) may differ from call to call."""
    return None if result.prediction is None else replace(result.prediction, usage=None)


def _marks(manifest: Manifest) -> list[bytes]:
    """Return what gives test samples away: files, in base64 too; of texts the word, of rows the number of their own."""
    from automl_bench.ablations.selection import test_samples

    samples = [sample for sample, _ in test_samples(manifest)]
    if samples[0].row is not None:
        return [str(sample.row["weight"]).encode() for sample in samples if sample.row is not None]
    if samples[0].text is not None:
        return [sample.text.split()[-1].encode() for sample in samples if sample.text is not None]
    contents = [sample.content() for sample in samples]
    return [*contents, *(base64.b64encode(content) for content in contents)]


def _spellings(labels: Sequence[str]) -> list[bytes]:
    return [spelling for label in labels for spelling in (label.encode(), base64.b64encode(label.encode()))]


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.stat().st_size <= LARGEST_FILE]


def _holds(path: Path, secret: str) -> bool:
    return secret.encode() in path.read_bytes()


def _around(text: str, secret: str) -> str:
    place = text.index(secret)
    return f"…{text[max(0, place - 40) : place]}[secret]"
