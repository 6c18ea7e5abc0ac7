"""The versioned record of one run (one checkpoint on one data set), saved as JSON and validated strictly when loaded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from clap.command_line import check_destination
from clap.data.records import PROVENANCES
from clap.errors import UserError
from clap.languages import CODES
from eval.metrics import METRICS, summarize
from eval.qrels import DIRECTIONS, Qrels

SCHEMA_VERSION = 1
PROTOCOL = "all-pairs-exact"
"""Every caption of a language against every clip of the pool, ranked exactly, with the tie rule of eval.metrics."""


@dataclass(frozen=True)
class Result:
    """One language and direction of a run. `ranks` maps each query id to the 1-based ranks of its relevant items, ascending.

    `provenance` lists who wrote the captions, `pool_size` counts the items ranked for each query, `qrels` is the hash of the
    ground truth, `metrics` holds fractions, and the median and mean rank in ranks.
    """

    language: str
    direction: str
    provenance: tuple[str, ...]
    pool_size: int
    queries: int
    qrels: str
    metrics: Mapping[str, float]
    ranks: Mapping[str, list[int]]


@dataclass(frozen=True)
class RunRecord:
    """One checkpoint, known by name and `fingerprint` (hash of its weights), judged on one data set.

    `captions` is the ground truth, language -> clip id -> caption ids; `created` is UTC, like 2026-11-25T01:37:26Z.
    """

    checkpoint: str
    fingerprint: str
    dataset: str
    split: str
    protocol: str
    code_version: str
    created: str
    captions: Mapping[str, Mapping[str, tuple[str, ...]]]
    results: tuple[Result, ...]

    def qrels(self, language: str) -> Qrels:
        """The ground truth of one of the record's languages."""
        return Qrels(self.captions[language])


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _lines(value: Any) -> str:
    """JSON with one line per element of the outermost list or mapping."""
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{_compact(key)}: {_compact(item)}" for key, item in value.items()) + "\n}"
    if isinstance(value, tuple):
        return "[\n" + ",\n".join(_compact(item) for item in value) + "\n]"
    return _compact(value)


def save(record: RunRecord, path: Path) -> None:
    """Write a record as UTF-8 JSON, one line per result, through a temporary name; UserError when that is impossible."""
    check_destination(path)
    rows = {"schema_version": SCHEMA_VERSION, **asdict(record)}
    text = "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in rows.items()) + "\n}\n"
    partial = path.with_suffix(path.suffix + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def load(path: Path) -> RunRecord:
    """Read a record; raises UserError naming the file and the field that is missing, unknown or inconsistent."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant)
        return _record(rows)
    except FileNotFoundError as error:
        raise UserError(f"There is no result file {str(path)!r}; make one with `python -m eval run`.") from error
    except OSError as error:
        raise UserError(f"Result file {str(path)!r} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"Result file {path.name!r} is not JSON ({error}); make it again with `python -m eval run`.") from error
    except UserError as error:
        raise UserError(f"Result file {path.name!r}: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise UserError(f"{name} is not a number; every value must be finite.")


def _record(rows: Any) -> RunRecord:
    if isinstance(rows, dict) and rows.get("schema_version") != SCHEMA_VERSION:
        raise UserError(f"schema_version is {rows.get('schema_version')!r}, and this code reads {SCHEMA_VERSION}; run it again.")
    names = [f.name for f in fields(RunRecord)]
    _keys(rows, ["schema_version", *names], "the record")
    for name in names[:7]:
        _typed(rows[name], str, name)
        if not rows[name]:
            raise UserError(f"{name} is empty.")
    _check_time(rows["created"])
    captions = _captions(rows["captions"])
    results = tuple(_result(row, f"results[{i}]", captions) for i, row in enumerate(_typed(rows["results"], list, "results")))
    _check_pairs(results, captions)
    return RunRecord(*(rows[name] for name in names[:7]), captions=captions, results=results)


def _keys(row: Any, known: list[str], where: str) -> None:
    _typed(row, dict, where)
    missing, unknown = [key for key in known if key not in row], sorted(set(row) - set(known))
    if missing or unknown:
        raise UserError(f"{where} has missing keys {missing} and unknown keys {unknown}; the keys are {', '.join(known)}.")


def _typed(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UserError(f"{where} must be of type {kind.__name__}, got {type(value).__name__}.")
    return value


def _check_time(created: str) -> None:
    try:
        datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError as error:
        raise UserError(f"created must be UTC like 2026-01-31T12:00:00Z, got {created!r}.") from error


def _captions(rows: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    captions: dict[str, dict[str, tuple[str, ...]]] = {}
    for language, by_clip in _typed(rows, dict, "captions").items():
        _one_of(language, CODES, "captions: language")
        captions[language] = {}
        for clip, ids in _typed(by_clip, dict, f"captions.{language}").items():
            where = f"captions.{language}.{clip}"
            captions[language][clip] = tuple(_typed(item, str, where) for item in _typed(ids, list, where))
    return captions


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise UserError(f"{where} must be one of {', '.join(allowed)}, got {value!r}.")


def _result(row: Any, where: str, captions: Mapping[str, Mapping[str, tuple[str, ...]]]) -> Result:
    names = [f.name for f in fields(Result)]
    _keys(row, names, where)
    _one_of(row["direction"], DIRECTIONS, f"{where}.direction")
    _one_of(row["language"], tuple(captions), f"{where}.language")
    for item in _typed(row["provenance"], list, f"{where}.provenance"):
        _one_of(item, PROVENANCES, f"{where}.provenance")
    qrels = Qrels(captions[row["language"]])
    _check_ranks(_typed(row["ranks"], dict, f"{where}.ranks"), qrels, row["direction"], f"{where}.ranks")
    expected = {"pool_size": qrels.pool_size(row["direction"]), "queries": len(row["ranks"]), "qrels": qrels.hash}
    for name, value in expected.items():
        if _typed(row[name], type(value), f"{where}.{name}") != value:
            raise UserError(f"{where}.{name} is {row[name]!r}, but the captions of the record give {value!r}.")
    _check_metrics(row["metrics"], summarize(row["ranks"]), f"{where}.metrics")
    return Result(**{**row, "provenance": tuple(row["provenance"])})


def _check_ranks(ranks: dict, qrels: Qrels, direction: str, where: str) -> None:
    relevant, pool = qrels.relevant(direction), qrels.pool_size(direction)
    if set(ranks) != set(relevant):
        odd = sorted(set(ranks) ^ set(relevant))[0]
        raise UserError(f"{where} and the captions do not have the same queries; {odd!r} is in one only.")
    for query, found in ranks.items():
        for rank in _typed(found, list, f"{where}.{query}"):
            if not 1 <= _typed(rank, int, f"{where}.{query}") <= pool:
                raise UserError(f"{where}.{query} holds rank {rank}, and the pool has {pool} items.")
        if len(found) != len(relevant[query]) or found != sorted(set(found)):
            raise UserError(f"{where}.{query} must hold {len(relevant[query])} different ranks, ascending, got {found}.")


def _check_metrics(metrics: Any, expected: Mapping[str, float], where: str) -> None:
    _keys(metrics, list(METRICS), where)
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise UserError(f"{where}.{name} must be a finite number, got {value!r}.")
        if abs(value - expected[name]) > 1e-9:
            raise UserError(f"{where}.{name} is {value}, but the ranks give {expected[name]}.")


def _check_pairs(results: tuple[Result, ...], captions: Mapping[str, Any]) -> None:
    found = [(result.language, result.direction) for result in results]
    if sorted(found) != sorted((language, direction) for language in captions for direction in DIRECTIONS):
        raise UserError("results must hold each language of captions once in each direction.")
    if not found:
        raise UserError("results is empty.")
