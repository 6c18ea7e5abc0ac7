"""Ground truth as ids: which captions belong to which clips, in both directions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from clap.data.records import Caption, Dataset
from clap.errors import UserError
from clap.text import normalize_caption

TEXT_TO_AUDIO = "text_to_audio"
AUDIO_TO_TEXT = "audio_to_text"
DIRECTIONS = (TEXT_TO_AUDIO, AUDIO_TO_TEXT)
CAPTIONS, TEXTS = "captions", "texts"
TRUTHS = (CAPTIONS, TEXTS)
"""What a text query is: every caption by itself, or every text once, whichever clips were described with it."""
HASH_DIGITS = 16

Groups = Sequence[Sequence[str]]
"""Ids of captions that say the same text, two or more a group; the first stands for all of them."""


@dataclass(frozen=True)
class Qrels:
    """The relevant ids of one data set and language: `captions` maps every clip of the pool to its caption ids.

    A caption may stand under several clips: it is then one query with several relevant clips. Raises UserError for an
    empty pool, a clip without captions, and a caption that stands twice under one clip.
    """

    captions: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.captions:
            raise UserError("There is nothing to evaluate: the pool holds no clips.")
        bare = sorted(clip for clip, captions in self.captions.items() if not captions)
        if bare:
            raise UserError(f"{len(bare)} clips of the pool have no caption, such as {', '.join(bare[:3])}; each clip needs one.")
        twice = sorted(clip for clip, captions in self.captions.items() if len(set(captions)) < len(captions))
        if twice:
            raise UserError(f"Clips must name each of their captions once, and these name one twice: {', '.join(twice[:3])}.")

    @classmethod
    def of_dataset(cls, dataset: Dataset, language: str) -> Qrels:
        """The qrels of all clips of `dataset` with their captions of one language; UserError says what is missing."""
        return cls.from_pairs((clip.id for clip in dataset.clips), ((c.id, c.clip) for c in dataset.captions_in(language)))

    @classmethod
    def from_pairs(cls, clips: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Qrels:
        """Qrels of a pool of clip ids and (caption id, clip id) pairs, in any order; UserError for a caption without clip."""
        found: dict[str, list[str]] = {clip: [] for clip in sorted(clips)}
        for caption, clip in sorted(pairs):
            if clip not in found:
                raise UserError(f"Caption {caption!r} belongs to clip {clip!r}, which the pool does not hold.")
            found[clip].append(caption)
        return cls({clip: tuple(captions) for clip, captions in found.items()})

    def grouped(self, groups: Groups) -> Qrels:
        """The same ground truth with each group of captions as one query: its first caption, relevant to all their clips."""
        first = {caption: group[0] for group in groups for caption in group}
        return Qrels({clip: tuple(sorted({first.get(c, c) for c in captions})) for clip, captions in self.captions.items()})

    @cached_property
    def clips_of(self) -> dict[str, tuple[str, ...]]:
        """Caption id -> the ids of its clips, sorted."""
        found: dict[str, list[str]] = {}
        for clip in sorted(self.captions):
            for caption in self.captions[clip]:
                found.setdefault(caption, []).append(clip)
        return {caption: tuple(clips) for caption, clips in found.items()}

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal digits of SHA-256 over the sorted (caption, clip) pairs."""
        pairs = [(caption, clip) for caption, clips in sorted(self.clips_of.items()) for clip in clips]
        return short_hash(pairs)

    def relevant(self, direction: str) -> dict[str, tuple[str, ...]]:
        """Query id -> relevant ids: caption -> its clips from text to audio, clip -> its captions from audio to text."""
        return dict(self.clips_of if direction == TEXT_TO_AUDIO else self.captions)

    def pool_size(self, direction: str) -> int:
        """The number of items that each query of a direction ranks: clips from text to audio, else captions."""
        return len(self.captions if direction == TEXT_TO_AUDIO else self.clips_of)


def groups_of(captions: Iterable[Caption]) -> tuple[tuple[str, ...], ...]:
    """The groups of captions of one language that are the same text once normalised (clap.text); ids sorted."""
    found: dict[str, list[str]] = {}
    for caption in captions:
        found.setdefault(" ".join(normalize_caption(caption.text).split()), []).append(caption.id)
    return tuple(sorted(tuple(sorted(ids)) for ids in found.values() if len(ids) > 1))


def wording(captions: Iterable[Caption]) -> str:
    """16 hexadecimal digits of SHA-256 over the ids and texts of captions, in order of id: what was asked, to the letter."""
    return short_hash(sorted((caption.id, caption.text) for caption in captions))


def short_hash(pairs: Iterable[tuple[str, str]]) -> str:
    """16 hexadecimal digits of SHA-256 over pairs, each a line with a tab."""
    return hashlib.sha256("".join(f"{one}\t{other}\n" for one, other in pairs).encode()).hexdigest()[:HASH_DIGITS]
