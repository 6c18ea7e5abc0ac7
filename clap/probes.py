"""What an encoder is tried on, without data files: clearly different sounds made here, and captions of the lexicon."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from clap.audio import SAMPLE_RATE_HZ
from clap.data.lexicon import load_lexicon
from clap.languages import get_language

CLASSES = ("dog", "rain", "piano", "church_bells", "helicopter", "laughing", "glass_breaking", "crow", "siren", "keyboard_typing",
           "sea_waves", "gunshot")  # fmt: skip
SHORT_SECONDS, LONG_SECONDS = 0.3, 25.0


def _times(seconds: float) -> np.ndarray:
    """The time of each sample `(T,)`, in seconds."""
    return np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ


def _tone(hertz: float, seconds: float, partials: int = 1) -> np.ndarray:
    return sum(0.3 * np.sin(2 * np.pi * hertz * k * _times(seconds)) / k for k in range(1, partials + 1))


def _chirp(start_hz: float, end_hz: float, seconds: float) -> np.ndarray:
    t = _times(seconds)
    return 0.3 * np.sin(2 * np.pi * (start_hz * t + (end_hz - start_hz) / (2 * seconds) * t * t))


def noise(seconds: float) -> np.ndarray:
    """White noise `(T,)`, always the same."""
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * SAMPLE_RATE_HZ))


def _pulses(per_second: float, seconds: float) -> np.ndarray:
    """Bursts of noise that die away within 10 ms."""
    since = (_times(seconds) * per_second % 1) / per_second
    return 5 * noise(seconds) * np.exp(-since / 0.01)


def low_passed(waveform: np.ndarray, hertz: float) -> np.ndarray:
    """A waveform `(T,)` without anything above `hertz`."""
    spectrum = np.fft.rfft(waveform)
    spectrum[np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE_HZ) > hertz] = 0
    return np.fft.irfft(spectrum, len(waveform)).astype(np.float32)


def stretched(waveform: np.ndarray, factor: float) -> np.ndarray:
    """A waveform `(T,)` played slower by `factor`: as long as that, and as much lower."""
    length = round(len(waveform) * factor)
    return (np.fft.irfft(np.fft.rfft(waveform), length) * (length / len(waveform))).astype(np.float32)


@lru_cache(maxsize=1)
def waveforms() -> dict[str, np.ndarray]:
    """Clearly different sounds of 0.3 to 25 s, by name; the long one changes all the time."""
    made = {
        "low tone": _tone(200, 2),
        "noise": noise(2.5),
        "high tone": _tone(3000, 3),
        "chirp": _chirp(200, 4000, 4),
        "rumble": 4 * low_passed(noise(1.5), 400),
        "knocks": _pulses(3, 3.5),
        "rattle": _pulses(12, 5),
        "string": _tone(220, 1, partials=10),
        "short": _tone(1000, SHORT_SECONDS),
        "long": _chirp(100, 6000, LONG_SECONDS),
    }
    return {name: waveform.astype(np.float32) for name, waveform in made.items()}


def captions(language: str) -> list[str]:
    """One caption for each of `CLASSES`; the same sentences in every language."""
    classes = load_lexicon().classes[get_language(language).code]
    return [classes[name]["clauses"][0] for name in CLASSES]


def texts_by_length(language: str) -> list[str]:
    """Captions of one, two, four and eight clauses."""
    return [", ".join(captions(language)[:count]) for count in (1, 2, 4, 8)]
