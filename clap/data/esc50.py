"""ESC-50 (K. J. Piczak, ACM Multimedia 2015), read from a folder that holds `esc50.csv` and `audio/`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clap.data.lexicon import load_lexicon
from clap.data.records import Caption, Clip, Dataset
from clap.errors import UserError
from clap.languages import CODES

SECONDS = 5.0
VALIDATION_FOLD = 4
QUERIES = (("clauses", 0), ("clauses", 2), ("clauses", 3), ("phrases", 0))
"""The entries of the lexicon that ask for a class: three plain clauses that hold for any recording of it, and its name."""
QUERIES_DESCRIPTION = (
    "Recordings of 50 classes; each is captioned with the four queries of its class, machine-written and translated. Models trained "
    "by this project have met the queries' words, and were chosen by their figures on fold 4."
)


def load_esc50(root: Path, folds: Sequence[int], licences: Sequence[str] | None = None) -> Dataset:
    """The clips of some folds, in the file's order, each with its own licence, author and source; no captions.

    `licences` keeps only clips under one of them, such as CC0 and CC-BY. Raises UserError when the folder is not
    ESC-50 or an audio file is missing.
    """
    table = root / "esc50.csv"
    if not table.is_file():
        raise UserError(f"{root} holds no esc50.csv; give the folder of ESC-50, with esc50.csv and audio in it.")
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["fold"]) in folds]
    clips = [_clip(root, row) for row in rows if licences is None or row["licence"] in licences]
    lost = [clip.path.name for clip in clips if not clip.path.is_file()]
    if lost:
        raise UserError(f"ESC-50 lists {len(lost)} clips whose audio is missing, the first {lost[0]}.")
    return Dataset("esc50", tuple(clips), ())


def _clip(root: Path, row: dict[str, str]) -> Clip:
    split = "validation" if int(row["fold"]) == VALIDATION_FOLD else "train"
    event = {"class": row["category"], "start_s": 0.0, "end_s": SECONDS}
    source = f"{row['source_url']} by {row['author']}"
    name = Path(row["filename"])
    return Clip(f"esc50-{name.stem}", root / "audio" / name, split, SECONDS, row["licence"], source, events=(event,))


def credits(clips: Sequence[Clip]) -> str:
    """A Markdown list that credits the author, source and licence of each clip, one line a recording."""
    lines = sorted({f"- {clip.source} ({clip.licence})" for clip in clips}, key=str.casefold)
    head = "# Recordings that the compact checkpoints were trained on\n\nFrom ESC-50 (K. J. Piczak, 2015), folds 1 to 3.\n\n"
    return head + "\n".join(lines) + "\n"


def class_queries(language: str) -> dict[str, tuple[str, ...]]:
    """Class name -> its queries in a language, from the lexicon: "a dog barks", …, "dog"; entry by entry translations."""
    classes = load_lexicon().classes[language]
    return {name: tuple(entries[kind][index] for kind, index in QUERIES) for name, entries in classes.items()}


def load_esc50_queries(root: Path, folds: Sequence[int] = (VALIDATION_FOLD,)) -> Dataset:
    """The clips of some folds, each captioned with the queries of its class in eight languages: the same for all clips of a class.

    Read duplicate-aware (eval.protocols), each query has all clips of its class as right answers, eight in a fold. Raises
    UserError for a folder that is not ESC-50, and for a class that the lexicon does not know.
    """
    found = load_esc50(root, folds)
    clips = [replace(clip, split=f"fold-{'+'.join(map(str, folds))}") for clip in found.clips]
    captions = [caption for code in CODES for caption in _queries_of(clips, code)]
    return Dataset(f"esc50-fold{'+'.join(map(str, folds))}", tuple(clips), tuple(captions), QUERIES_DESCRIPTION)


def _queries_of(clips: Sequence[Clip], language: str) -> list[Caption]:
    queries = class_queries(language)
    lost = sorted({clip.events[0]["class"] for clip in clips} - set(queries))
    if lost:
        raise UserError(f"ESC-50's classes {', '.join(lost[:5])} are not in the lexicon, so nothing can be asked for them.")
    return [
        Caption(f"{clip.id}-{language}-{number}", clip.id, language, text, "machine")
        for clip in clips
        for number, text in enumerate(queries[clip.events[0]["class"]])
    ]
