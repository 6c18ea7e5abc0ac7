"""What can be said of one run, of two, and of several seeds: intervals, paired tests with a verdict, spread over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from clap.errors import UserError
from clap.languages import get_language
from eval.protocols import Protocol, get_protocol, per_query, read
from eval.qrels import AUDIO_TO_TEXT, DIRECTIONS, TEXT_TO_AUDIO
from eval.results import Result, RunRecord
from eval.uncertainty import (
    ALPHA,
    bootstrap_test,
    effect_and_units_needed,
    holm,
    percentiles,
    randomisation_test,
    resampled_means,
    resampled_medians,
)

DIRECTION_WORDS = {TEXT_TO_AUDIO: "from text to audio", AUDIO_TO_TEXT: "from audio to text"}
COMPARED_METRICS = ("R@1", "mAP@10")
"""What is tested unless other metrics are named: a larger family costs power."""


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints on one language, direction and metric: second minus first, paired by query; fractions.

    `low` and `high` bound the difference (95 %, bootstrap over units). `p` is the randomisation test's, `p_bootstrap` the
    paired bootstrap's, `p_holm` is `p` corrected for the `tests` of the family. `units` is how many clips were resampled
    (`unit` says "clips", or "texts" where a text has several clips), `effect` and `units_needed` are those of
    eval.uncertainty. `verdict` is "first" or "second", whichever leads with `p_holm` below 0.05, or else "tie".
    """

    first: str
    second: str
    language: str
    direction: str
    metric: str
    difference: float
    low: float
    high: float
    p: float
    p_bootstrap: float
    p_holm: float
    tests: int
    effect: float | None
    unit: str
    units: int
    units_needed: int | None
    verdict: str


@dataclass(frozen=True)
class Spread:
    """One metric of one recipe over its seeds: `values` a record, their mean and standard deviation (n - 1); fractions or ranks."""

    language: str
    direction: str
    metric: str
    values: tuple[float, ...]
    mean: float
    deviation: float


def units_of(record: RunRecord, result: Result) -> list[str]:
    """The unit of each query, in the order of the sorted query ids: its clip, or the query itself where it has several clips."""
    queries = sorted(result.ranks)
    if result.direction == AUDIO_TO_TEXT:
        return queries
    clips_of = record.qrels(result.language, result.truth).clips_of
    return [clips_of[query][0] if len(clips_of[query]) == 1 else query for query in queries]


def intervals(record: RunRecord, result: Result, protocol: Protocol) -> dict[str, tuple[float, float]]:
    """Metric -> 95 % interval (bootstrap over units), for every metric of a protocol and for the median and mean rank, in ranks."""
    units, names = units_of(record, result), list(protocol.metrics)
    first = np.array([result.ranks[query][0] for query in sorted(result.ranks)], dtype=float)
    values = np.column_stack([*(per_query(result, protocol, name) for name in names), first])
    found = [*percentiles(resampled_means(values, units)), percentiles(resampled_medians(first, units)[:, None])[0]]
    return {name: (float(low), float(high)) for name, (low, high) in zip([*names, "mean_rank", "median_rank"], found, strict=True)}


def refusal(table: pd.DataFrame) -> str | None:
    """Why the checkpoints of a tidy table may not stand in one chart, as a sentence; None when they may."""
    words = {"protocol": "protocols", "pool_size": "pool sizes", "qrels": "ground truths (qrels)", "wording": "wordings of the captions"}
    for language, rows in table.groupby("language", sort=False):
        for column, word in words.items():
            found = rows.groupby("checkpoint", sort=False)[column].first()
            if found.nunique() > 1:
                got = ", ".join(f"{checkpoint}: {value}" for checkpoint, value in found.items())
                name = get_language(language).name
                return f"These results cannot stand in one chart: in {name} they have different {word} ({got}). Choose fewer checkpoints."
    return None


def compare(
    first: RunRecord, second: RunRecord, metrics: Sequence[str] = COMPARED_METRICS, protocol: Protocol | None = None
) -> list[Comparison]:
    """Paired tests of two records in every language that both have, both directions and each of `metrics`: one family for Holm.

    The ranks are read by `protocol`, else by the first record's own. Raises UserError for records whose pools, ground truths
    or wordings differ, records without a common language, and a metric that is no fraction of the protocol.
    """
    chosen = protocol or get_protocol(first.protocol)
    _check_metrics(metrics, chosen)
    pairs = _pairs((first, second), chosen)
    found = [test for results in pairs for test in _tests(first, second, results, metrics, chosen)]
    corrected = holm([test.p for test in found]).tolist()
    return [_judged(test, p_holm, len(found)) for test, p_holm in zip(found, corrected, strict=True)]


def _check_metrics(metrics: Sequence[str], protocol: Protocol) -> None:
    odd = [metric for metric in metrics if metric not in protocol.metrics]
    if odd or not metrics:
        allowed = ", ".join(protocol.metrics)
        raise UserError(f"Metrics that can be tested by protocol {protocol.name!r} are {allowed}; got {', '.join(odd) or 'none'}.")


def _pairs(records: Sequence[RunRecord], protocol: Protocol) -> list[tuple[Result, ...]]:
    """The results of all `records` together, by language and direction; UserError when they may not be compared."""
    labels = _labels(records)
    by_key = [{(r.language, r.direction): r for r in read(record, protocol)} for record in records]
    common = [code for code in records[0].languages if all(code in record.languages for record in records)]
    if not common:
        raise UserError(f"{' and '.join(labels)} have no language in common; judge them with `python -m eval run --languages`.")
    if len({(record.dataset, record.split) for record in records}) > 1:
        got = ", ".join(f"{label}: {record.dataset} ({record.split})" for label, record in zip(labels, records, strict=True))
        raise UserError(f"Only results on one data set and split can be compared ({got}).")
    grouped = [tuple(results[language, direction] for results in by_key) for direction in DIRECTIONS for language in common]
    for results in grouped:
        refused = refusal(pd.DataFrame(_facts(labels, results, protocol)))
        if refused:
            raise UserError(refused)
    return grouped


def _labels(records: Sequence[RunRecord]) -> list[str]:
    """The checkpoints' names, with their fingerprints where they share one."""
    names = [record.checkpoint for record in records]
    return [r.checkpoint if names.count(r.checkpoint) == 1 else f"{r.checkpoint} ({r.fingerprint[:8]})" for r in records]


def _facts(labels: Sequence[str], results: Sequence[Result], protocol: Protocol) -> Iterator[dict]:
    for label, result in zip(labels, results, strict=True):
        facts = {name: getattr(result, name) for name in ("language", "pool_size", "qrels", "wording")}
        yield {"checkpoint": label, "protocol": protocol.name, **facts}


def _tests(
    first: RunRecord, second: RunRecord, results: tuple[Result, ...], metrics: Sequence[str], protocol: Protocol
) -> Iterator[Comparison]:
    """The tests of one language and direction, before Holm's correction and without a verdict."""
    units, (before, after) = units_of(first, results[0]), results
    change = np.column_stack([per_query(after, protocol, metric) - per_query(before, protocol, metric) for metric in metrics])
    mean, resampled = change.mean(axis=0), resampled_means(change, units)
    bounds, p, p_bootstrap = percentiles(resampled), randomisation_test(change, units), bootstrap_test(resampled, mean)
    clips = first.captions[before.language]
    labels = _labels((first, second))
    unit = "clips" if all(name in clips for name in units) else "texts"
    for column, metric in enumerate(metrics):
        effect, needed = effect_and_units_needed(change[:, column], units)
        yield Comparison(
            first=labels[0], second=labels[1],
            language=before.language, direction=before.direction, metric=metric,
            difference=float(mean[column]), low=float(bounds[column, 0]), high=float(bounds[column, 1]),
            p=float(p[column]), p_bootstrap=float(p_bootstrap[column]), p_holm=float(p[column]), tests=1,
            effect=effect, unit=unit, units=len(set(units)), units_needed=needed, verdict="tie",
        )  # fmt: skip


def _judged(test: Comparison, p_holm: float, tests: int) -> Comparison:
    leader = "second" if test.difference > 0 else "first"
    return replace(test, p_holm=p_holm, tests=tests, verdict=leader if p_holm < ALPHA else "tie")


def verdict_sentence(test: Comparison) -> str:
    """A comparison in words: who leads where and by how much, in points of percent, or that it is a tie and what would settle it."""
    where = f"{get_language(test.language).name} {DIRECTION_WORDS[test.direction]}"
    p = "p < 0.001" if test.p_holm < 0.001 else f"p = {test.p_holm:.3f}"
    p = f"{p} over {test.tests} tests (Holm)" if test.tests > 1 else p
    if test.verdict == "tie":
        found = f"{test.metric} of {test.second} minus {test.first} is {_points(test.difference, test.low, test.high)}, {p}"
        return f"{where}: a tie. {found}.{_what_would_settle(test)}"
    if test.verdict == "second":
        return f"{where}: {test.second} leads {test.first} in {test.metric} by {_points(test.difference, test.low, test.high)}, {p}."
    return f"{where}: {test.first} leads {test.second} in {test.metric} by {_points(-test.difference, -test.high, -test.low)}, {p}."


def _points(difference: float, low: float, high: float) -> str:
    bounds = [f"{100 * value:+.1f}".replace("-", "−") for value in (difference, low, high)]
    return f"{bounds[0]} points [{bounds[1]}, {bounds[2]}]"


def _what_would_settle(test: Comparison) -> str:
    if test.units_needed is None:
        return ""
    if test.units_needed <= test.units:
        return f" Alone, {test.units:,} {test.unit} would do for a difference of this size; among {test.tests} tests it may be chance."
    return f" To show a difference of this size would take about {test.units_needed:,} {test.unit}; here are {test.units:,}."


def spread_over_seeds(records: Sequence[RunRecord], metric: str, protocol: Protocol | None = None) -> list[Spread]:
    """Mean and standard deviation over the seeds of one recipe, a record each, by language and direction.

    `metric` is one of the protocol's or "median_rank" or "mean_rank"; the protocol is the first record's own unless given.
    Raises UserError for fewer than two records, the same weights twice, an unknown metric, and records that may not be compared.
    """
    weights = len({record.fingerprint for record in records})
    if weights < max(2, len(records)):
        got = f"got {len(records)} with {weights} different weights"
        raise UserError(f"Spread over seeds needs two or more results, each of a checkpoint of its own; {got}.")
    chosen = protocol or get_protocol(records[0].protocol)
    known = (*chosen.metrics, "median_rank", "mean_rank")
    if metric not in known:
        raise UserError(f"Metrics of protocol {chosen.name!r} are {', '.join(known)}; got {metric!r}.")
    return [_spread(results, metric) for results in _pairs(records, chosen)]


def _spread(results: Sequence[Result], metric: str) -> Spread:
    values = tuple(result.metrics[metric] for result in results)
    return Spread(results[0].language, results[0].direction, metric, values, float(np.mean(values)), float(np.std(values, ddof=1)))
