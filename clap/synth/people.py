"""Sounds people make without words: clapping, laughing, walking, a heart, whistling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clap.synth import dsp
from clap.synth.soundfont import Note, play
from clap.synth.variants import Renderer, Variant

APPLAUSE, LAUGH, STEP = ("GM", 0, 126), ("GS", 1, 126), ("GS", 5, 126)


def _play(rng: np.random.Generator, notes: Sequence[Note], sample: tuple[str, int, int], duration_s: float) -> np.ndarray:
    font, bank, program = sample
    return play(notes, program, duration_s, bank, font, rng.uniform(-0.5, 0.5))


def _applause(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    skip_s, key = rng.uniform(1.0, 2.5), int(rng.integers(57, 64))
    sound = _play(rng, [Note(0, key, duration_s + 4, 110)], APPLAUSE, duration_s + skip_s)
    return dsp.normalise(dsp.fade(sound[-dsp.samples(duration_s) :], 0.2, 0.3))


def _applause_dies(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    shape = dsp.curve(duration_s, [(0, 0), (0.12, 0.8), (0.3, 1), (0.55, 0.6), (0.85, 0.08), (1, 0)])
    few = dsp.silence(duration_s)
    for start_s in dsp.scatter(rng, duration_s * 0.4, 9):
        dsp.place(few, _clap(rng), duration_s * 0.5 + start_s, rng.uniform(0.05, 0.25))
    return dsp.normalise(_applause(rng, duration_s) * shape + few)


def _clap(rng: np.random.Generator) -> np.ndarray:
    """One clap of two hands: a very short broad burst with the cavity of the palms around 1 kHz."""
    centre_hz = rng.uniform(850, 1_500)
    burst = dsp.white(rng, 0.12) * dsp.decay(0.12, rng.uniform(0.03, 0.06), 0.0008)
    return dsp.normalise(dsp.bandpass(burst, centre_hz * 0.6, centre_hz * 2.2, 1) + 0.25 * dsp.highpass(burst, 3_000))


def _slow_claps(count: int) -> Renderer:
    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas = dsp.silence(duration_s)
        for start_s in dsp.even(rng, count, duration_s - 0.2, 0.03):
            dsp.place(canvas, _clap(rng), start_s + 0.02, rng.uniform(0.8, 1.0))
        return dsp.normalise(dsp.room(rng, canvas, 0.6, 0.35))

    return render


def _rhythmic_clapping(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A dozen people clap in time."""
    canvas, step_s = dsp.silence(duration_s), rng.uniform(0.42, 0.55)
    for start_s in np.arange(0.05, duration_s - 0.1, step_s):
        for _ in range(12):
            dsp.place(canvas, _clap(rng), max(0.0, start_s + rng.normal(0, 0.015)), rng.uniform(0.3, 1.0))
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.8, 0.3), 0.01, 0.1))


def _laughs(count: int, keys: tuple[int, int]) -> Renderer:
    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        key = int(rng.integers(keys[0], keys[1] + 1))
        starts = [0.03 + i * duration_s / count for i in range(count)]
        notes = [Note(start, key - i, duration_s / count, int(rng.integers(95, 125))) for i, start in enumerate(starts)]
        return dsp.normalise(dsp.room(rng, _play(rng, notes, LAUGH, duration_s), 0.4, rng.uniform(0.05, 0.2)))

    return render


def _crowd_laughs(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for key in rng.integers(53, 69, 7):
        start_s = rng.uniform(0, duration_s * 0.3)
        length_s = 1.25 * 2 ** ((60 - int(key)) / 12)
        laugh = _play(rng, [Note(0.02, int(key), 3, 110)], LAUGH, length_s)
        while start_s < duration_s - 0.8:
            dsp.place(canvas, laugh, start_s, rng.uniform(0.3, 1.0))
            start_s += length_s * rng.uniform(0.95, 1.5)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.7, 0.25), 0.05, 0.3))


def _sampled_steps(count: int, keys: tuple[int, int]) -> Renderer:
    """`count` sampled steps evenly over the duration; left and right foot differ a little in pitch."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        key = int(rng.integers(keys[0], keys[1] + 1))
        starts = dsp.even(rng, count, duration_s - 0.15, 0.04) + 0.02
        notes = [Note(start, key + i % 2, 0.5, int(rng.integers(85, 125))) for i, start in enumerate(starts)]
        return dsp.normalise(dsp.room(rng, _play(rng, notes, STEP, duration_s), 0.7, rng.uniform(0.15, 0.4)))

    return render


def _gravel_step(rng: np.random.Generator) -> np.ndarray:
    canvas, length_s = dsp.silence(0.35), 0.28
    for start_s in dsp.scatter(rng, length_s, 300):
        grain = dsp.bandpass(dsp.white(rng, 0.02), 700 * 4 ** rng.random(), 10_000, 1) * dsp.decay(0.02, 0.012, 0.0004)
        swell = np.sin(np.pi * start_s / length_s) ** 0.5
        dsp.place(canvas, grain, start_s, swell * rng.random() ** 2)
    thud = dsp.lowpass(dsp.white(rng, 0.1), 180) * dsp.decay(0.1, 0.08, 0.004)
    return dsp.normalise(dsp.mix(canvas, 1.5 * thud))


def _gravel_steps(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, step_s = dsp.silence(duration_s), rng.uniform(0.5, 0.62)
    for start_s in np.arange(0.05, duration_s - 0.35, step_s):
        dsp.place(canvas, _gravel_step(rng), start_s + rng.normal(0, 0.012), rng.uniform(0.75, 1.0))
    return dsp.normalise(canvas)


def _thump(rng: np.random.Generator, pitch_hz: float, length_s: float) -> np.ndarray:
    sweep = pitch_hz * dsp.curve(length_s, [(0, 1.7), (0.25, 1.0), (1, 0.8)])
    tone = dsp.harmonics(dsp.glide(sweep), (1.0, 0.45, 0.2, 0.08)) * dsp.decay(length_s, length_s, 0.008)
    return (tone + 0.25 * dsp.lowpass(dsp.white(rng, length_s), 250) * dsp.decay(length_s, length_s * 0.7, 0.006)).astype(np.float32)


def _heart(beats_a_minute: tuple[float, float]) -> Renderer:
    """Pairs of muffled thumps (lub-dub) at a rate in beats a minute."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, period_s = dsp.silence(duration_s), 60 / rng.uniform(*beats_a_minute)
        pitch_hz, second_s = rng.uniform(48, 62), min(0.32, 60 / beats_a_minute[0] * 0.36)
        for start_s in np.arange(0.1, duration_s - second_s - 0.15, period_s):
            dsp.place(canvas, _thump(rng, pitch_hz, 0.2), start_s, rng.uniform(0.9, 1.0))
            dsp.place(canvas, _thump(rng, pitch_hz * 1.25, 0.15), start_s + second_s, rng.uniform(0.55, 0.65))
        return dsp.normalise(dsp.lowpass(canvas, 400))

    return render


def _whistled(rng: np.random.Generator, pitch_hz: np.ndarray, loudness: np.ndarray, duration_s: float) -> np.ndarray:
    """Lips: a nearly pure tone with breath noise around it."""
    vibrato = 1 + 0.008 * np.sin(2 * np.pi * rng.uniform(5, 6.5) * dsp.times(duration_s))
    tone = dsp.harmonics(dsp.glide(pitch_hz * vibrato * dsp.wander(rng, duration_s, 8, 0.995, 1.005)), (1.0, 0.04, 0.015))
    breath = dsp.bandpass(dsp.white(rng, duration_s), 1_200, 6_000, 1) * 0.05
    return dsp.normalise(dsp.room(rng, (tone + breath) * loudness, 0.5, 0.15))


def _tune(steps: Sequence[int]) -> Renderer:
    """A whistled melody of those semitone steps above its first note."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        first_hz, smooth = rng.uniform(900, 1_300), np.ones(dsp.samples(0.04)) / dsp.samples(0.04)
        place = np.linspace(0, len(steps) - 1e-6, dsp.samples(duration_s))
        pitch_hz = first_hz * 2 ** (np.asarray(steps)[place.astype(int)] / 12)
        pitch_hz = np.convolve(np.pad(pitch_hz, len(smooth), "edge"), smooth, "same")[len(smooth) : -len(smooth)]
        loudness = np.clip(np.sin(np.pi * (place % 1)) * 3, 0, 1)
        return _whistled(rng, pitch_hz, loudness, duration_s)

    return render


def _wolf_whistle(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    base_hz = rng.uniform(900, 1_100)
    pitch_hz = base_hz * dsp.curve(duration_s, [(0, 0.9), (0.32, 2.3), (0.34, 2.4), (0.48, 0.95), (0.68, 1.8), (1, 0.75)])
    loudness = dsp.curve(duration_s, [(0, 0), (0.06, 1), (0.33, 1), (0.37, 0), (0.46, 0), (0.52, 1), (0.85, 0.8), (1, 0)])
    return _whistled(rng, pitch_hz, loudness, duration_s)


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "clapping": (
        Variant("applause", "a crowd applauds without pause", "texture", (4, 12), _applause),
        Variant("applause_dies", "applause swells and dies away, with single claps at the end", "event", (4, 6), _applause_dies),
        Variant("four_slow_claps", "one person claps four times, slowly, in a room", "event", (2.4, 4), _slow_claps(4)),
        Variant("in_time", "a group claps in time", "event", (3, 6), _rhythmic_clapping),
    ),
    "laughing": (
        Variant("one_laugh", "a person laughs once, a short ha-ha-ha", "event", (1.5, 2.2), _laughs(1, (58, 62))),
        Variant("two_high_laughs", "a high voice laughs in two short bursts", "event", (2.2, 3), _laughs(2, (65, 68))),
        Variant("several_people", "several people laugh together", "event", (3.5, 6), _crowd_laughs),
    ),
    "footsteps": (
        Variant("six_slow_steps", "six slow footsteps on a hard floor", "event", (3.6, 5), _sampled_steps(6, (57, 60))),
        Variant("quick_steps", "twelve quick footsteps, somebody hurries over a hard floor", "event", (3, 4), _sampled_steps(12, (61, 65))),
        Variant("gravel", "somebody walks over crunching gravel", "event", (3, 7), _gravel_steps),
    ),
    "heartbeat": (
        Variant("calm", "a heart beats calmly, a muffled double thump", "texture", (4, 10), _heart((56, 68))),
        Variant("racing", "a heart beats fast, muffled double thumps close together", "texture", (4, 10), _heart((115, 135))),
    ),
    "whistling": (
        Variant("rising_tune", "a person whistles five notes that climb and come back", "event", (2.2, 3.5), _tune((0, 4, 7, 12, 7))),
        Variant("eight_note_tune", "a person whistles a cheerful melody of eight notes", "event", (3, 5), _tune((7, 4, 0, 4, 7, 9, 7, 4))),
        Variant("wolf_whistle", "a wolf whistle: one tone sliding up, then one up and down", "event", (1.2, 1.8), _wolf_whistle),
    ),
}
