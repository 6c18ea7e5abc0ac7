"""Tables of committed results: pure functions from records to pandas frames. No gradio, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.compare import intervals, units_of
from eval.compare import refusal as refusal
from eval.protocols import Protocol, by_chance, get_protocol, per_query, read, results_by
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO
from eval.results import Result, RunRecord, load_for_table
from eval.uncertainty import bootstrap

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
            record = load_for_table(path)
        except UserError as error:
            problems.append(str(error))
            continue
        key = (record.dataset, record.checkpoint, record.fingerprint)
        if key in newest:
            problems.append(f"{record.checkpoint} has several results on {record.dataset}; the newest is shown.")
        newest[key] = max(newest.get(key, record), record, key=lambda r: r.created)
    datasets = sorted({record.dataset for record in newest.values()})
    return Results({d: tuple(r for r in newest.values() if r.dataset == d) for d in datasets}, tuple(problems))


def _rows(label: str, record: RunRecord, result: Result, protocol: Protocol) -> list[dict]:
    bounds = intervals(record, result, protocol)
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
        "wording": result.wording,
        "provenance": "+".join(result.provenance),
        "protocol": protocol.name,
        "code_version": record.code_version,
        "created": record.created,
    }
    rows = []
    for metric, value in result.metrics.items():
        low, high = bounds[metric]
        chance = by_chance(result, protocol, metric) if metric in protocol.metrics else np.nan
        rows.append({**shared, "metric": metric, "value": value, "low": low, "high": high, "chance": chance, **truth})
    return rows


def tidy(records: dict[str, RunRecord], protocol: Protocol | None = None) -> pd.DataFrame:
    """One row per checkpoint, language, direction and metric, from label -> record, by a protocol or else by each record's own.

    `value`, `low`, `high` (95 % bootstrap over clips) and `chance` are fractions; the median and mean rank are ranks, without chance.
    """
    rows = []
    for label, record in records.items():
        chosen = protocol or get_protocol(record.protocol)
        rows += [row for result in read(record, chosen) for row in _rows(label, record, result, chosen)]
    table = pd.DataFrame(rows)
    order = table["language"].map(CODES.index)
    return table.assign(order=order).sort_values(["order", "direction"], kind="stable").drop(columns="order").reset_index(drop=True)


def choose(table: pd.DataFrame, direction: str, checkpoints: Sequence[str]) -> pd.DataFrame:
    """The rows of a tidy table of one direction and of some checkpoints."""
    return table[(table["direction"] == direction) & table["checkpoint"].isin(list(checkpoints))]


def difference(
    first: RunRecord, second: RunRecord, language: str, direction: str, metric: str, protocol: Protocol | None = None
) -> tuple[float, float, float] | None:
    """Second minus first, query by query, by a protocol (else the first's): mean and 95 % interval; None when one lacks the language."""
    chosen = protocol or get_protocol(first.protocol)
    found = [r for record in (first, second) for r in results_by(record, chosen) if (r.language, r.direction) == (language, direction)]
    if len(found) < 2:
        return None
    change = per_query(found[1], chosen, metric) - per_query(found[0], chosen, metric)
    return float(change.mean()), *bootstrap(change, units_of(first, found[0]))


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
            protocol = get_protocol(found["protocol"].iloc[0])
            cells[f"{metric} difference"] = _change(difference(*records.values(), language, direction, metric, protocol))
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
