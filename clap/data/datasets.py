"""Data sets by name: the gallery, whole or one split of it, and ESC-50 where it lies at hand."""

from __future__ import annotations

from pathlib import Path

from clap.data.records import Caption, Clip, Dataset, read_jsonl
from clap.errors import UserError

GALLERY = Path(__file__).resolve().parents[2] / "assets" / "gallery"
SPLITS = ("train", "validation", "test")
NAMES = ("gallery", *(f"gallery-{split}" for split in SPLITS))


def load_gallery(folder: Path = GALLERY) -> Dataset:
    """The 256 synthesised clips with their captions in eight languages."""
    clips = read_jsonl(folder / "clips.jsonl", Clip)
    captions = read_jsonl(folder / "captions.jsonl", Caption)
    return Dataset("gallery", tuple(clips), tuple(captions), "Synthesised clips of one to three sounds, captions in eight languages")


def load_dataset(name: str) -> Dataset:
    """A data set by name; raises UserError with the names there are."""
    if name not in NAMES:
        raise UserError(f"Unknown data set {name!r}; the data sets are {', '.join(NAMES)}.")
    whole = load_gallery()
    return whole if name == "gallery" else whole.part(name.removeprefix("gallery-"))
