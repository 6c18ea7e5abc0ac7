"""Data sets by name or path: `load_dataset("audiocaps-test")`, `load_dataset("my/folder")`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from clap.data.cards import NAMES, DataCard
from clap.data.esc50 import load_esc50_queries
from clap.data.folder import REQUIRED, join_languages, load_manifest, load_own, with_audio
from clap.data.published import load_published
from clap.data.records import Dataset
from clap.errors import UserError
from clap.languages import ENGLISH

GALLERY = Path(__file__).resolve().parents[2] / "assets" / "gallery"
SPLITS = ("train", "validation", "test")
"""The gallery's."""


def load_gallery(folder: Path = GALLERY) -> Dataset:
    """The 256 synthesised clips with their captions in eight languages."""
    found = load_manifest(folder)
    return Dataset("gallery", found.clips, found.captions, "Synthesised clips of one to three sounds, captions in eight languages")


def load_dataset(name: str, root: Path | str | None = None, audio: str = REQUIRED) -> Dataset:
    """A data set by its name (clap.data.cards), or one's own by the path of a folder, a CSV or a JSONL (clap.data.folder).

    Files of named data sets lie below `root`, else below `$CLAP_DATA`, as docs/data.md tells; so may one's own. With
    `audio` "metadata" captions load without audio. Raises UserError for an unknown name, for files that are not there and
    for records that cannot be read; where the counts differ from the card's, that is told on standard error.
    """
    if name in NAMES:
        card, split = NAMES[name]
        dataset = _load(card, split, root, audio)
        _tell_counts(dataset, card.count(split))
        return dataset
    base = root or os.environ.get("CLAP_DATA")
    found = next((path for path in (Path(name), *([Path(base) / name] if base else [])) if name and path.exists()), None)
    if found is None:
        raise UserError(f"Unknown data set {name!r}; give the path of a folder, a CSV or a JSONL, or one of {', '.join(NAMES)}.")
    return load_own(found, audio)


def data_root(root: Path | str | None = None) -> Path:
    """The folder that holds the data sets: `root`, else `$CLAP_DATA`; UserError when neither is an existing folder."""
    base = root or os.environ.get("CLAP_DATA")
    if not base or not Path(base).is_dir():
        raise UserError(f"Set CLAP_DATA to the folder that holds your data sets (docs/data.md); it is {base or 'not set'} now.")
    return Path(base)


def _load(card: DataCard, split: str | None, root: Path | str | None, audio: str) -> Dataset:
    if card.name == "gallery":
        whole = with_audio(join_languages(load_gallery(), GALLERY), audio)
        return whole.part(split) if split else whole
    if card.name == "esc50":
        return load_esc50_queries(data_root(root) / "esc50", (int(split[-1]),))
    parts = [load_published(card.name, one, data_root(root), audio) for one in ((split,) if split else card.splits)]
    clips, captions = [clip for part in parts for clip in part.clips], [caption for part in parts for caption in part.captions]
    return Dataset(f"{card.name}-{split}" if split else card.name, tuple(clips), tuple(captions), card.title)


def _tell_counts(dataset: Dataset, published: tuple[int, int]) -> None:
    here = (len(dataset.clips), len(dataset.captions_in(ENGLISH)))
    if here != published:
        print(
            f"{dataset.name} holds {here[0]} clips and {here[1]} English captions here, {published[0]} and {published[1]} as published: "
            "figures on it cannot be set beside those on the whole.",
            file=sys.stderr, flush=True,
        )  # fmt: skip
