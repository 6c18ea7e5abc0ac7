"""The versioned record of one run (one checkpoint on one data set), saved as JSON and validated strictly when loaded."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from clap.command_line import check_destination
from clap.data.records import PROVENANCES
from clap.errors import UserError
from clap.languages import CODES
from eval.metrics import METRICS, summarize
from eval.protocols import PROTOCOLS
from eval.qrels import CAPTIONS, DIRECTIONS, HASH_DIGITS, TEXTS, TRUTHS, Qrels

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Result:
    """One language, direction and truth of a run: what each query found.

    `ranks` maps a query id to the 1-based ranks of its relevant items, ascending, among all `pool_size` items, ranked exactly
    with the tie rule of eval.metrics. `truth` says whether every caption is a query ("captions") or every text once ("texts").
    `provenance` lists who wrote the captions, `wording` is the hash of their texts, `qrels` that of the ground truth, `metrics`
    holds the figures of eval.metrics: fractions, and the median and mean rank in ranks.
    """

    language: str
    direction: str
    truth: str
    provenance: tuple[str, ...]
    pool_size: int
    queries: int
    qrels: str
    wording: str
    metrics: Mapping[str, float]
    ranks: Mapping[str, list[int]]


@dataclass(frozen=True)
class RunRecord:
    """One checkpoint, known by name and `fingerprint` (hash of its weights), judged on one data set.

    `protocol` names the reading of the ranks (eval.protocols) that suits the data set; any other can be had from the same
    ranks. `doctor` is what clap.doctor found, None for a checkpoint that was not examined. `captions` is the ground truth,
    language -> clip id -> caption ids; `groups` lists, for a language that has such, the captions that say the same text.
    `created` is UTC, like 2026-11-25T01:37:26Z.
    """

    checkpoint: str
    fingerprint: str
    dataset: str
    split: str
    protocol: str
    code_version: str
    created: str
    doctor: Mapping[str, Any] | None
    captions: Mapping[str, Mapping[str, tuple[str, ...]]]
    groups: Mapping[str, tuple[tuple[str, ...], ...]]
    results: tuple[Result, ...]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the record, FLORES-200 codes."""
        return tuple(self.captions)

    def qrels(self, language: str, truth: str = CAPTIONS) -> Qrels:
        """The ground truth of one of the record's languages; of TEXTS, with captions of one text as one query."""
        own = Qrels(self.captions[language])
        return own.grouped(self.groups.get(language, ())) if truth == TEXTS else own


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
    rows = {"schema_version": SCHEMA_VERSION, **asdict(record)}
    write_text(path, "{\n" + ",\n".join(f"{json.dumps(key)}: {_lines(value)}" for key, value in rows.items()) + "\n}\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text through a temporary name; UserError when that is impossible."""
    check_destination(path)
    partial = path.with_suffix(path.suffix + ".part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def load(path: Path) -> RunRecord:
    """Read a record; raises UserError naming the file and the field that is missing, unknown or inconsistent."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_twins)
        return _record(rows)
    except FileNotFoundError as error:
        raise UserError(f"There is no result file {str(path)!r}; make one with `python -m eval run`.") from error
    except OSError as error:
        raise UserError(f"Result file {str(path)!r} cannot be read: {error.strerror}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"Result file {path.name!r} is not JSON ({error}); make it again with `python -m eval run`.") from error
    except UserError as error:
        raise UserError(f"Result file {path.name!r}: {error}") from error


def load_for_table(path: Path) -> RunRecord:
    """`load`, for a record that is to stand beside others: raises UserError unless its checkpoint was examined and passed."""
    record = load(path)
    if not (record.doctor and record.doctor["passed"]):
        found = "says that the checkpoint failed" if record.doctor else "is empty"
        raise UserError(f"Result file {path.name!r}: doctor {found}; only examined checkpoints enter a table, so run `{_again(record)}`.")
    return record


def _again(record: RunRecord) -> str:
    return f"python -m eval run --checkpoint {record.checkpoint} --dataset {record.dataset} --out FILE"


def _no_constant(name: str) -> NoReturn:
    raise UserError(f"{name} is not a number; every value must be finite.")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys differ: a query that stands twice would otherwise be dropped in silence."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        raise UserError(
            f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object; every key and query must be unique."
        )
    return row


TEXT_FIELDS = tuple(f.name for f in fields(RunRecord))[:7]


def _record(rows: Any) -> RunRecord:
    if isinstance(rows, dict) and rows.get("schema_version") != SCHEMA_VERSION:
        command = f"python -m eval run --checkpoint {rows.get('checkpoint', 'NAME')} --dataset {rows.get('dataset', 'NAME')} --out FILE"
        raise UserError(f"schema_version is {rows.get('schema_version')!r}, and this code reads {SCHEMA_VERSION}; run `{command}` again.")
    _keys(rows, ["schema_version", *(f.name for f in fields(RunRecord))], "the record")
    for name in TEXT_FIELDS:
        _typed(rows[name], str, name)
        if not rows[name]:
            raise UserError(f"{name} is empty.")
    _one_of(rows["protocol"], tuple(PROTOCOLS), "protocol")
    _check_time(rows["created"])
    _check_doctor(rows["doctor"])
    captions = _captions(rows["captions"])
    bare = RunRecord(*(rows[name] for name in TEXT_FIELDS), rows["doctor"], captions, _groups(rows["groups"], captions), ())
    truths = {(language, truth): bare.qrels(language, truth) for language in captions for truth in _truths(bare, language)}
    results = tuple(_result(row, f"results[{i}]", truths) for i, row in enumerate(_typed(rows["results"], list, "results")))
    _check_pairs(results, truths)
    return replace(bare, results=results)


def _truths(record: RunRecord, language: str) -> tuple[str, ...]:
    """What a language is judged by: its captions, and its texts where some captions share one."""
    return TRUTHS if language in record.groups else (CAPTIONS,)


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


def _check_doctor(doctor: Any) -> None:
    if doctor is not None:
        passed = _typed(doctor, dict, "doctor").get("passed")
        _typed(passed, bool, "doctor.passed")


def _captions(rows: Any) -> dict[str, dict[str, tuple[str, ...]]]:
    captions = {}
    for language, by_clip in _typed(rows, dict, "captions").items():
        where = f"captions.{language}"
        _one_of(language, CODES, "captions: language")
        captions[language] = {clip: _ids(ids, f"{where}.{clip}") for clip, ids in _typed(by_clip, dict, where).items()}
        owners = Counter(caption for ids in captions[language].values() for caption in ids)
        shared = sorted(caption for caption, count in owners.items() if count > 1)
        if shared:
            raise UserError(f"{where} names caption {shared[0]!r} twice; captions that say one text belong in groups.")
    _check_pools(captions)
    return captions


def _check_pools(captions: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UserError for languages that were judged on different clips: their figures would not belong in one record."""
    for language, by_clip in captions.items():
        first = next(iter(captions))
        odd = sorted(set(by_clip) ^ set(captions[first]))
        if odd:
            raise UserError(f"captions.{language} and captions.{first} have different pools; clip {odd[0]!r} is in one only.")


def _groups(rows: Any, captions: Mapping[str, Mapping[str, tuple[str, ...]]]) -> dict[str, tuple[tuple[str, ...], ...]]:
    groups = {}
    for language, found in _typed(rows, dict, "groups").items():
        _one_of(language, tuple(captions), "groups: language")
        where, known = f"groups.{language}", {caption for ids in captions[language].values() for caption in ids}
        groups[language] = tuple(_ids(ids, where) for ids in _typed(found, list, where))
        members = [caption for ids in groups[language] for caption in ids]
        if not members or min(map(len, groups[language])) < 2 or len(set(members)) < len(members) or set(members) - known:
            raise UserError(f"{where} must hold groups of two or more captions of that language, each caption in one group only.")
    return groups


def _ids(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_typed(item, str, where) for item in _typed(value, list, where))


def _one_of(value: Any, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise UserError(f"{where} must be one of {', '.join(allowed)}, got {value!r}.")


def _result(row: Any, where: str, truths: Mapping[tuple[str, str], Qrels]) -> Result:
    _keys(row, [f.name for f in fields(Result)], where)
    _one_of(row["direction"], DIRECTIONS, f"{where}.direction")
    _one_of(row["language"], tuple(dict.fromkeys(language for language, _ in truths)), f"{where}.language")
    _one_of(row["truth"], tuple(truth for language, truth in truths if language == row["language"]), f"{where}.truth")
    for item in _typed(row["provenance"], list, f"{where}.provenance"):
        _one_of(item, PROVENANCES, f"{where}.provenance")
    if not re.fullmatch(f"[0-9a-f]{{{HASH_DIGITS}}}", _typed(row["wording"], str, f"{where}.wording")):
        raise UserError(f"{where}.wording must be {HASH_DIGITS} hexadecimal digits, got {row['wording']!r}.")
    qrels = truths[row["language"], row["truth"]]
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


def _check_pairs(results: tuple[Result, ...], truths: Mapping[tuple[str, str], Qrels]) -> None:
    found = [(result.language, result.truth, result.direction) for result in results]
    if sorted(found) != sorted((*truth, direction) for truth in truths for direction in DIRECTIONS):
        raise UserError("results must hold each language of captions once in each direction, and a language of groups its texts too.")
    if not found:
        raise UserError("results is empty.")
