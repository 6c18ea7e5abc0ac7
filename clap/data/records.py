"""Clips and captions as data, and the manifests they are read from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from clap.errors import UserError

PROVENANCES = ("human", "machine", "machine-reviewed")
"""Who wrote a caption: a person, a model, or a model with every line read again."""


@dataclass(frozen=True)
class Clip:
    """One clip: `id` is its key everywhere (qrels, results, indexes), `path` its audio file.

    `peaks` is 64 base-36 digits, the clip's envelope for drawing. `events` are the ground-truth events in order, each
    a mapping with at least `class`, `start_s` and `end_s`; empty for data without such truth.
    """

    id: str
    path: Path
    split: str
    duration_s: float
    licence: str
    source: str = ""
    peaks: str = ""
    events: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Caption:
    """One caption of one clip; `id` is unique in its data set and language-specific."""

    id: str
    clip: str
    language: str
    text: str
    provenance: str


@dataclass(frozen=True)
class Dataset:
    """Clips with their captions. A caption of an unknown clip, or two records of one id, is an error, never a shift."""

    name: str
    clips: tuple[Clip, ...]
    captions: tuple[Caption, ...]
    description: str = ""
    _clip_by_id: dict[str, Clip] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_id = {clip.id: clip for clip in self.clips}
        if len(by_id) != len(self.clips):
            raise UserError(f"Data set {self.name!r} holds two clips of one id.")
        if len({caption.id for caption in self.captions}) != len(self.captions):
            raise UserError(f"Data set {self.name!r} holds two captions of one id.")
        lost = sorted({caption.clip for caption in self.captions} - set(by_id))
        if lost:
            raise UserError(f"Data set {self.name!r} has captions of clips it does not hold: {', '.join(lost[:5])}.")
        object.__setattr__(self, "_clip_by_id", by_id)

    def clip(self, clip_id: str) -> Clip:
        """The clip of that id; raises UserError when there is none."""
        if clip_id not in self._clip_by_id:
            raise UserError(f"Data set {self.name!r} has no clip {clip_id!r}.")
        return self._clip_by_id[clip_id]

    def captions_in(self, language: str) -> tuple[Caption, ...]:
        """The captions of one language, in the data set's order."""
        return tuple(caption for caption in self.captions if caption.language == language)

    def part(self, split: str) -> Dataset:
        """Only the clips of one split, with their captions."""
        clips = tuple(clip for clip in self.clips if clip.split == split)
        kept = {clip.id for clip in clips}
        captions = tuple(caption for caption in self.captions if caption.clip in kept)
        return Dataset(f"{self.name}-{split}", clips, captions, self.description)


Record = TypeVar("Record", Clip, Caption)


def read_jsonl(path: Path, kind: type[Record]) -> list[Record]:
    """Records of one kind from a JSON-lines file; a clip's `path` is relative to the file. Unknown keys are refused."""
    known = {f.name for f in fields(kind)}
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        if set(row) - known:
            raise UserError(f"{path.name}, line {number}: unknown keys {sorted(set(row) - known)}; known are {sorted(known)}.")
        if kind is Clip:
            row["path"] = path.parent / row["path"]
            row["events"] = tuple(row.get("events", ()))
        records.append(kind(**row))
    return records


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines (UTF-8), through a temporary name; clip paths become relative to the file."""
    lines = []
    for record in records:
        row = asdict(record)
        if isinstance(record, Clip):
            row["path"] = record.path.resolve().relative_to(path.parent.resolve()).as_posix()
        lines.append(json.dumps(row, ensure_ascii=False))
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)
