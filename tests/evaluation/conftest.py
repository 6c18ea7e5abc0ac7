"""A world small enough to rank in one's head: clips and captions are axes of a space, and a fake encoder that knows them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clap.data.records import Caption, Clip, Dataset

LANGUAGES = ("eng_Latn", "jpn_Jpan")
PASSED = {"passed": True}
"""A diagnosis with nothing in it but its verdict."""


class FakeEncoder:
    """Clip number n lies on axis n. English captions say their axis; all Japanese ones say the same thing."""

    def __init__(self, name: str = "fake", dim: int = 12, wrong: tuple[int, ...] = ()) -> None:
        self.name, self.fingerprint, self.dim, self.wrong = name, f"{name}-weights", dim, wrong
        self.audio_calls = 0

    def _axes(self, numbers: list[int]) -> np.ndarray:
        return np.eye(self.dim, dtype=np.float32)[numbers]

    def embed_audio(self, waveforms: list[np.ndarray]) -> np.ndarray:
        self.audio_calls += len(waveforms)
        return self._axes([int(waveform[0]) for waveform in waveforms])

    def embed_text(self, captions: list[str], language: str) -> np.ndarray:
        if language == "jpn_Jpan":
            return np.full((len(captions), self.dim), self.dim**-0.5, np.float32)
        numbers = [int(caption.split()[-1]) for caption in captions]
        return self._axes([(n + 1) % self.dim if n in self.wrong else n for n in numbers])


def make_dataset(clips: int = 12, name: str = "toy", languages: tuple[str, ...] = LANGUAGES, folder: Path = Path()) -> Dataset:
    """`clips` clips with two captions in each language; the clips' files lie, or do not, in `folder`."""
    records = [Clip(f"c{n:02d}", folder / f"{n}.wav", "test", 1.0, "CC0") for n in range(clips)]
    captions = [
        Caption(f"{clip.id}-{code[:3]}-{k}", clip.id, code, f"{('', 'a ')[k]}sound {n}", "human")
        for n, clip in enumerate(records)
        for code in languages
        for k in range(2)
    ]
    return Dataset(name, tuple(records), tuple(captions))


def share_texts(dataset: Dataset, classes: int = 4) -> Dataset:
    """`dataset` with its captions rewritten so that clip n says what clip n modulo `classes` says: queries of classes."""
    number = {clip.id: n for n, clip in enumerate(dataset.clips)}
    captions = tuple(
        replace(caption, text=f"{('', 'a ')[int(caption.id[-1])]}sound {number[caption.clip] % classes}") for caption in dataset.captions
    )
    return replace(dataset, captions=captions)


def load_waveform(path: Path) -> np.ndarray:
    """A waveform whose first sample is the clip's number."""
    return np.full(4, int(path.stem), np.float32)


@pytest.fixture
def toy():
    """The makers above, as one namespace: tests in other folders have their own conftest."""
    from types import SimpleNamespace

    from eval.retrieval import evaluate

    def run(encoder=None, dataset=None, languages=LANGUAGES, doctor=PASSED):
        return evaluate(encoder or FakeEncoder(), dataset or make_dataset(), languages, load_waveform, doctor=doctor)

    return SimpleNamespace(
        Encoder=FakeEncoder, dataset=make_dataset, shared=share_texts, load=load_waveform, run=run, languages=LANGUAGES, passed=PASSED
    )
