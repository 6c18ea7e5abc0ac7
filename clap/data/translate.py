"""Offline translation of training captions with the SONAR decoder (paper, section 2)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clap.data.records import Caption, read_jsonl, write_jsonl
from clap.languages import ENGLISH, ENHANCED_CODES

Translate = Callable[[Sequence[str], str], "list[str | None]"]
"""English texts and a target language -> their translations, None for one that is not good enough."""

MIN_SIMILARITY = 0.6
"""Cosine of the sentence embeddings of a text and its translation below which the translation says something else."""


def one_per_clip(captions: Iterable[Caption], seed: int, language: str) -> list[Caption]:
    """One random English caption of each clip; another draw for another `language` (paper, section 2)."""
    rng = np.random.default_rng([seed, *language.encode()])
    by_clip: dict[str, list[Caption]] = {}
    for caption in captions:
        if caption.language == ENGLISH:
            by_clip.setdefault(caption.clip, []).append(caption)
    return [options[int(rng.integers(len(options)))] for options in by_clip.values()]


def translate_captions(captions: Sequence[Caption], translate: Translate, out: Path, seed: int = 0) -> list[Caption]:
    """One translated caption per clip and language, kept in `out` after each language so that a stopped run goes on.

    Refused translations are left out, and their number is told on standard error.
    """
    done = read_jsonl(out, Caption) if out.exists() else []
    have = {caption.language for caption in done}
    for code in ENHANCED_CODES:
        if code in have:
            continue
        chosen = one_per_clip(captions, seed, code)
        texts = translate([caption.text for caption in chosen], code)
        done += [
            Caption(f"{caption.clip}-{code}-translated", caption.clip, code, text, "machine")
            for caption, text in zip(chosen, texts, strict=True)
            if text is not None
        ]
        write_jsonl(out, done)
        print(f"{code}: {len(chosen)} captions translated, {texts.count(None)} of them refused", file=sys.stderr, flush=True)
    return done


def sonar_translator(encoder: Any, decoder: Any, tokenizer: Any, beam_size: int = 4) -> Translate:
    """Translation by a SONAR encoder and decoder, refused below MIN_SIMILARITY; equal texts are translated once."""
    from clap.model import sonar
    from clap.text import normalize_caption

    def run(texts: Sequence[str], target: str) -> list[str | None]:
        unique = sorted({normalize_caption(text) for text in texts}, key=len)
        made = sonar.translate(encoder, decoder, tokenizer, unique, ENGLISH, target, 64, beam_size)
        alike = sonar.similarities(encoder, tokenizer, unique, ENGLISH, made, target)
        found = {text: one if cosine >= MIN_SIMILARITY else None for text, one, cosine in zip(unique, made, alike, strict=True)}
        return [found[normalize_caption(text)] for text in texts]

    return run
