"""Language enhancement (paper, section 2): a fresh sample of translated captions joins the English ones each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clap.data.records import Caption
from clap.errors import UserError
from clap.languages import ENGLISH, ENHANCED_CODES, require_code

PAPER_RATIO = 0.1
"""The mixing ratio of the paper's own models (section 4.5); it suggests 0.1 to 0.3, and less for more languages."""
PAPER_RATIOS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Those of Table 4."""
BASELINE, MIXTURE = "baseline", "mixture"


@dataclass(frozen=True)
class Pair:
    """One training pair: a clip and one caption of it, in a language, which is also its prompt.

    The paper annotates each caption with "a language prompt, such as eng, fra, deu" and says no more of its form. SONAR has
    such a prompt: its tokenizer puts the token `__fra_Latn__` before the caption's own, for the language it is given.
    """

    clip: str
    text: str
    language: str


def mode_languages(mode: str) -> tuple[str, ...]:
    """The languages that a row of the paper's Table 2 adds: none for "baseline", all seven for "mixture", else the one named by its code.

    Raises UserError for anything else, and for English, to which languages are added.
    """
    if mode == MIXTURE:
        return ENHANCED_CODES
    if mode == ENGLISH:
        raise UserError(f"{ENGLISH} cannot be added to itself; give {BASELINE}, {MIXTURE} or the code of another language.")
    return () if mode == BASELINE else (require_code(mode),)


def epoch_pairs(captions: Sequence[Caption], ratio: float, seed: int, epoch: int, languages: Sequence[str] | None = None) -> list[Pair]:
    """The shuffled pairs of one epoch: one English caption of every clip, and a share `ratio` of all translated captions.

    Translated captions are drawn without replacement from all of `languages` together (by default, from every language
    there is), rounded to the nearest whole number; see mode_languages. A ratio of 0 is the baseline, PAPER_RATIO the paper's
    mixture LE. Determined by `seed` and `epoch`. Raises UserError for a ratio outside [0, 1], for a clip without an English
    caption and, where something is to be drawn, for a language without captions.
    """
    if not 0 <= ratio <= 1:
        raise UserError(f"The mixing ratio must lie between 0 and 1, got {ratio}.")
    rng = np.random.default_rng([seed, epoch])
    english: dict[str, list[Caption]] = {}
    for caption in captions:
        if caption.language == ENGLISH:
            english.setdefault(caption.clip, []).append(caption)
    translated = _translated(captions, languages, ratio)
    lost = sorted({caption.clip for caption in translated} - set(english))
    if lost:
        raise UserError(f"Clips without an English caption cannot be trained on: {', '.join(lost[:5])}.")
    chosen = [options[int(rng.integers(len(options)))] for options in english.values()]
    extra = rng.choice(len(translated), size=round(ratio * len(translated)), replace=False) if translated else []
    chosen += [translated[int(index)] for index in extra]
    return [Pair(chosen[i].clip, chosen[i].text, chosen[i].language) for i in rng.permutation(len(chosen))]


def _translated(captions: Sequence[Caption], languages: Sequence[str] | None, ratio: float) -> list[Caption]:
    found = [caption for caption in captions if caption.language != ENGLISH]
    if languages is None:
        return found
    lacking = sorted(set(languages) - {caption.language for caption in found})
    if ratio and lacking:
        raise UserError(f"There are no captions in {', '.join(lacking)}; translate into it first, or leave it out.")
    return [caption for caption in found if caption.language in languages]
