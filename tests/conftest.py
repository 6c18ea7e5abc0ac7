"""A small world shared by the tests: pure tones that stand for four sounds, and an encoder whose scores can be worked out by hand."""

from __future__ import annotations

import dataclasses
import wave
from pathlib import Path

import numpy as np
import pytest

from clap.data.records import Caption, Clip, Dataset
from clap.languages import CODES

RATE_HZ = 16_000
TONES_HZ = {"dog": 440, "rain": 880, "bell": 1320, "guitar": 1760}
PHRASES = {
    "dog": ("a dog barks", "un chien aboie", "ein Hund bellt", "un perro ladra", "een hond blaft", "un gos borda", "犬が吠えている", "狗在叫"),
    "rain": ("rain falls", "la pluie tombe", "der Regen fällt", "cae la lluvia", "de regen valt", "cau la pluja", "雨が降っている", "下雨了"),
    "bell": ("a bell rings", "une cloche sonne", "die Glocke läutet", "suena la campana", "de klok luidt", "toca la campana", "鐘が鳴る", "钟声"),
    "guitar": ("a guitar plays", "une guitare joue", "die Gitarre spielt", "suena una guitarra", "de gitaar speelt",
               "sona una guitarra", "ギターが鳴る", "弹吉他"),
}  # fmt: skip
"""One phrase a sound in each language of `clap.languages.CODES`."""


class FakeEncoder:
    """Knows the four sounds by their phrase, in `languages` only, and by their pitch; it reads every language.

    Axis n is sound n, the last axis is "anything": a text of sound n lies on axis n, an unknown text on the last, and a
    tone d hertz above sound n's on axis n with d/100 of the last before scaling. So "dog" scores 1 with a tone of 440 Hz.
    """

    def __init__(self, name: str = "fake", languages: tuple[str, ...] = CODES) -> None:
        self.name, self.fingerprint, self.dim = name, f"{name}-weights", len(TONES_HZ) + 1
        self.learned = languages
        self.audio_calls = self.text_calls = 0

    def embed_audio(self, waveforms):
        """Waveforms -> (N, 5), from the strongest frequency of each."""
        self.audio_calls += len(waveforms)
        return np.stack([self._tone(strongest_hz(waveform)) for waveform in waveforms])

    def embed_text(self, captions, language):
        """Captions -> (N, 5), from the phrase each contains."""
        self.text_calls += len(captions)
        return np.stack([self._text(caption, language) for caption in captions])

    def _text(self, caption: str, language: str) -> np.ndarray:
        phrases = [PHRASES[sound][CODES.index(language)] for sound in TONES_HZ]
        known = [n for n, phrase in enumerate(phrases) if phrase in caption and language in self.learned]
        return self._unit(known[0] if known else None, 0)

    def _tone(self, hertz: float) -> np.ndarray:
        offsets = [hertz - base for base in TONES_HZ.values()]
        nearest = int(np.argmin(np.abs(offsets)))
        return self._unit(nearest, abs(offsets[nearest]) / 100)

    def _unit(self, axis: int | None, lean: float) -> np.ndarray:
        vector = np.zeros(self.dim, np.float32)
        vector[-1] = lean
        vector[-1 if axis is None else axis] = 1
        return vector / np.linalg.norm(vector)


def strongest_hz(waveform: np.ndarray) -> float:
    """The frequency of the highest peak of the spectrum, in hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(waveform))) * RATE_HZ / len(waveform))


def tone(hertz: float, seconds: float = 1.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """A sine `(T,)` float32 of half amplitude."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def write_wav(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ) -> Path:
    """Write `(T,)` or `(T, channels)` in [-1, 1] as 16-bit PCM."""
    pcm = (np.asarray(samples) * 32_767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if pcm.ndim == 1 else pcm.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm.tobytes())
    return path


def make_tone_dataset(folder: Path, clips_per_sound: int = 3) -> Dataset:
    """WAV clips of 2 s in `folder`: `dog-0` at 440 Hz, `dog-1` 10 Hz above, and so on; two captions each in every language."""
    clips, captions = [], []
    for sound, base in TONES_HZ.items():
        for number in range(clips_per_sound):
            name = f"{sound}-{number}"
            path = write_wav(folder / f"{name}.wav", tone(base + 10 * number, 2.0))
            clips.append(Clip(name, path, "test", 2.0, "CC0", peaks="0123456789abcdefghijklmnopqrstuvwxyz"))
            for code, phrase in zip(CODES, PHRASES[sound], strict=True):
                texts = (phrase, f"{phrase} {number + 1}")
                captions += [Caption(f"{name}-{code}-{k}", name, code, text, "human") for k, text in enumerate(texts)]
    return Dataset("tones", tuple(clips), tuple(captions))


@pytest.fixture(scope="session")
def tone_world(tmp_path_factory):
    """A namespace of the makers above, with `dataset` (12 clips) and its `folder`."""
    from types import SimpleNamespace

    folder = tmp_path_factory.mktemp("clips")
    return SimpleNamespace(
        folder=folder,
        dataset=make_tone_dataset(folder),
        FakeEncoder=FakeEncoder,
        phrases=PHRASES,
        tone=tone,
        write_wav=write_wav,
        with_caption=with_caption,
    )


def with_caption(dataset: Dataset, clip: str, language: str, text: str) -> Dataset:
    """`dataset` with the text of the first caption of one clip in one language replaced."""
    first = next(caption for caption in dataset.captions if caption.clip == clip and caption.language == language)
    captions = tuple(dataclasses.replace(caption, text=text) if caption is first else caption for caption in dataset.captions)
    return dataclasses.replace(dataset, captions=captions)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of this test's own."""
    monkeypatch.setenv("CLAP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
