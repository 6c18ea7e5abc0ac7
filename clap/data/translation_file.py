"""A file of translations that grows by whole lines, so that a run that was stopped, even by a power cut, goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clap.data.records import Caption, caption_row, read_jsonl, write_jsonl
from clap.errors import UserError

MIN_SIMILARITY = 0.6
"""Cosine of the sentence embeddings of a text and its translation below which the translation says something else."""
Jobs = Mapping[str, tuple[Caption, str]]
"""Id of the translation to be made -> the English caption and the target language."""


@dataclass(frozen=True)
class Translation:
    """A translated text, and its similarity with the source where that was measured."""

    text: str
    similarity: float | None = None

    @property
    def good(self) -> bool:
        """Whether it can be kept."""
        return bool(self.text.strip()) and (self.similarity is None or self.similarity >= MIN_SIMILARITY)


class Translator(Protocol):
    """Translates English texts into any of `languages`; `name` is recorded with every caption it makes."""

    name: str
    languages: Sequence[str]

    def __call__(self, texts: Sequence[str], target: str) -> list[Translation]:
        """One translation for each text, in order; UserError when that cannot be had."""
        ...


class TranslationFile:
    """A file of translations that appears when it is complete; until then it grows in `<path>.unfinished`, by whole lines.

    Refused translations are listed in `<path>.refused`. What stands in any of the three is not made again. Raises UserError
    when they hold anything but translations of `jobs` by `translator`, or cannot be read or written.
    """

    def __init__(self, path: Path, jobs: Jobs, translator: str) -> None:
        self.jobs, self._path = jobs, path
        self._unfinished, self._refused = path.with_name(path.name + ".unfinished"), path.with_name(path.name + ".refused")
        self._kept: dict[str, Caption] = {}
        self._bad: dict[str, Caption] = {}
        for place in (path, self._unfinished, self._refused):
            for caption in _read(place):
                known = self._kept.get(caption.id, caption) == caption and caption.id not in self._bad
                if caption.id not in jobs or caption.translator != translator or not known:
                    raise _foreign(place, caption, translator)
                (self._bad if place == self._refused else self._kept)[caption.id] = caption

    def holds(self, name: str) -> bool:
        """Whether a translation was made, be it kept or refused."""
        return name in self._kept or name in self._bad

    def add(self, captions: Sequence[Caption], good: Sequence[bool]) -> None:
        """Keep those that are good, and list the others as refused."""
        for place, found, wanted in ((self._unfinished, self._kept, True), (self._refused, self._bad, False)):
            part = {caption.id: caption for caption, one in zip(captions, good, strict=True) if one == wanted}
            if part:
                self._write(place, lambda place=place, part=part: _append(place, part.values()))
            found |= part

    def finish(self) -> list[Caption]:
        """All that was kept, in the order of the jobs, as the file now holds it."""
        ordered = [self._kept[name] for name in self.jobs if name in self._kept]
        if self._unfinished.exists() or not self._path.exists():
            self._write(self._path, lambda: write_jsonl(self._path, ordered))
            self._unfinished.unlink(missing_ok=True)
        return ordered

    def summary(self, code: str) -> str:
        """A sentence on one language."""
        kept, bad = (sum(caption.language == code for caption in found.values()) for found in (self._kept, self._bad))
        return f"{code}: {kept + bad:,} captions translated, {bad:,} of them refused{f', see {self._refused.name}' if bad else ''}"

    def _write(self, path: Path, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            raise UserError(
                f"{str(path)!r} cannot be written ({error.strerror}); {len(self._kept):,} translations are kept, and the same command "
                "goes on with the rest."
            ) from error


def _read(path: Path) -> list[Caption]:
    """The captions of a file, none where it is not there; UserError when it cannot be read."""
    try:
        if not path.exists():
            return []
        _mend(path)
        return read_jsonl(path, Caption)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read ({error.strerror}); name another place.") from error


def _foreign(path: Path, caption: Caption, translator: str) -> UserError:
    by = f"by {caption.translator}" if caption.translator else "without its translator"
    return UserError(
        f"{path.name} holds {caption.id!r} {by}, which is not, or not once, among what {translator} is to translate here (with this data "
        "set and seed); give another --out or remove the file."
    )


def _mend(path: Path) -> None:
    """End the last line of a file: complete it, or take it out where it was cut short."""
    held = path.read_bytes()
    whole = held.rfind(b"\n") + 1
    if whole == len(held):
        return
    with path.open("r+b") as file:
        if _is_json(held[whole:]):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
        else:
            file.truncate(whole)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _append(path: Path, captions: Iterable[Caption]) -> None:
    """Add whole lines to a file, or nothing."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write("".join(json.dumps(caption_row(caption), ensure_ascii=False) + "\n" for caption in captions).encode())
    except OSError:
        with suppress(OSError):
            os.truncate(path, size)
        raise
