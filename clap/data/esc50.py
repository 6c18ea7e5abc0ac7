"""ESC-50 (K. J. Piczak, ACM Multimedia 2015), read from a folder that holds `esc50.csv` and `audio/`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from clap.data.records import Clip, Dataset
from clap.errors import UserError

SECONDS = 5.0
VALIDATION_FOLD = 4


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
