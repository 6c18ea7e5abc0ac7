"""Language enhancement (paper, section 2): a fresh sample of translated captions joins the English ones each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clap.data.records import Caption
from clap.errors import UserError
from clap.languages import ENGLISH


@dataclass(frozen=True)
class Pair:
    """One training pair: a clip and one caption of it, in a language."""

    clip: str
    text: str
    language: str


def epoch_pairs(captions: Sequence[Caption], ratio: float, seed: int, epoch: int) -> list[Pair]:
    """The shuffled pairs of one epoch: one English caption of every clip, and a share `ratio` of all translated captions.

    A ratio of 0 is the baseline; the paper's mixture LE is 0.1 (section 4.5). Determined by `seed` and `epoch`. Raises
    UserError for a ratio outside [0, 1] and for a clip without an English caption.
    """
    if not 0 <= ratio <= 1:
        raise UserError(f"The mixing ratio must lie between 0 and 1, got {ratio}.")
    rng = np.random.default_rng([seed, epoch])
    english: dict[str, list[Caption]] = {}
    for caption in captions:
        if caption.language == ENGLISH:
            english.setdefault(caption.clip, []).append(caption)
    translated = [caption for caption in captions if caption.language != ENGLISH]
    lost = sorted({caption.clip for caption in translated} - set(english))
    if lost:
        raise UserError(f"Clips without an English caption cannot be trained on: {', '.join(lost[:5])}.")
    chosen = [options[int(rng.integers(len(options)))] for options in english.values()]
    extra = rng.choice(len(translated), size=round(ratio * len(translated)), replace=False) if translated else []
    chosen += [translated[int(index)] for index in extra]
    return [Pair(chosen[i].clip, chosen[i].text, chosen[i].language) for i in rng.permutation(len(chosen))]
