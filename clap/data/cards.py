"""A card for each data set that can be loaded by name: what it is, whose it is, and what it may be used for."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clap.languages import CODES, ENGLISH

Count = tuple[int, int]
"""Clips, and captions in English."""


@dataclass(frozen=True)
class DataCard:
    """`counts` maps each split to its clips and English captions, as published; `whole` when all splits load together under `name`.

    `languages` are those the data set comes with; caption files add others (clap.data.folder.join_languages).
    """

    name: str
    title: str
    licence: str
    languages: tuple[str, ...]
    source: str
    use: str
    counts: Mapping[str, Count]
    whole: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits, in their usual order."""
        return tuple(self.counts)

    @property
    def names(self) -> dict[str, str | None]:
        """Name to load -> split, None for the whole."""
        return {**({self.name: None} if self.whole else {}), **{f"{self.name}-{split}": split for split in self.splits}}

    def count(self, split: str | None) -> Count:
        """Clips and English captions of a split, or of all of them."""
        chosen = [self.counts[split]] if split else list(self.counts.values())
        return sum(clips for clips, _ in chosen), sum(captions for _, captions in chosen)


CARDS: tuple[DataCard, ...] = (
    DataCard(
        "gallery", "Synthesised clips of one to three sounds, captions in eight languages", "CC0-1.0", CODES,
        "made by clap.synth; comes with the project", "anything",
        {"train": (80, 300), "validation": (48, 96), "test": (128, 256)}, whole=True,
    ),
    DataCard(
        "audiocaps", "AudioCaps 1.0: ten-second clips of YouTube videos, described by people", "academic use", (ENGLISH,),
        "C. D. Kim et al., NAACL 2019; audio through the YouTube ids", "academic research",
        {"train": (49838, 49838), "validation": (495, 2475), "test": (975, 4875)},
    ),
    DataCard(
        "audiocaps-paper", "The AudioCaps test pool of the ML-CLAP paper", "academic use", (ENGLISH,),
        "ml-clap's test list; audio in Zenodo record 13358171", "figures beside the paper's; 18 clips fewer than audiocaps-test",
        {"test": (957, 4785)},
    ),
    DataCard(
        "clotho", "Clotho 2.1: sounds of 15 to 30 s from Freesound, five captions each", "non-commercial use", (ENGLISH,),
        "K. Drossos, S. Lipping, T. Virtanen, ICASSP 2020; audio under the licence of each sound", "non-commercial research",
        {"development": (3839, 19195), "validation": (1045, 5225), "evaluation": (1045, 5225)},
    ),
    DataCard(
        "clotho-paper", "The Clotho test pool of the ML-CLAP paper", "non-commercial use", (ENGLISH,),
        "ml-clap's test list; audio in Zenodo record 13358171", "figures beside the paper's; six captions differ from clotho-evaluation",
        {"test": (1045, 5225)},
    ),
    DataCard(
        "wavcaps", "WavCaps: clips of four sources, captions by ChatGPT from their descriptions", "academic use", (ENGLISH,),
        "X. Mei et al., 2023", "pretraining; shares clips with the tests of AudioCaps and Clotho, see its authors' exclusion lists",
        {"audioset_sl": (108317, 108317), "bbc": (31201, 31201), "freesound": (262300, 262300), "soundbible": (1232, 1232)}, whole=True,
    ),
    DataCard(
        "esc50", "ESC-50: recordings of 50 classes, each asked for by four queries of its class", "CC BY-NC", CODES,
        "K. J. Piczak, ACM Multimedia 2015; each clip has its own licence", "non-commercial research",
        {f"fold{fold}": (400, 1600) for fold in range(1, 6)},
    ),
)  # fmt: skip
NAMES: dict[str, tuple[DataCard, str | None]] = {name: (card, split) for card in CARDS for name, split in card.names.items()}
"""Every name that loads -> its card and split."""


def _list(args: argparse.Namespace) -> None:
    for name, (card, split) in NAMES.items():
        clips, captions = card.count(split)
        row = asdict(card) | {"name": name, "clips": clips, "english_captions": captions}
        line = f"{name:<22} {clips:>7} clips {captions:>7} English captions  {card.licence:<18}  {card.title}"
        print(json.dumps(row, ensure_ascii=False) if args.json else line)


def add_parser(commands: Any) -> None:
    """The `datasets` subcommand of `python -m clap`."""
    parser = commands.add_parser("datasets", help="list the data sets that can be loaded by name")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with source and use")
    parser.set_defaults(run=_list)
