"""The parallel corpus that SONAR-compact learns from: lexicon drafts, free sentences, and the gallery's training captions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from clap.data.datasets import load_dataset
from clap.data.lexicon import Lexicon, draft
from clap.data.records import Dataset
from clap.languages import CODES, ENGLISH
from clap.text import normalize_caption

RELATION_SHARES = {"single": 0.45, "sequence": 0.18, "simultaneous": 0.12, "background": 0.1, "three": 0.05, "keyword": 0.1}
SENTENCE_SHARE = 0.4
"""How many of the samples are free sentences and captions; the rest are drafts from templates."""
HELD_OUT_EVERY = 20
"""Every twentieth free sentence is never translated in training; only the tokenizer has seen it."""


@dataclass(frozen=True)
class ParallelText:
    """One normalised sentence in each of the eight languages."""

    by_language: dict[str, str]


def held_out(lexicon: Lexicon) -> list[ParallelText]:
    """The free sentences kept for validation."""
    return [_normalised(sentence) for sentence in lexicon.sentences[::HELD_OUT_EVERY]]


def parallel_captions(dataset: Dataset) -> list[ParallelText]:
    """The captions of a data set that has as many of each clip in every language, the n-th being translations of one another."""
    by_place: dict[tuple[str, int], dict[str, str]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for caption in dataset.captions:
        place = seen[caption.clip, caption.language]
        seen[caption.clip, caption.language] += 1
        by_place.setdefault((caption.clip, place), {})[caption.language] = caption.text
    return [_normalised(texts) for texts in by_place.values() if len(texts) == len(CODES)]


def free_texts(lexicon: Lexicon) -> list[ParallelText]:
    """The free sentences that are trained on, and the captions of the gallery's training split."""
    sentences = [_normalised(s) for index, s in enumerate(lexicon.sentences) if index % HELD_OUT_EVERY]
    return sentences + parallel_captions(load_dataset("gallery-train"))


def samples(lexicon: Lexicon, rng: np.random.Generator) -> Iterator[ParallelText]:
    """Endless random training sentences, fully determined by `rng`."""
    free = free_texts(lexicon)
    relations, shares = list(RELATION_SHARES), list(RELATION_SHARES.values())
    while True:
        if rng.random() < SENTENCE_SHARE:
            yield free[int(rng.integers(len(free)))]
            continue
        relation = str(rng.choice(relations, p=shares))
        classes = [str(name) for name in rng.choice(lexicon.class_names, size=3, replace=False)]
        made = draft(lexicon, relation, classes, rng)
        yield ParallelText({code: normalize_caption(made.text(lexicon, code)) for code in CODES})


def tokenizer_lines(lexicon: Lexicon) -> Iterator[str]:
    """Every normalised entry of the lexicon and every free sentence, all languages: what the SentencePiece model is trained on."""
    for code in CODES:
        for entry in lexicon.classes[code].values():
            yield from (normalize_caption(text) for kind in ("clauses", "phrases") for text in entry[kind])
        yield from (normalize_caption(text.replace("{", "").replace("}", "")) for text in lexicon.templates[code].values())
        yield from (normalize_caption(sentence[code]) for sentence in lexicon.sentences)


def _normalised(sentence: dict) -> ParallelText:
    return ParallelText({code: normalize_caption(sentence[code]) for code in CODES})


def corpus_hash(lexicon: Lexicon) -> str:
    """SHA-256 over all that is translated in training, in every language."""
    parts = [lexicon.classes, lexicon.templates, [text.by_language for text in free_texts(lexicon)]]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


Row = tuple[str, str, str, str]
"""Source language, target language, source text, target text."""


def pair(text: ParallelText, rng: np.random.Generator) -> Row:
    """A random pair of languages of one sentence; where both are the same, the target is English."""
    source, target = (str(code) for code in rng.choice(CODES, size=2))
    target = ENGLISH if source == target else target
    return source, target, text.by_language[source], text.by_language[target]


def batches(lexicon: Lexicon, size: int, rng: np.random.Generator, pool: int = 16) -> Iterator[list[Row]]:
    """Endless batches of rows of similar length: `pool` batches are drawn at once, sorted by UTF-8 length and shuffled."""
    texts = samples(lexicon, rng)
    while True:
        rows = [pair(text, rng) for text in islice(texts, size * pool)]
        rows.sort(key=lambda row: len(row[2].encode()) + len(row[3].encode()))
        for index in rng.permutation(pool):
            yield rows[index * size : (index + 1) * size]
