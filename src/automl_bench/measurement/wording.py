"""A load run in sentences, for the terminal. Nothing is shown without its n."""

from __future__ import annotations

from collections.abc import Mapping

from automl_bench.contract import Json
from automl_bench.numbers_in_words import counted, number_of
from automl_bench.store.records import LoadRun

SHOWN = ("p50", "p90", "p95", "p99", "p99.9")


def describe_load_run(run: LoadRun) -> list[str]:
    """Return a load run as lines for people."""
    lines = _sweep(run.summary) if run.loop == "sweep" else _single(run)
    if not run.complete:
        lines.append("incomplete: it was stopped and is never compared with complete runs")
    lines.extend(f"not VALID: {reason}" for reason in run.reasons)
    lines.extend(f"note        {note['words']}" for note in (run.summary.get("verdict") or {}).get("notes", ()))
    return lines


def _single(run: LoadRun) -> list[str]:
    summary = run.summary
    lines = [
        _outcomes(summary),
        f"throughput  {_rate(summary['throughput'])}",
        f"service     {_quantiles(summary['service_ms'])}",
    ]
    if run.loop == "open":
        lines.append(f"response    {_quantiles(summary['response_ms'])}  (from the scheduled moment)")
        late, schedule = summary["lateness_ms"], summary["schedule"]
        lines.append(
            f"schedule    {summary['offered_rate']:.4g}/s offered, {summary['achieved_rate'] or 0:.4g}/s achieved; "
            f"sends late by p50 {_ms(late['p50'])}, p99 {_ms(late['p99'])}, at most {_ms(late['max'])}; "
            f"{schedule['dropped']} dropped, {schedule['abandoned']} given up"
        )
    little = summary.get("little")
    if little and little["throughput_times_mean"] is not None:
        lines.append(
            f"Little      throughput × mean time = {little['throughput_times_mean']:.2f}; "
            f"{_number(little['mean_in_flight'])} under way on average, {little['concurrency']} asked for"
        )
    lines.append(_where_the_time_goes(summary))
    lines.append(_client(summary))
    accuracy = summary["accuracy"]
    if accuracy["n"]:
        lines.append(
            f"accuracy    {accuracy['value']:.1%} [{accuracy['low']:.1%}, {accuracy['high']:.1%}] under load "
            f"(n={accuracy['n']}, {accuracy['distinct']} distinct samples)"
        )
    lines.append(_repeats(summary["repeats"]))
    if summary["autocorrelated"]:
        lines.append("note        neighbouring calls depend on each other: believe the block-bootstrap intervals")
    lines.extend(f"{outcome}: {words}" for outcome, words in (summary.get("errors") or {}).items())
    return lines


def _sweep(summary: Mapping[str, Json]) -> list[str]:
    lines = []
    for step in summary["steps"]:
        late = step["lateness_ms"]["p99"]
        lines.append(
            f"{step['rate']:>8.4g}/s  achieved {step['achieved_rate'] or 0:.4g}/s  "
            f"{_quantiles(step['response_ms'], ('p50', 'p95'))}  "
            f"{step['n'] - step['outcomes']['ok']} of {step['n']} without answer  late p99 {_ms(late)}  "
            f"client {step['client']['cpu_share']:.0%}"
        )
    knee = summary["knee"]
    last = knee["last_good_rate"]
    lines.append(f"knee        {knee['cause']}: {knee['evidence']}")
    lines.append(f"good up to  {last:.4g}/s" if last else "good up to  not even the first rate")
    return lines


def _outcomes(summary: Mapping[str, Json]) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in summary["outcomes"].items() if count)
    return f"calls       {summary['n']} in {summary['seconds']:.2f} s: {counts or 'none ended'}"


def _rate(cell: Mapping[str, Json]) -> str:
    if cell["value"] is None:
        return "unknown"
    interval = f" [{cell['low']:.4g}, {cell['high']:.4g}]" if cell["low"] is not None else ""
    return f"{cell['value']:.4g}/s{interval} (n={cell['n']})"


def _quantiles(cells: Mapping[str, Json], shown: tuple[str, ...] = SHOWN) -> str:
    parts = []
    for name in shown:
        cell = cells[name]
        if "needs" in cell:
            parts.append(f"{name} needs {cell['needs']} calls")
        else:
            parts.append(f"{name} {cell['value']:.4g} {_interval(cell)}")
    return f"{'  '.join(parts)} ms (n={cells[shown[0]]['n']})"


def _interval(cell: Mapping[str, Json]) -> str:
    """Return "[4.1, 4.7]"; few values bound a median from above only: "[at most 12.82]"."""
    if cell["low"] is None:
        return f"[at most {cell['high']:.4g}]"
    return f"[{cell['low']:.4g}, {cell['high']:.4g}]"


def _where_the_time_goes(summary: Mapping[str, Json]) -> str:
    phases = summary["phases_ms"]
    if phases is None:
        return "phases      unknown: the plugin makes the calls itself"
    parts = ", ".join(f"{name} {value:.3g}" for name, value in phases.items() if name != "n" and value >= 0.0005)
    connections = summary["connections"]
    trips = summary.get("round_trip_ms") or {}
    trip = "/".join(_ms((trips.get(moment) or {}).get("ms")) for moment in ("before", "during", "after"))
    return (
        f"phases      mean ms: {parts} (n={phases['n']}); {number_of(connections['new'], 'new connection')}; "
        f"round trip before/during/after {trip}"
    )


def _client(summary: Mapping[str, Json]) -> str:
    client = summary["client"]
    cost = client["cpu_us_per_call"]
    return f"client      {client['cpu_share']:.0%} of a core" + (f", {cost:.0f} µs a call" if cost is not None else "")


def _repeats(repeats: Mapping[str, Json]) -> str:
    if "needs" in repeats:
        pairs = counted("{n} [sample was|samples were]", repeats["pairs"])
        return f"repeats     {pairs} sent twice; the cache check needs {repeats['needs']}"
    verdict = "suspiciously fast: a cache?" if repeats["suspicious"] else "no sign of a cache"
    return (
        f"repeats     {repeats['ratio']:.2f} times the first answer's time over "
        f"{number_of(repeats['pairs'], 'sample')} sent twice: {verdict}"
    )


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g} ms"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
