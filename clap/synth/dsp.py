"""Small signal tools the sound modules share. Waveforms are mono float32 (T,) at RATE_HZ unless said otherwise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import signal

from clap.synth.variants import RATE_HZ


def samples(duration_s: float) -> int:
    """Number of samples of a duration, at least one."""
    return max(1, round(duration_s * RATE_HZ))


def silence(duration_s: float) -> np.ndarray:
    """A waveform of zeros."""
    return np.zeros(samples(duration_s), np.float32)


def times(duration_s: float) -> np.ndarray:
    """Sample times in seconds, float64 (T,)."""
    return np.arange(samples(duration_s)) / RATE_HZ


def white(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """White noise of unit variance."""
    return rng.standard_normal(samples(duration_s)).astype(np.float32)


def tilted(rng: np.random.Generator, duration_s: float, power: float = 1.0) -> np.ndarray:
    """Noise whose power falls as 1/f**power (1 pink, 2 brown) above 20 Hz, unit variance."""
    count = samples(duration_s)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency_hz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20.0)
    noise = np.fft.irfft(spectrum / frequency_hz ** (power / 2), count)
    return (noise / (noise.std() + 1e-12)).astype(np.float32)


def _sos(kind: str, cutoff_hz: float | tuple[float, float], order: int) -> np.ndarray:
    return signal.butter(order, np.clip(cutoff_hz, 5.0, 0.49 * RATE_HZ), kind, fs=RATE_HZ, output="sos")


def lowpass(x: np.ndarray, cutoff_hz: float, order: int = 2) -> np.ndarray:
    """Butterworth low-pass."""
    return signal.sosfilt(_sos("lowpass", cutoff_hz, order), x).astype(np.float32)


def highpass(x: np.ndarray, cutoff_hz: float, order: int = 2) -> np.ndarray:
    """Butterworth high-pass."""
    return signal.sosfilt(_sos("highpass", cutoff_hz, order), x).astype(np.float32)


def bandpass(x: np.ndarray, low_hz: float, high_hz: float, order: int = 2) -> np.ndarray:
    """Butterworth band-pass."""
    return signal.sosfilt(_sos("bandpass", (low_hz, high_hz), order), x).astype(np.float32)


def resonate(x: np.ndarray, centre_hz: float, decay_s: float) -> np.ndarray:
    """A two-pole resonator excited by `x`: it rings at `centre_hz` and falls by 60 dB in `decay_s`."""
    radius = 10 ** (-3 / max(decay_s * RATE_HZ, 1.0))
    angle = 2 * np.pi * centre_hz / RATE_HZ
    return signal.lfilter([np.sin(angle)], [1, -2 * radius * np.cos(angle), radius**2], x).astype(np.float32)


def modes(duration_s: float, partials: Iterable[tuple[float, float, float]]) -> np.ndarray:
    """A struck body: the sum of (frequency in Hz, amplitude, 60 dB decay in s), starting at once."""
    t = times(duration_s)
    parts = (a * np.sin(2 * np.pi * f * t) * 10 ** (-3 * t / d) for f, a, d in partials if f < RATE_HZ / 2)
    return np.sum(list(parts), axis=0).astype(np.float32)


def glide(frequency_hz: np.ndarray) -> np.ndarray:
    """The phase in radians of a tone with that instantaneous frequency, (T,) -> (T,) float64."""
    return 2 * np.pi * np.cumsum(frequency_hz) / RATE_HZ


def harmonics(phase: np.ndarray, amplitudes: Iterable[float]) -> np.ndarray:
    """Sum of the sines of 1, 2, 3 ... times `phase` with those amplitudes."""
    return np.sum([a * np.sin(k * phase) for k, a in enumerate(amplitudes, 1)], axis=0).astype(np.float32)


def curve(duration_s: float, points: Iterable[tuple[float, float]]) -> np.ndarray:
    """Straight lines through (share of the duration, value), float64 (T,)."""
    places, values = zip(*points)
    return np.interp(np.linspace(0, 1, samples(duration_s)), places, values)


def wander(rng: np.random.Generator, duration_s: float, speed_hz: float, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """A smooth random curve between `low` and `high` with about `speed_hz` turns a second, float64 (T,)."""
    knots = max(4, int(np.ceil(duration_s * speed_hz)) + 3)
    t = np.linspace(0, knots - 1, samples(duration_s))
    whole = np.minimum(t.astype(int), knots - 2)
    share = (1 - np.cos(np.pi * (t - whole))) / 2
    values = rng.uniform(low, high, knots)
    return values[whole] * (1 - share) + values[whole + 1] * share


def decay(duration_s: float, fall_s: float, attack_s: float = 0.002) -> np.ndarray:
    """An envelope with a linear attack that then falls by 60 dB in `fall_s`, float64 (T,)."""
    t = times(duration_s)
    return np.minimum(t / max(attack_s, 1e-6), 1.0) * 10 ** (-3 * t / fall_s)


def fade(x: np.ndarray, in_s: float = 0.01, out_s: float = 0.02) -> np.ndarray:
    """The waveform with raised-cosine fades at both ends (each at most half of it)."""
    y = np.array(x, np.float32)
    for length, view in ((in_s, y), (out_s, y[::-1])):
        count = min(samples(length), len(y) // 2)
        view[:count] *= (1 - np.cos(np.pi * np.arange(count) / max(count, 1))) / 2
    return y


def normalise(x: np.ndarray, peak: float = 0.9) -> np.ndarray:
    """The waveform scaled to that peak; silence stays silence."""
    top = float(np.abs(x).max(initial=0.0))
    return (x * (peak / top) if top > 1e-9 else np.asarray(x)).astype(np.float32)


def fit(x: np.ndarray, duration_s: float, out_s: float = 0.05) -> np.ndarray:
    """The waveform cut (with a fade out) or padded with silence to the duration."""
    count = samples(duration_s)
    if len(x) > count:
        return fade(x[:count], 0.0, out_s)
    return np.pad(np.asarray(x, np.float32), (0, count - len(x)))


def place(canvas: np.ndarray, x: np.ndarray, start_s: float, gain: float = 1.0) -> None:
    """Add `x` into `canvas` in place from `start_s`; what lies beyond its end is dropped."""
    start = max(0, round(start_s * RATE_HZ))
    count = min(len(x), len(canvas) - start)
    if count > 0:
        canvas[start : start + count] += np.float32(gain) * x[:count]


def mix(*waveforms: np.ndarray) -> np.ndarray:
    """The sum of waveforms, as long as the longest."""
    canvas = np.zeros(max(len(x) for x in waveforms), np.float32)
    for x in waveforms:
        canvas[: len(x)] += x
    return canvas


def rms(x: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def scatter(rng: np.random.Generator, duration_s: float, rate_hz: float) -> np.ndarray:
    """Random times in seconds of a Poisson process with `rate_hz` events a second, sorted."""
    return np.sort(rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s)))


def even(rng: np.random.Generator, count: int, duration_s: float, jitter: float = 0.15) -> np.ndarray:
    """`count` start times in seconds spread over [0, duration_s) with each shifted by up to `jitter` of a step."""
    step = duration_s / count
    return np.maximum(0.0, (np.arange(count) + rng.uniform(-jitter, jitter, count)) * step)


def room(rng: np.random.Generator, x: np.ndarray, reverb_s: float = 0.4, wet: float = 0.2) -> np.ndarray:
    """A small synthetic room: `x` with a decaying noise tail (60 dB in `reverb_s`); the length is kept."""
    tail = lowpass(white(rng, reverb_s), 5_000, 1) * decay(reverb_s, reverb_s)
    tail /= np.sqrt(np.sum(np.square(tail))) + 1e-9
    return (x + wet * signal.fftconvolve(x, tail)[: len(x)]).astype(np.float32)
