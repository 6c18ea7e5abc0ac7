"""Recompute somebody's results and say what differs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clap.errors import UserError
from eval.results import Result, RunRecord

FIELDS = ("fingerprint", "split", "protocol")
SHOWN = ("R@1", "mAP@10")


def result_files(paths: Iterable[Path]) -> list[Path]:
    """The files among paths, and the *.json of folders among them; raises UserError for a folder without any."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"Folder {str(path)!r} holds no result, which are *.json files; name one that does.")
        found += inside
    return found


def differences(given: RunRecord, fresh: RunRecord) -> list[str]:
    """One line for each field and each language and direction in which two records of one run differ.

    Times, the versions of the code and what the doctor measured do not count.
    """
    told = [
        f"{name}: {getattr(given, name)!r} in the file, {getattr(fresh, name)!r} now"
        for name in FIELDS
        if getattr(given, name) != getattr(fresh, name)
    ]
    now = {(result.language, result.truth, result.direction): result for result in fresh.results}
    for result in given.results:
        told += _result_differences(result, now.get((result.language, result.truth, result.direction)))
    return told


def _result_differences(old: Result, new: Result | None) -> list[str]:
    where = f"{old.language} {old.direction}" + (" of texts" if old.truth == "texts" else "")
    if new is None:
        return [f"{where}: in the file only, because no captions of the data set share a text now"]
    if old.qrels != new.qrels:
        return [f"{where}: the ground truth changed, qrels {old.qrels} in the file, {new.qrels} now"]
    told = [f"{where}: the captions' words changed, wording {old.wording} in the file, {new.wording} now"] * (old.wording != new.wording)
    if set(old.provenance) != set(new.provenance):
        told.append(f"{where}: captions written by {'+'.join(old.provenance)} in the file, {'+'.join(new.provenance)} now")
    moved = [query for query in sorted(old.ranks) if old.ranks[query] != new.ranks[query]]
    if moved:
        figures = ", ".join(f"{name} {old.metrics[name]:.4f} in the file, {new.metrics[name]:.4f} now" for name in SHOWN)
        first = f"{moved[0]} at ranks {old.ranks[moved[0]]} in the file, {new.ranks[moved[0]]} now"
        told.append(f"{where}: {len(moved)} of {old.queries} queries have other ranks, such as {first}; {figures}")
    return told
