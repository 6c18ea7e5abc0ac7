"""Tables of committed results: pure functions from records to pandas frames. No gradio, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.metrics import METRICS, PER_QUERY, chance
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO
from eval.results import Result, RunRecord, load

RESAMPLES = 1000
CONFIDENCE = 0.95
SEED = 20240611
DIRECTION_NAMES = {TEXT_TO_AUDIO: "Text to audio", AUDIO_TO_TEXT: "Audio to text"}
SHOWN_METRICS = ("R@1", "mAP@10")
"""The metrics that the page draws; the downloads hold all of them."""


@dataclass(frozen=True)
class Results:
    """The records of a folder under the labels they are shown with, and a sentence for each file that was not taken."""

    records: dict[str, tuple[RunRecord, ...]]
    problems: tuple[str, ...]

    def labelled(self, dataset: str) -> dict[str, RunRecord]:
        """Label -> record of one data set: the checkpoint's name, with its fingerprint where two share the name."""
        records = self.records[dataset]
        names = [record.checkpoint for record in records]
        return {
            r.checkpoint if names.count(r.checkpoint) == 1 else f"{r.checkpoint} ({r.fingerprint[:8]})": r
            for r in sorted(records, key=lambda r: (r.checkpoint, r.fingerprint))
        }


def read_results(folder: Path) -> Results:
    """Every *.json of a folder (none when it is missing), by data set; of two runs of one checkpoint the newer counts."""
    newest: dict[tuple[str, str, str], RunRecord] = {}
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = load(path)
        except UserError as error:
            problems.append(str(error))
            continue
        key = (record.dataset, record.checkpoint, record.fingerprint)
        if key in newest:
            problems.append(f"{record.checkpoint} has several results on {record.dataset}; the newest is shown.")
        newest[key] = max(newest.get(key, record), record, key=lambda r: r.created)
    datasets = sorted({record.dataset for record in newest.values()})
    return Results({d: tuple(r for r in newest.values() if r.dataset == d) for d in datasets}, tuple(problems))


def bootstrap(values: np.ndarray, clips: Sequence[str]) -> tuple[float, float]:
    """95 % percentile interval of the mean of per-query `values` `(Q,)`, resampling clips with all their queries.

    `clips` names the clip of each query. The 1,000 resamples are seeded and drawn over the sorted clip ids, so two
    checkpoints on one pool are resampled alike, and the order of the queries does not matter.
    """
    names, owner = np.unique(np.asarray(clips), return_inverse=True)
    drawn = np.random.default_rng(SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    totals, counts = np.bincount(owner, weights=values), np.bincount(owner)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile((drawn @ totals) / (drawn @ counts), [tail, 1 - tail])
    return float(low), float(high)


def _queries(record: RunRecord, result: Result) -> tuple[list[str], list[str]]:
    """The queries of a result, sorted, and the clip of each."""
    qrels, queries = record.qrels(result.language), sorted(result.ranks)
    return queries, [qrels.clip_of_query(result.direction, query) for query in queries]


def per_query(result: Result, metric: str) -> np.ndarray:
    """`(Q,)` fractions of one metric, in the order of the sorted query ids."""
    return np.array([PER_QUERY[metric](result.ranks[query]) for query in sorted(result.ranks)])


def _chance(record: RunRecord, result: Result, metric: str) -> float:
    relevant = record.qrels(result.language).relevant(result.direction).values()
    sizes, counts = np.unique([len(ids) for ids in relevant], return_counts=True)
    return float(np.average([chance(metric, result.pool_size, int(size)) for size in sizes], weights=counts))


def _rows(label: str, record: RunRecord, result: Result) -> list[dict]:
    _, clips = _queries(record, result)
    shared = {
        "dataset": record.dataset,
        "split": record.split,
        "checkpoint": label,
        "fingerprint": record.fingerprint,
        "language": result.language,
        "direction": result.direction,
    }
    truth = {
        "pool_size": result.pool_size,
        "queries": result.queries,
        "qrels": result.qrels,
        "provenance": "+".join(result.provenance),
        "protocol": record.protocol,
        "code_version": record.code_version,
        "created": record.created,
    }
    rows = []
    for metric in METRICS:
        bounded = metric in PER_QUERY
        low, high = bootstrap(per_query(result, metric), clips) if bounded else (np.nan, np.nan)
        by_chance = _chance(record, result, metric) if bounded else np.nan
        rows.append({**shared, "metric": metric, "value": result.metrics[metric], "low": low, "high": high, "chance": by_chance, **truth})
    return rows


def tidy(records: dict[str, RunRecord]) -> pd.DataFrame:
    """One row per checkpoint, language, direction and metric, from label -> record.

    `value`, `low`, `high` (95 % bootstrap over clips) and `chance` are fractions; the median and mean rank have no interval.
    """
    rows = [row for label, record in records.items() for result in record.results for row in _rows(label, record, result)]
    table = pd.DataFrame(rows)
    order = table["language"].map(CODES.index)
    return table.assign(order=order).sort_values(["order", "direction"], kind="stable").drop(columns="order").reset_index(drop=True)


def choose(table: pd.DataFrame, direction: str, checkpoints: Sequence[str]) -> pd.DataFrame:
    """The rows of a tidy table of one direction and of some checkpoints."""
    return table[(table["direction"] == direction) & table["checkpoint"].isin(list(checkpoints))]


def refusal(table: pd.DataFrame) -> str | None:
    """Why the checkpoints of a tidy table may not stand in one chart, as a sentence; None when they may."""
    words = {"protocol": "protocols", "pool_size": "pool sizes", "qrels": "ground truths (qrels)"}
    for language, rows in table.groupby("language", sort=False):
        for column, word in words.items():
            found = rows.groupby("checkpoint", sort=False)[column].first()
            if found.nunique() > 1:
                got = ", ".join(f"{checkpoint}: {value}" for checkpoint, value in found.items())
                name = get_language(language).name
                return f"These results cannot stand in one chart: in {name} they have different {word} ({got}). Choose fewer checkpoints."
    return None


def difference(first: RunRecord, second: RunRecord, language: str, direction: str, metric: str) -> tuple[float, float, float] | None:
    """Second minus first, query by query: mean and 95 % interval over clips; None when one lacks the language."""
    found = [r for record in (first, second) for r in record.results if (r.language, r.direction) == (language, direction)]
    if len(found) < 2:
        return None
    change = per_query(found[1], metric) - per_query(found[0], metric)
    return float(change.mean()), *bootstrap(change, _queries(first, found[0])[1])


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal, without the sign."""
    return f"{100 * fraction:.1f}"


def _change(found: tuple[float, float, float] | None) -> str:
    return "–" if found is None else f"{100 * found[0]:+.1f} [{100 * found[1]:+.1f}, {100 * found[2]:+.1f}]".replace("-", "−")


def readable(records: dict[str, RunRecord], table: pd.DataFrame, direction: str, metrics: Sequence[str]) -> pd.DataFrame:
    """The chart as text: a row per language (FLORES-200 code), for each metric the checkpoints, their difference, and chance.

    Cells are percentages with their 95 % interval; the difference is in points, and given when two checkpoints are shown.
    """
    rows = choose(table, direction, list(records))
    languages = list(dict.fromkeys(rows["language"]))
    cells = {code: _cells(records, rows[rows["language"] == code], code, direction, metrics) for code in languages}
    return pd.DataFrame([{"language": code, **row} for code, row in cells.items()])


def _cells(records: dict[str, RunRecord], rows: pd.DataFrame, language: str, direction: str, metrics: Sequence[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for metric in metrics:
        found = rows[rows["metric"] == metric].set_index("checkpoint")
        for label in records:
            row = found.loc[label] if label in found.index else None
            cells[f"{metric} {label}"] = "–" if row is None else f"{percent(row.value)} [{percent(row.low)}, {percent(row.high)}]"
        if len(records) == 2:
            cells[f"{metric} difference"] = _change(difference(*records.values(), language, direction, metric))
        cells[f"{metric} chance"] = percent(found["chance"].iloc[0])
    return cells


def what_is_compared(table: pd.DataFrame) -> str:
    """Sentences on the rows of one direction and data set: checkpoints, queries, pool, qrels, provenance, protocol."""
    first = table.iloc[0]
    prints = table.groupby("checkpoint", sort=False)["fingerprint"].first()
    names = ", ".join(f"{label} (weights {fingerprint[:12]})" for label, fingerprint in prints.items())
    query, item = ("captions", "clips") if first.direction == TEXT_TO_AUDIO else ("clips", "captions")
    return (
        f"{names} on {first.dataset} ({first.split} split): {_several(table, 'queries')} {query} per language, each ranking "
        f"{_several(table, 'pool_size')} {item}; captions written by: {_several(table, 'provenance')}; "
        f"protocol {first.protocol}; qrels {_by_language(table)}."
    )


def _several(table: pd.DataFrame, column: str) -> str:
    """The values of a column, in words: one value, a range of numbers, or a list."""
    values = list(dict.fromkeys(table[column]))
    if len(values) > 1 and isinstance(values[0], (int, np.integer)):
        return f"{min(values):,} to {max(values):,}"
    return ", ".join(f"{value:,}" if isinstance(value, (int, np.integer)) else str(value) for value in values)


def _by_language(table: pd.DataFrame) -> str:
    found = table.groupby("language", sort=False)["qrels"].first()
    if found.nunique() == 1:
        return str(found.iloc[0])
    return ", ".join(f"{get_language(code).name} {value[:8]}" for code, value in found.items())
