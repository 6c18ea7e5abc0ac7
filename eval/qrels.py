"""Ground truth as ids: which captions belong to which clip, in both directions."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from clap.data.records import Dataset
from clap.errors import UserError

TEXT_TO_AUDIO = "text_to_audio"
AUDIO_TO_TEXT = "audio_to_text"
DIRECTIONS = (TEXT_TO_AUDIO, AUDIO_TO_TEXT)
HASH_DIGITS = 16


@dataclass(frozen=True)
class Qrels:
    """The relevant ids of one data set and language: `captions` maps every clip of the pool to its caption ids.

    Raises UserError for an empty pool, a clip without captions, and a caption that stands under two clips.
    """

    captions: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.captions:
            raise UserError("There is nothing to evaluate: the pool holds no clips.")
        bare = sorted(clip for clip, captions in self.captions.items() if not captions)
        if bare:
            raise UserError(f"{len(bare)} clips of the pool have no caption, such as {', '.join(bare[:3])}; each clip needs one.")
        counts = Counter(caption for captions in self.captions.values() for caption in captions)
        twice = sorted(caption for caption, count in counts.items() if count > 1)
        if twice:
            raise UserError(f"Captions must have one clip each, and these have several: {', '.join(twice[:3])}.")

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

    @cached_property
    def clip_of(self) -> dict[str, str]:
        """Caption id -> clip id."""
        return {caption: clip for clip, captions in self.captions.items() for caption in captions}

    @cached_property
    def hash(self) -> str:
        """16 hexadecimal digits of SHA-256 over the sorted (caption, clip) pairs."""
        lines = "".join(f"{caption}\t{clip}\n" for caption, clip in sorted(self.clip_of.items()))
        return hashlib.sha256(lines.encode()).hexdigest()[:HASH_DIGITS]

    def relevant(self, direction: str) -> dict[str, tuple[str, ...]]:
        """Query id -> relevant ids: caption -> (its clip,) from text to audio, clip -> its captions from audio to text."""
        if direction == TEXT_TO_AUDIO:
            return {caption: (clip,) for caption, clip in self.clip_of.items()}
        return dict(self.captions)

    def pool_size(self, direction: str) -> int:
        """The number of items that each query of a direction ranks: clips from text to audio, else captions."""
        return len(self.captions if direction == TEXT_TO_AUDIO else self.clip_of)

    def clip_of_query(self, direction: str, query: str) -> str:
        """The clip that a query is about: the unit that is resampled for an interval."""
        return self.clip_of[query] if direction == TEXT_TO_AUDIO else query
