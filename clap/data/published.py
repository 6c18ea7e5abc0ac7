"""Readers of AudioCaps, Clotho, WavCaps and the paper's test pools, each from its own published files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clap.data.folder import AudioFolder, check_text, join_languages, read_csv, with_audio
from clap.data.records import Caption, Clip, Dataset, read_text, refuse_keys
from clap.errors import UserError
from clap.languages import ENGLISH

CAPTIONS_1_TO_5 = tuple(f"caption_{n}" for n in range(1, 6))
CLOTHO = ("non-commercial use", "Clotho 2.1, from Freesound")
"""Licence and source of a clip of Clotho."""
Found = tuple[list[Clip], list[Caption]]


@dataclass(frozen=True)
class Collection:
    """Where the tables of a published data set lie below the root, the first of several names that is there, and who reads them.

    `read(table, split, audio)` gives the clips and English captions of one split, whose audio lies in `audio/<split>` of the
    folder or, where that may be `flat`, in `audio` itself; `audio` renames splits whose audio lies under another name.
    """

    folder: str
    tables: Mapping[str, tuple[str, ...]]
    read: Callable[[Path, str, AudioFolder], Found]
    audio: Mapping[str, str] = field(default_factory=dict)
    flat: bool = True

    def table(self, root: Path, split: str) -> Path | None:
        """The table of a split; None when it is not there."""
        return next((root / name for name in self.tables[split] if (root / name).is_file()), None)

    def clips(self, root: Path, split: str) -> Found:
        """The records of a split; UserError when its table is not there."""
        table = self.table(root, split)
        if table is None:
            raise UserError(f"{root / self.tables[split][0]} is not there; docs/data.md tells where it comes from.")
        audio = root / self.folder / "audio"
        own = audio / self.audio.get(split, split)
        return self.read(table, split, AudioFolder(audio if self.flat and not own.is_dir() else own))


def load_published(name: str, split: str, root: Path, audio: str) -> Dataset:
    """One split of a collection below `root`, with the captions in other languages that lie in its folder (join_languages)."""
    collection = COLLECTIONS[name]
    clips, captions = collection.clips(root, split)
    dataset = Dataset(f"{name}-{split}", tuple(clips), tuple(captions))
    folder = root / collection.folder
    others = _clips_elsewhere(collection.folder, root) if any(folder.glob("captions.*.jsonl")) else ()
    return with_audio(join_languages(dataset, folder, others), audio)


def _clips_elsewhere(folder: str, root: Path) -> set[str]:
    """The ids of all clips whose captions may stand in the caption files of `folder`: all its splits and pools that are at hand."""
    family = [(one, split) for one in COLLECTIONS.values() if one.folder == folder for split in one.tables]
    return {clip.id for one, split in family if one.table(root, split) for clip in one.clips(root, split)[0]}


def read_audiocaps(table: Path, split: str, audio: AudioFolder) -> Found:
    """AudioCaps 1.0: audiocap_id, youtube_id, start_time, caption. A clip is `Y<youtube_id>`; its file may lack the Y."""
    clips: dict[str, Clip] = {}
    captions = []
    for where, row in read_csv(table, ("audiocap_id", "youtube_id", "start_time", "caption")):
        name, video = f"Y{row['youtube_id']}", row["youtube_id"]
        clip = Clip(name, audio.find(name, video), split, 0.0, "academic use", f"https://youtu.be/{video}?t={row['start_time']}")
        if clips.setdefault(name, clip) != clip:
            raise UserError(f"{where}: clip {name} starts at {row['start_time']} s here and at another time in a line before.")
        captions.append(Caption(row["audiocap_id"], name, ENGLISH, check_text(where, row["caption"]), "human"))
    return list(clips.values()), captions


def read_clotho(table: Path, split: str, audio: AudioFolder) -> Found:
    """Clotho 2.1: fname and raw_text, five rows a file, or the original's file_name and caption_1 to caption_5.

    A clip is `<split>-<file name>`, because four file names stand in two splits, for two different sounds.
    """
    rows = read_csv(table, ())
    wide = bool(rows) and "file_name" in rows[0][1]
    name, texts = ("file_name", CAPTIONS_1_TO_5) if wide else ("fname", ("raw_text",))
    told: dict[str, list[str]] = {}
    for where, row in read_csv(table, (name, *texts)):
        told.setdefault(row[name].removesuffix(".wav"), []).extend(check_text(where, row[column]) for column in texts)
    clips = [Clip(f"{split}-{file}", audio.find(file), split, 0.0, *CLOTHO) for file in told]
    return clips, [caption for clip, found in zip(clips, told.values(), strict=True) for caption in _numbered(clip.id, found, "human")]


def _numbered(clip: str, texts: list[str], provenance: str) -> list[Caption]:
    return [Caption(f"{clip}-{ENGLISH}-{n}", clip, ENGLISH, text, provenance) for n, text in enumerate(texts)]


def read_audiocaps_pool(table: Path, split: str, audio: AudioFolder) -> Found:
    """The paper's AudioCaps test pool; clips are named as read_audiocaps names them."""
    return _read_pool(
        table, lambda stem, key: Clip(stem, audio.find(stem, stem[1:]), split, 0.0, "academic use", f"https://youtu.be/{stem[1:]}")
    )


def read_clotho_pool(table: Path, split: str, audio: AudioFolder) -> Found:
    """The paper's Clotho test pool; clips are named as read_clotho names them, and their files may have the pool's own ids."""
    return _read_pool(table, lambda stem, key: Clip(f"evaluation-{stem}", audio.find(stem, key), split, 0.0, *CLOTHO))


def _read_pool(table: Path, clip_of: Callable[[str, str], Clip]) -> Found:
    """ML-CLAP's lists: wav, id, duration, and caption_<n> in source_lang_<n>, in English all of them."""
    clips, captions = [], []
    for where, row in _json_rows(table, ("wav", "id", "duration", *CAPTIONS_1_TO_5)):
        stem, key = Path(row["wav"]).name.removesuffix(".wav"), row["id"].removesuffix(".wav")
        clip = replace(clip_of(stem, key), duration_s=float(row["duration"]))
        clips.append(clip)
        texts = [check_text(where, row[column]) for column in CAPTIONS_1_TO_5]
        languages = [row.get(f"source_lang_{n}", ENGLISH) for n in range(1, 6)]
        if set(languages) != {ENGLISH}:
            raise UserError(f"{where}: the pool's captions must be in {ENGLISH}, got {sorted(set(languages))}.")
        captions += _numbered(clip.id, texts, "human")
    return clips, captions


def read_wavcaps(table: Path, split: str, audio: AudioFolder) -> Found:
    """One subset of WavCaps: id, caption (written by ChatGPT from what the source says) and duration in seconds."""
    clips, captions = [], []
    for where, row in _json_rows(table, ("id", "caption", "duration")):
        stem = str(row["id"]).removesuffix(".wav").removesuffix(".flac")
        clip = Clip(f"{split}-{stem}", audio.find(stem), split, float(row["duration"]), "academic use", str(row.get("href", "")))
        clips.append(clip)
        captions += _numbered(clip.id, [check_text(where, row["caption"])], "machine")
    return clips, captions


def _json_rows(table: Path, needed: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """The rows of {"data": [...]}, each with the words that name its place; UserError for another shape and for missing keys."""
    try:
        found = json.loads(read_text(table))
        rows = found["data"]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise UserError(f"{table.name} must be one JSON object with a list 'data'; fetch it again.") from error
    placed = [(f"{table.name}, record {number}", row) for number, row in enumerate(rows, 1)]
    for where, row in placed:
        refuse_keys(where, row, (*row, *needed), needed)
    return placed


_AUDIOCAPS = {"train": "train", "validation": "val", "test": "test"}
_WAVCAPS = {"audioset_sl": ("AudioSet_SL", "as"), "bbc": ("BBC_Sound_Effects", "bbc"),
            "freesound": ("FreeSound", "fsd"), "soundbible": ("SoundBible", "sb")}  # fmt: skip
COLLECTIONS: dict[str, Collection] = {
    "audiocaps": Collection("audiocaps", {s: (f"audiocaps/{name}.csv",) for s, name in _AUDIOCAPS.items()}, read_audiocaps),
    "clotho": Collection(
        "clotho",
        {s: (f"clotho/clotho_captions_{s}.csv", f"clotho/{s}_captions.csv") for s in ("development", "validation", "evaluation")},
        read_clotho,
        flat=False,
    ),
    "wavcaps": Collection("wavcaps", {s: (f"wavcaps/json_files/{d}/{n}_final.json",) for s, (d, n) in _WAVCAPS.items()}, read_wavcaps),
    "audiocaps-paper": Collection("audiocaps", {"test": ("ml_clap_pools/audiocaps_test.json",)}, read_audiocaps_pool),
    "clotho-paper": Collection(
        "clotho", {"test": ("ml_clap_pools/clotho_test.json",)}, read_clotho_pool, {"test": "evaluation"}, flat=False
    ),
}
