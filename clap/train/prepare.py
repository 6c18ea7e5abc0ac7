"""Assemble what CLAP-compact learns from: real clips, mixtures of them, synthesised clips, and English captions for all."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from clap.audio import SAMPLE_RATE_HZ, load
from clap.data.datasets import load_dataset
from clap.data.esc50 import load_esc50
from clap.data.lexicon import Lexicon, draft, load_lexicon
from clap.data.records import Caption, Clip, read_jsonl
from clap.languages import ENGLISH

REAL_FOLDS = (1, 2, 3)
REAL_LICENCES = ("CC0", "CC-BY")
CAPTIONS_PER_CLIP = 5
MAX_SECONDS = 10.12
EDGE = 0.02
"""Sound below this share of a clip's peak, at either end, is cut before mixing."""


@dataclass(frozen=True)
class Recording:
    """A training clip before it has captions: its classes in order (a background last) and how they stand to one another."""

    id: str
    classes: tuple[str, ...]
    relation: str
    waveform: Callable[[], np.ndarray]


def relation_of(clip: Clip) -> str:
    """How a clip's events stand to one another, from their times: the lexicon's word for it."""
    events = clip.events
    if len(events) == 1:
        return "single"
    if any(event.get("background") for event in events):
        return "background"
    if len(events) > 2:
        return "three"
    first, second = sorted(events, key=lambda event: event["start_s"])
    overlap = min(first["end_s"], second["end_s"]) - second["start_s"]
    return "simultaneous" if overlap > 0.5 * (second["end_s"] - second["start_s"]) else "sequence"


def ordered_classes(clip: Clip) -> tuple[str, ...]:
    """Class names by start, backgrounds last."""
    events = sorted(clip.events, key=lambda event: (bool(event.get("background")), event["start_s"]))
    return tuple(event["class"] for event in events)


def heard_in_training(clip: Clip) -> Clip:
    """The clip without events that start after what is trained on of it."""
    return replace(clip, events=tuple(event for event in clip.events if event["start_s"] < MAX_SECONDS - 0.5))


def recordings_of(clips: Iterable[Clip]) -> list[Recording]:
    """Clips with known events, as recordings."""
    heard = map(heard_in_training, clips)
    return [Recording(clip.id, ordered_classes(clip), relation_of(clip), lambda path=clip.path: load(path)) for clip in heard]


def trimmed(waveform: np.ndarray) -> np.ndarray:
    """A waveform `(T,)` without its quiet ends, at most four seconds of it."""
    loud = np.flatnonzero(np.abs(waveform) > EDGE * np.abs(waveform).max())
    cut = waveform[loud[0] : loud[-1] + 1] if len(loud) else waveform
    return cut[: 4 * SAMPLE_RATE_HZ]


def mixture(first: np.ndarray, second: np.ndarray, relation: str) -> np.ndarray:
    """Two waveforms after one another ("sequence") or at once ("simultaneous")."""
    one, two = trimmed(first), trimmed(second)
    if relation == "sequence":
        return np.concatenate([one, np.zeros(SAMPLE_RATE_HZ // 4, np.float32), two])
    length = max(len(one), len(two))
    both = np.zeros(length, np.float32)
    both[: len(one)] += one
    both[: len(two)] += two
    return both


def mixtures(real: list[Recording], count: int, seed: int) -> Iterator[Recording]:
    """Recordings of two real clips of different classes."""
    rng = np.random.default_rng([seed, 7])
    for number in range(count):
        while True:
            a, b = (real[int(index)] for index in rng.choice(len(real), size=2, replace=False))
            if a.classes != b.classes:
                break
        relation = "sequence" if rng.random() < 0.7 else "simultaneous"
        make = lambda a=a, b=b, relation=relation: mixture(a.waveform(), b.waveform(), relation)  # noqa: E731
        yield Recording(f"mix-{number:04d}", a.classes + b.classes, relation, make)


def told(recording: Recording, rng: np.random.Generator) -> tuple[str, list[str]]:
    """What a caption of a recording tells: a relation and the classes for its template, in order.

    The templates hold a foreground and a background, so of two foregrounds over a background one caption tells two of the three.
    """
    if recording.relation == "background" and len(recording.classes) == 3:
        first, second, background = recording.classes
        told_pairs = [("background", [first, background]), ("background", [second, background]), ("sequence", [first, second])]
        return told_pairs[int(rng.integers(3))]
    return recording.relation, list(recording.classes)


def english_captions(recording: Recording, lexicon: Lexicon, rng: np.random.Generator) -> list[Caption]:
    """Five English captions from the lexicon; search phrases alone ("keyword") stand for short queries."""
    captions = []
    for number in range(CAPTIONS_PER_CLIP):
        relation, classes = told(recording, rng)
        relation = "keyword" if len(classes) == 2 and number == 0 else relation
        made = draft(lexicon, relation, classes, rng, plain=number < 2)
        captions.append(Caption(f"{recording.id}-{number}", recording.id, ENGLISH, made.text(lexicon, ENGLISH), "machine"))
    return captions


@dataclass(frozen=True)
class TrainingSet:
    """Recordings with their English captions."""

    recordings: tuple[Recording, ...]
    captions: tuple[Caption, ...]


def data_hash(logmels: dict[str, Tensor], captions: Iterable[Caption]) -> str:
    """SHA-256 over what a model is trained on: every packed spectrogram and every caption, translated ones included."""
    digest = hashlib.sha256()
    for clip, logmel in logmels.items():
        digest.update(f"{clip} {tuple(logmel.shape)}".encode() + logmel.numpy().tobytes())
    for caption in captions:
        digest.update(f"{caption.id} {caption.language} {caption.text}\n".encode())
    return digest.hexdigest()


def training_set(esc50: Path, pool: Path, mixed: int = 500, seed: int = 0) -> TrainingSet:
    """ESC-50 folds 1-3 (CC0 and CC-BY clips), mixtures of them, the synthesised pool, the gallery's training split."""
    lexicon, rng = load_lexicon(), np.random.default_rng([seed, 3])
    real = recordings_of(load_esc50(esc50, REAL_FOLDS, REAL_LICENCES).clips)
    recordings = [*real, *mixtures(real, mixed, seed), *recordings_of(read_jsonl(pool / "clips.jsonl", Clip))]
    captions = [caption for recording in recordings for caption in english_captions(recording, lexicon, rng)]
    gallery = load_dataset("gallery-train")
    recordings += recordings_of(gallery.clips)
    captions += gallery.captions_in(ENGLISH)
    print(f"{len(recordings)} clips, {len(captions)} English captions", file=sys.stderr)
    return TrainingSet(tuple(recordings), tuple(captions))
