"""Snoring, breathing, brushing teeth, drinking and frogs: air, lips and throats, modelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clap.synth import dsp
from clap.synth.motors import spread
from clap.synth.variants import RATE_HZ, Renderer, Variant


def grain(rng: np.random.Generator, length_s: float, low_hz: float, high_hz: float) -> np.ndarray:
    """A dry burst of noise between two frequencies that dies away within its length."""
    return dsp.bandpass(dsp.white(rng, length_s), low_hz, high_hz, 1) * dsp.decay(length_s, length_s, 0.0004).astype(np.float32)


def _vowel(x: np.ndarray, formants_hz: Sequence[float], levels: Sequence[float]) -> np.ndarray:
    """`x` through a throat with those resonances."""
    return sum(level * dsp.bandpass(x, f * 0.87, f * 1.15, 1) for f, level in zip(formants_hz, levels))


def _snore(rng: np.random.Generator, length_s: float, flutter_hz: float, formants_hz: np.ndarray) -> np.ndarray:
    """The soft palate flaps: short airy pulses at an unsteady rate, louder and faster in the middle."""
    shape = dsp.curve(length_s, [(0, 0), (0.25, 0.6), (0.6, 1), (0.9, 0.7), (1, 0)])
    rate_hz = flutter_hz * (0.75 + 0.4 * shape) * dsp.wander(rng, length_s, 25, 0.88, 1.12)
    turns = np.cumsum(rate_hz) / RATE_HZ
    strength = rng.uniform(0.5, 1, int(turns[-1]) + 1)[turns.astype(int)]
    flap = np.exp(-6 * (turns % 1)) * strength
    air = dsp.lowpass(dsp.white(rng, length_s), 3_500, 1)
    voice = _vowel(flap - flap.mean() + 0.45 * flap * air, formants_hz, (1, 0.7, 0.3, 0.12))
    breath = _vowel(air, formants_hz, (0.1, 0.5, 1, 1))
    return dsp.normalise(voice * shape + 0.02 * breath * shape)


def _breath(rng: np.random.Generator, length_s: float, formants_hz: Sequence[float]) -> np.ndarray:
    """Air through mouth or nose, in or out by its formants."""
    air = dsp.tilted(rng, length_s, 1.0)
    shape = dsp.curve(length_s, [(0, 0), (0.35, 0.8), (0.6, 1), (1, 0)]) ** 1.5
    return dsp.normalise(_vowel(air, formants_hz, (0.6, 1, 0.9, 0.6)) * shape * dsp.wander(rng, length_s, 12, 0.8, 1))


def _nose_whistle(rng: np.random.Generator, length_s: float) -> np.ndarray:
    pitch_hz = rng.uniform(900, 1_200) * dsp.curve(length_s, [(0, 1.1), (1, 0.9)]) * dsp.wander(rng, length_s, 8, 0.98, 1.02)
    return np.sin(dsp.glide(pitch_hz)) * dsp.curve(length_s, [(0, 0), (0.4, 1), (1, 0)])


def _snores(count: int, flutter_hz: tuple[float, float], whistle: bool) -> Renderer:
    """`count` snores on the way in, each answered by breathing (or whistling) out."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, cycle_s = dsp.silence(duration_s), duration_s / count
        flutter, formants = rng.uniform(*flutter_hz), spread(rng, (320, 750, 1_500, 2_600))
        for number in range(count):
            start_s = 0.02 + number * cycle_s
            length_s = min(cycle_s * rng.uniform(0.42, 0.5), 1.6)
            dsp.place(canvas, _snore(rng, length_s, flutter, formants), start_s, rng.uniform(0.75, 1))
            out_s, begin_s = cycle_s * 0.38, start_s + cycle_s * 0.54
            dsp.place(canvas, _breath(rng, out_s, spread(rng, (600, 1_400, 2_500, 4_000))), begin_s, 0.09)
            if whistle:
                dsp.place(canvas, _nose_whistle(rng, out_s), begin_s, 0.12)
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.3, 0.1), 0, 0.1))

    return render


def _breathing(cycle_s: tuple[float, float], count: int | None = None) -> Renderer:
    """In and out in turn, `count` times or as often as the pace allows; breathing in is brighter and softer."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, throat = dsp.silence(duration_s), spread(rng, (700, 1_500, 2_800, 4_600))
        cycles = count or max(1, round(duration_s / rng.uniform(*cycle_s)))
        step_s = duration_s / cycles
        for number in range(cycles):
            for share, length, scale, level in ((0.0, 0.4, 1.1, 0.7), (0.48, 0.46, 0.85, 1.0)):
                breath = _breath(rng, length * step_s * rng.uniform(0.92, 1.0), throat * scale)
                dsp.place(canvas, breath, 0.01 + (number + share) * step_s, level * rng.uniform(0.8, 1))
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.25, 0.06), 0, 0.05))

    return render


def _brushing(strokes_hz: tuple[float, float], pauses: bool) -> Renderer:
    """Bristles over teeth: hissing strokes to and fro, the mouth's resonance drifting as the brush moves."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        rate_hz = rng.uniform(*strokes_hz) * dsp.wander(rng, duration_s, 1.5, 0.9, 1.1)
        turns = np.cumsum(rate_hz) / RATE_HZ
        forth = turns % 2 < 1
        stroke = (0.2 + 0.8 * np.sin(np.pi * (turns % 1))) * np.where(forth, 1, 0.65)
        noise, sound = dsp.tilted(rng, duration_s, 0.5), 0
        for number, f in enumerate(spread(rng, (700, 1_200, 2_000, 3_300, 5_200), 0.15)):
            weight = dsp.wander(rng, duration_s, 1.2, 0.05, 1) * np.where(forth == (number % 2 == 0), 1, 0.6)
            sound = sound + weight * stroke * dsp.bandpass(noise, f * 0.87, f * 1.15, 1)
        if pauses:
            swing = np.sin(2 * np.pi * dsp.times(duration_s) / rng.uniform(1.8, 2.4))
            sound = sound * np.interp(swing, (-0.9, -0.6), (0.02, 1))
        return dsp.normalise(dsp.fade(dsp.room(rng, sound * dsp.wander(rng, duration_s, 30, 0.6, 1), 0.25, 0.1), 0.02, 0.1))

    return render


def _gulp(rng: np.random.Generator) -> np.ndarray:
    """A swallow: a muffled knock in the throat and a short wet glide upwards."""
    length_s = rng.uniform(0.11, 0.16)
    pitch_hz = rng.uniform(190, 260) * dsp.curve(length_s, [(0, 1), (0.5, 1.3), (1, 2.1)])
    body = dsp.harmonics(dsp.glide(pitch_hz), (1, 0.3, 0.12)) * dsp.curve(length_s, [(0, 0), (0.25, 1), (0.6, 0.6), (1, 0)])
    canvas = dsp.silence(length_s + 0.1)
    dsp.place(canvas, grain(rng, 0.03, 300, 1_800), 0.0, 0.5)
    dsp.place(canvas, body, 0.015)
    dsp.place(canvas, grain(rng, 0.02, 1_000, 4_000), length_s, 0.25)
    return canvas


def _gulps(count: int, sigh: bool = False) -> Renderer:
    """`count` gulps over the duration, followed by a breath out if `sigh`."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, sigh_s = dsp.silence(duration_s), 0.9 if sigh else 0.0
        for start_s in dsp.even(rng, count, duration_s - sigh_s - 0.2, 0.06):
            dsp.place(canvas, _gulp(rng), 0.02 + start_s, rng.uniform(0.75, 1))
        if sigh:
            dsp.place(canvas, _breath(rng, 0.75, spread(rng, (650, 1_200, 2_500, 4_000))), duration_s - 0.82, 0.4)
        return dsp.normalise(dsp.room(rng, canvas, 0.2, 0.1))

    return render


def _croak(rng: np.random.Generator, length_s: float, pulses_hz: float, tone_hz: float, rise: float = 1.2) -> np.ndarray:
    """A train of sharp pulses of a tone that climbs by `rise`; it grows stronger and ends abruptly."""
    rate_hz = pulses_hz * dsp.curve(length_s, [(0, 0.9), (0.3, 1), (1, 1.05)]) * dsp.wander(rng, length_s, 20, 0.98, 1.02)
    share = np.cumsum(rate_hz) / RATE_HZ % 1
    pulse = np.minimum(share / 0.08, 1) * np.exp(-4 * share)
    climb = dsp.curve(length_s, [(0, 1), (0.8, rise), (1, rise * 1.03)])
    tones = sum(level * np.sin(dsp.glide(tone_hz * ratio * climb)) for ratio, level in ((1, 1), (0.52, 0.25), (1.5, 0.3), (2.1, 0.12)))
    return dsp.normalise(tones * pulse * dsp.curve(length_s, [(0, 0.1), (0.3, 0.8), (0.8, 1), (0.95, 0.9), (1, 0)]))


def _ribbit(rng: np.random.Generator, pulses_hz: float, tone_hz: float) -> np.ndarray:
    """Two syllables, the second longer, stronger and climbing."""
    first_s, second_s = rng.uniform(0.09, 0.12), rng.uniform(0.16, 0.22)
    canvas = dsp.silence(first_s + second_s + 0.05)
    dsp.place(canvas, _croak(rng, first_s, pulses_hz, tone_hz * 0.92, 1.05), 0.0, 0.6)
    dsp.place(canvas, _croak(rng, second_s, pulses_hz, tone_hz, 1.3), first_s + 0.04)
    return canvas


def _croaks(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, rate_hz, tone_hz = dsp.silence(duration_s), rng.uniform(65, 95), rng.uniform(1_500, 2_300)
    for start_s in dsp.even(rng, 3, duration_s - 0.1, 0.08):
        dsp.place(canvas, _croak(rng, rng.uniform(0.32, 0.42), rate_hz, tone_hz), 0.02 + start_s, rng.uniform(0.8, 1))
    return dsp.normalise(dsp.room(rng, canvas, 0.4, rng.uniform(0.03, 0.1)))


def _ribbits(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, rate_hz, tone_hz = dsp.silence(duration_s), rng.uniform(65, 90), rng.uniform(1_800, 2_500)
    for start_s in dsp.even(rng, 5, duration_s - 0.1, 0.08):
        dsp.place(canvas, _ribbit(rng, rate_hz, tone_hz), 0.02 + start_s, rng.uniform(0.75, 1))
    return dsp.normalise(dsp.room(rng, canvas, 0.4, rng.uniform(0.03, 0.1)))


def _pond(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Five frogs of different size, each at its own pace."""
    canvas = dsp.silence(duration_s)
    for _ in range(5):
        rate_hz, tone_hz, pace_s, level = rng.uniform(55, 90), rng.uniform(1_400, 2_700), rng.uniform(0.55, 1.2), rng.uniform(0.2, 1)
        for start_s in np.arange(rng.uniform(0, pace_s), duration_s, pace_s):
            dsp.place(canvas, _ribbit(rng, rate_hz, tone_hz), max(0.0, start_s + rng.normal(0, 0.06)), level)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.8, 0.15), 0.1, 0.3))


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "snoring": (
        Variant("two_deep_snores", "two deep, rattling snores", "event", (5, 7), _snores(2, (28, 42), False)),
        Variant(
            "snore_and_whistle",
            "a sleeper snores twice, whistling softly on each breath out",
            "event",
            (5, 7),
            _snores(2, (40, 60), True),
        ),
        Variant("three_snores", "three hoarse snores, one after another", "event", (5.5, 7.5), _snores(3, (32, 48), False)),
    ),
    "breathing": (
        Variant("calm", "a person breathes calmly in and out, again and again", "texture", (5, 12), _breathing((2.7, 3.6))),
        Variant("two_deep_breaths", "a person takes two deep breaths, in and out", "event", (5, 7.5), _breathing((3, 3), 2)),
    ),
    "brushing_teeth": (
        Variant("steady", "teeth are brushed with quick, even strokes", "texture", (4, 10), _brushing((7, 9), False)),
        Variant("with_pauses", "teeth are brushed in short bouts with brief pauses", "texture", (4, 10), _brushing((7, 9), True)),
    ),
    "drinking_sipping": (
        Variant("four_gulps", "somebody drinks in four slow gulps", "event", (2.2, 3.2), _gulps(4)),
        Variant("six_gulps_and_breath", "somebody drinks in six quick gulps, then breathes out", "event", (3.0, 4), _gulps(6, sigh=True)),
    ),
    "frog": (
        Variant("three_croaks", "a frog croaks three times, each croak a rising rattle", "event", (2.2, 3.6), _croaks),
        Variant("five_ribbits", "a frog calls five times, each call in two syllables", "event", (2.8, 4), _ribbits),
        Variant("pond", "several frogs call across one another", "texture", (4, 12), _pond),
    ),
}
