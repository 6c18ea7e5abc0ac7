"""Clips and captions as data, and the manifests they are read from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from clap.errors import UserError

HELD_SPLITS = ("validation", "val", "test", "evaluation")
"""Clips of these splits are never trained on; those of the first two choose among epochs."""
PROVENANCES = ("human", "machine", "machine-reviewed")
"""Who wrote a caption: a person, a model, or a model with every line read again."""


@dataclass(frozen=True)
class Clip:
    """One clip: `id` is its key everywhere (qrels, results, indexes), `path` its audio file, `duration_s` 0 where unknown.

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
    """One caption of one clip; `id` is unique in its data set and language-specific.

    Of a translation: `translator` made it from the caption `source_caption`; `similarity` is the cosine of the sentence
    embeddings of the two, None where nobody measured it.
    """

    id: str
    clip: str
    language: str
    text: str
    provenance: str
    translator: str = ""
    source_caption: str = ""
    similarity: float | None = None


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
        self._refuse_twins("clips", self.clips)
        self._refuse_twins("captions", self.captions)
        lost = sorted({caption.clip for caption in self.captions} - set(by_id))
        if lost:
            raise UserError(f"Data set {self.name!r} has captions of clips it does not hold: {', '.join(lost[:5])}.")
        object.__setattr__(self, "_clip_by_id", by_id)

    def _refuse_twins(self, what: str, records: tuple[Clip, ...] | tuple[Caption, ...]) -> None:
        if len({record.id for record in records}) < len(records):
            first = Counter(record.id for record in records).most_common(1)[0][0]
            raise UserError(f"Data set {self.name!r} holds two {what} of one id, such as {first!r}.")

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


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark; UserError for another encoding."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 text; save it as UTF-8.") from error


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON-lines file, each with the words that name its place; empty lines do not count."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        where = f"{path.name}, line {number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{where}: this is no JSON ({error.msg}); each line must hold one object.") from error
        if not isinstance(row, dict):
            raise UserError(f"{where}: each line must hold one JSON object, got {line.strip()[:40]!r}.")
        yield where, row


def refuse_keys(where: str, found: Iterable[str], known: Iterable[str], needed: Iterable[str]) -> None:
    """Raise UserError, which begins with `where`, for keys that are not known and for needed ones that are not there."""
    found, known = set(found), list(known)
    if found - set(known):
        raise UserError(f"{where}: unknown keys {sorted(found - set(known))}; known are {known}.")
    missing = [key for key in needed if key not in found]
    if missing:
        raise UserError(f"{where}: {missing} missing; known are {known}.")


def read_jsonl(path: Path, kind: type[Record], **given: str) -> list[Record]:
    """Records of one kind from a JSON-lines file; a clip's `path` is relative to the file. Unknown and missing keys are refused.

    `given` holds for every line, such as the language of the whole file; a line that says otherwise is refused.
    """
    known = [f.name for f in fields(kind)]
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    records = []
    for where, row in read_json_lines(path):
        other = [key for key, value in given.items() if row.get(key, value) != value]
        if other:
            raise UserError(f"{where}: {other[0]} is {row[other[0]]!r}, but the file is of {given[other[0]]!r}.")
        row |= given
        refuse_keys(where, row, known, needed)
        if kind is Clip:
            row["path"] = path.parent / row["path"]
            row["events"] = tuple(row.get("events", ()))
        records.append(kind(**row))
    return records


def caption_row(caption: Caption) -> dict[str, Any]:
    """A caption as plain data, without what it does not say."""
    return {key: value for key, value in asdict(caption).items() if value not in ("", None)}


def write_jsonl(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines (UTF-8), through a temporary name; clip paths become relative to the file."""
    lines = []
    for record in records:
        row = caption_row(record) if isinstance(record, Caption) else asdict(record)
        if isinstance(record, Clip):
            row["path"] = record.path.resolve().relative_to(path.parent.resolve()).as_posix()
        lines.append(json.dumps(row, ensure_ascii=False))
    partial = path.with_suffix(path.suffix + ".part")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)
