"""Dogs, birds, crickets and flying insects."""

from __future__ import annotations

import numpy as np

from clap.synth import dsp
from clap.synth.soundfont import Note, play
from clap.synth.variants import RATE_HZ, Renderer, Variant

BARK = (1, 123)
BIRD = (3, 123)


def _barks(count: int, keys: tuple[int, int], gap_s: float) -> Renderer:
    """`count` barks, their starts about `gap_s` apart, at one pitch out of `keys`."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        key, pace_s = int(rng.integers(keys[0], keys[1] + 1)), gap_s * rng.uniform(0.88, 1.05)
        bend = rng.uniform(-0.5, 0.5)
        starts = [0.05 + i * pace_s * rng.uniform(0.95, 1.05) for i in range(count)]
        notes = [Note(start, key, 0.6, int(rng.integers(90, 127))) for start in starts]
        return dsp.normalise(dsp.room(rng, play(notes, BARK[1], duration_s, BARK[0], "GS", bend), 0.35, rng.uniform(0.05, 0.25)))

    return render


def _dog_barks_on(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, start_s = dsp.silence(duration_s), 0.1
    while start_s < duration_s - 0.6:
        bark = _barks(int(rng.integers(1, 3)), (58, 61), 0.4)(rng, 1.0)
        dsp.place(canvas, bark, start_s)
        start_s += rng.uniform(0.9, 1.3)
    return dsp.normalise(canvas)


def _chirp(rng: np.random.Generator, low_hz: float, high_hz: float, length_s: float) -> np.ndarray:
    """One bird syllable: a quick sweep up, down or both, with a weak second harmonic."""
    bends = [(0, rng.random()), (rng.uniform(0.3, 0.7), rng.random()), (1, rng.random())]
    phase = dsp.glide(low_hz + (high_hz - low_hz) * dsp.curve(length_s, bends))
    shape = dsp.curve(length_s, [(0, 0), (0.2, 1), (0.7, 0.8), (1, 0)])
    return (dsp.harmonics(phase, (1.0, 0.12)) * shape).astype(np.float32)


def _phrase(rng: np.random.Generator, low_hz: float) -> np.ndarray:
    """A few repetitions of one syllable, as one small bird sings them."""
    count, length_s = int(rng.integers(3, 8)), rng.uniform(0.05, 0.14)
    syllable = _chirp(rng, low_hz, low_hz * rng.uniform(1.3, 1.8), length_s)
    step_s = length_s * rng.uniform(1.2, 1.8)
    canvas = dsp.silence(count * step_s + 0.1)
    for i in range(count):
        dsp.place(canvas, syllable, i * step_s, rng.uniform(0.7, 1.0))
    return canvas


def _small_bird(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, start_s, low_hz = dsp.silence(duration_s), 0.05, rng.uniform(2_600, 4_200)
    while start_s < duration_s - 0.5:
        phrase = _phrase(rng, low_hz * rng.uniform(0.95, 1.05))
        dsp.place(canvas, phrase, start_s)
        start_s += len(phrase) / RATE_HZ + rng.uniform(0.25, 0.6)
    return dsp.normalise(dsp.room(rng, dsp.fit(canvas, duration_s), 0.5, 0.2))


def _many_birds(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for low_hz in rng.uniform(2_200, 5_000, 4):
        for start_s in dsp.scatter(rng, duration_s, 0.55):
            dsp.place(canvas, _phrase(rng, low_hz), start_s, rng.uniform(0.2, 1.0))
    air = 0.004 * dsp.lowpass(dsp.tilted(rng, duration_s), 3_000)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.9, 0.3) + air, 0.1, 0.3))


def _sampled_birds(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    key = int(rng.integers(57, 66))
    starts = np.arange(0.05, duration_s - 0.6, rng.uniform(0.8, 1.1))
    notes = [Note(start, key, 0.7, int(rng.integers(80, 120))) for start in starts]
    return dsp.normalise(dsp.room(rng, play(notes, BIRD[1], duration_s, BIRD[0], "GS", rng.uniform(-0.5, 0.5)), 0.6, 0.2))


def _cricket(rng: np.random.Generator, duration_s: float, pitch_hz: float, chirps_hz: float) -> np.ndarray:
    """One cricket: chirps of a few pulses of a pure high tone."""
    pulse = dsp.harmonics(dsp.glide(np.full(dsp.samples(0.014), pitch_hz)), (1.0, 0.15)) * dsp.curve(0.014, [(0, 0), (0.4, 1), (1, 0)])
    canvas, pulses = dsp.silence(duration_s), int(rng.integers(3, 5))
    for start_s in np.arange(rng.uniform(0, 0.3), duration_s, 1 / chirps_hz):
        start_s += rng.normal(0, 0.006)
        for i in range(pulses):
            dsp.place(canvas, pulse, start_s + i * 0.021, 0.6 + 0.4 * i / pulses)
    return canvas


def _one_cricket(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    sound = _cricket(rng, duration_s, rng.uniform(3_900, 5_000), rng.uniform(2.0, 3.2))
    night = 0.01 * dsp.lowpass(dsp.tilted(rng, duration_s), 2_000)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound, 0.4, 0.15) + night, 0.05, 0.1))


def _many_crickets(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for _ in range(9):
        canvas += rng.uniform(0.15, 1.0) * _cricket(rng, duration_s, rng.uniform(3_800, 6_500), rng.uniform(2.0, 6.0))
    haze = 0.15 * dsp.bandpass(dsp.white(rng, duration_s), 4_500, 7_000) * dsp.wander(rng, duration_s, 20, 0.3, 1.0)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.6, 0.3) + haze, 0.1, 0.2))


def _buzz(rng: np.random.Generator, duration_s: float, pitch_hz: np.ndarray, loudness: np.ndarray, brightness_hz: float) -> np.ndarray:
    """Wings: a rich tone with a rough edge, (T,) pitch in Hz and (T,) loudness."""
    rough = 1 + 0.02 * dsp.lowpass(dsp.white(rng, duration_s), 40) / 0.05
    tone = dsp.harmonics(dsp.glide(pitch_hz * rough), [1 / k**0.8 for k in range(1, 22)])
    return dsp.normalise(dsp.fade(dsp.lowpass(tone, brightness_hz, 1) * loudness * dsp.wander(rng, duration_s, 18, 0.7, 1.0), 0.05, 0.1))


def _fly_past(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    middle = rng.uniform(0.4, 0.6)
    loudness = dsp.curve(duration_s, [(0, 0.02), (middle - 0.12, 0.3), (middle, 1), (middle + 0.12, 0.3), (1, 0.02)])
    fall = dsp.curve(duration_s, [(0, 1.06), (middle - 0.08, 1.05), (middle + 0.08, 0.93), (1, 0.92)])
    pitch_hz = rng.uniform(170, 220) * fall * dsp.wander(rng, duration_s, 4, 0.95, 1.05)
    return _buzz(rng, duration_s, pitch_hz, loudness, 3_000)


def _bee(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    pitch_hz = rng.uniform(190, 250) * dsp.wander(rng, duration_s, 5, 0.88, 1.12)
    return _buzz(rng, duration_s, pitch_hz, dsp.wander(rng, duration_s, 2.5, 0.25, 1.0), 2_200)


def _mosquito(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    pitch_hz = rng.uniform(520, 640) * dsp.wander(rng, duration_s, 3, 0.9, 1.1)
    return _buzz(rng, duration_s, pitch_hz, dsp.wander(rng, duration_s, 1.5, 0.15, 1.0), 6_000)


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "dog": (
        Variant("one_bark", "a dog barks once", "event", (1.0, 1.5), _barks(1, (57, 62), 0.6)),
        Variant("three_deep_barks", "a large dog barks three times, deep and slow", "event", (2.6, 3.5), _barks(3, (51, 54), 0.75)),
        Variant("five_small_yaps", "a small dog yaps five times in quick succession", "event", (2.2, 3.0), _barks(5, (66, 70), 0.36)),
        Variant("barks_on", "a dog barks again and again, one or two barks at a time", "texture", (4, 10), _dog_barks_on),
    ),
    "chirping_birds": (
        Variant("small_bird", "one small bird chirps short repeated phrases", "event", (2.5, 6), _small_bird),
        Variant("trilling_bird", "a bird whistles the same falling trill over and over", "event", (2.5, 6), _sampled_birds),
        Variant("many_birds", "several birds chirp and sing across one another", "texture", (4, 12), _many_birds),
    ),
    "crickets": (
        Variant("one_cricket", "a single cricket chirps regularly in the quiet", "texture", (4, 12), _one_cricket),
        Variant("many_crickets", "many crickets chirp together at night", "texture", (4, 12), _many_crickets),
    ),
    "insects": (
        Variant("fly_past", "a fly buzzes closer, passes and flies off", "event", (2.5, 5), _fly_past),
        Variant("hovering_bee", "a bee hums, hovering to and fro", "texture", (4, 10), _bee),
        Variant("mosquito", "a mosquito whines, high and thin", "event", (2.5, 6), _mosquito),
    ),
}
