"""Motorcycles, chainsaws and vacuum cleaners, modelled as pulses, noise and resonances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clap.synth import dsp
from clap.synth.variants import RATE_HZ, Variant


def bursts(rng: np.random.Generator, cycle_hz: np.ndarray, firings: tuple[float, ...], sharpness: float, uneven: float) -> np.ndarray:
    """A beating machine: each cycle fires at those shares of it, every firing of a slightly different strength; (T,) Hz -> (T,)."""
    turns, total = np.cumsum(cycle_hz) / RATE_HZ, np.zeros(len(cycle_hz))
    for firing in firings:
        shifted = turns + 1 - firing
        strength = 1 + uneven * rng.standard_normal(int(shifted[-1]) + 1)
        total += np.exp(-sharpness * (shifted % 1)) * strength[shifted.astype(int)]
    return (total - total.mean() + 0.3 * total * dsp.lowpass(rng.standard_normal(len(turns)), 5_000, 1)).astype(np.float32)


def coloured(x: np.ndarray, bands: tuple[tuple[float, float], ...]) -> np.ndarray:
    """`x` through resonances of (centre in Hz, level), each half an octave wide, over a weak direct path."""
    return dsp.normalise(sum(level * dsp.bandpass(x, f * 0.84, f * 1.19, 1) for f, level in bands) + 0.1 * dsp.highpass(x, 900, 1))


def spread(rng: np.random.Generator, values: Sequence[float], share: float = 0.12) -> np.ndarray:
    """The values, each off by up to that share."""
    return np.array(values) * rng.uniform(1 - share, 1 + share, len(values))


def _twin(rng: np.random.Generator, cycle_hz: np.ndarray) -> np.ndarray:
    """A two-cylinder motorcycle with uneven firing."""
    raw = bursts(rng, cycle_hz, (0.0, rng.uniform(0.38, 0.44)), 6, 0.12)
    bands = zip(spread(rng, (85, 260, 600, 1_200, 2_600)), (0.4, 0.9, 1.0, 0.9, 0.7))
    valves = dsp.bandpass(rng.standard_normal(len(raw)), 700, 4_500, 1) * np.maximum(0, np.sin(dsp.glide(2 * cycle_hz))) ** 2
    return dsp.normalise(coloured(raw, tuple(bands)) + 0.03 * valves)


def _motorcycle_idle(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    cycle_hz = rng.uniform(7.0, 9.5) * dsp.wander(rng, duration_s, 3, 0.94, 1.06)
    return dsp.normalise(dsp.fade(_twin(rng, cycle_hz), 0.05, 0.15))


def _motorcycle_leaves(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Three gears: the pitch climbs, drops at each change, and the machine grows distant."""
    gears = [(0, 0.3), (0.28, 0.95), (0.31, 0.55), (0.58, 1.0), (0.61, 0.65), (1, 0.98)]
    cycle_hz = rng.uniform(42, 55) * dsp.curve(duration_s, gears) * dsp.wander(rng, duration_s, 6, 0.99, 1.01)
    throttle = dsp.curve(duration_s, [(0, 0.7), (0.27, 1), (0.295, 0.3), (0.32, 1), (0.57, 1), (0.595, 0.3), (0.62, 1), (1, 1)])
    sound = _twin(rng, cycle_hz) * throttle
    near = dsp.curve(duration_s, [(0, 1), (0.3, 0.9), (0.65, 0.35), (1, 0.02)])
    return dsp.normalise(dsp.fade(sound * near**1.2 + dsp.lowpass(sound, 500) * (near - near**1.2), 0.03, 0.2))


def _motorcycle_passes(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    middle = rng.uniform(0.42, 0.58)
    doppler = dsp.curve(duration_s, [(0, 1.1), (middle - 0.06, 1.09), (middle + 0.06, 0.92), (1, 0.91)])
    sound = _twin(rng, rng.uniform(38, 52) * doppler * dsp.wander(rng, duration_s, 4, 0.985, 1.015))
    near = dsp.curve(duration_s, [(0, 0.02), (middle - 0.25, 0.15), (middle, 1), (middle + 0.25, 0.2), (1, 0.02)])
    return dsp.normalise(dsp.fade((sound * near + dsp.lowpass(sound, 600) * (1 - near)) * near, 0.1, 0.2))


def _two_stroke(rng: np.random.Generator, firing_hz: np.ndarray) -> np.ndarray:
    """A small two-stroke engine: one bright pulse a turn and the rattle of the chain."""
    raw = bursts(rng, firing_hz, (0.0,), 12, 0.08)
    body = coloured(raw, tuple(zip(spread(rng, (300, 650, 1_300, 2_600, 4_500)), (0.6, 0.8, 1.0, 0.8, 0.5))))
    chain = dsp.bandpass(rng.standard_normal(len(raw)), 2_500, 7_000, 1) * firing_hz / 150
    return dsp.normalise(body + 0.06 * chain)


def _chainsaw_revs(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Idle, three bursts of throttle, idle."""
    points, idle = [(0.0, 0.0)], 0.02
    for start in (0.08, 0.36, 0.64):
        points += [(start, idle), (start + 0.05, rng.uniform(0.85, 1)), (start + 0.15, rng.uniform(0.85, 1)), (start + 0.24, idle)]
    throttle = dsp.curve(duration_s, points + [(1, 0)])
    firing_hz = (rng.uniform(38, 46) + rng.uniform(85, 120) * throttle) * dsp.wander(rng, duration_s, 12, 0.98, 1.02)
    return dsp.normalise(dsp.fade(_two_stroke(rng, firing_hz) * (0.25 + 0.75 * throttle), 0.05, 0.15))


def _chainsaw_cuts(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Full throttle; the pitch sags whenever the chain bites, and the wood adds a rough noise."""
    load = dsp.wander(rng, duration_s, 0.9) ** 1.5
    firing_hz = rng.uniform(125, 160) * (1 - 0.3 * load) * dsp.wander(rng, duration_s, 15, 0.985, 1.015)
    wood = dsp.bandpass(dsp.white(rng, duration_s), 900, 5_000, 1) * load
    return dsp.normalise(dsp.fade(_two_stroke(rng, firing_hz) + 0.12 * wood, 0.1, 0.2))


def _suction(rng: np.random.Generator, duration_s: float, speed: np.ndarray, mouth: np.ndarray) -> np.ndarray:
    """A vacuum cleaner: rushing air, a whining fan and its motor; (T,) relative speed, (T,) openness of the nozzle in [0, 1]."""
    turning = dsp.glide(rng.uniform(230, 330) * speed * (1.04 - 0.08 * mouth))
    blades = int(rng.integers(9, 16))
    fan = dsp.harmonics(turning, spread(rng, (1, 0.5, 0.6, 0.25, 0.35, 0.2), 0.5)) + rng.uniform(0.5, 0.9) * np.sin(blades * turning)
    noise = dsp.tilted(rng, duration_s, 0.6)
    air = coloured(noise, tuple(zip(spread(rng, (450, 1_000, 2_200, 4_200)), (0.8, 1.0, 1.0, 0.9))))
    air = air / dsp.rms(air) + 0.7 * noise
    air = air * mouth + dsp.highpass(air, 1_400) * (1 - mouth)
    return dsp.normalise((air / dsp.rms(air) + rng.uniform(0.5, 0.8) * fan) * np.minimum(speed, 1.1) ** 2)


def _vacuum_steady(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    speed = dsp.wander(rng, duration_s, 0.5, 0.995, 1.005)
    return dsp.normalise(dsp.fade(_suction(rng, duration_s, speed, np.full(len(speed), 0.9)), 0.1, 0.2))


def _vacuum_strokes(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    swing = np.cos(2 * np.pi * dsp.times(duration_s) / rng.uniform(1.3, 2.0) + rng.uniform(0, 6))
    sound = _suction(rng, duration_s, 1 + 0.025 * swing, 0.55 + 0.4 * swing)
    return dsp.normalise(dsp.fade(sound * (1 + 0.2 * swing), 0.1, 0.2))


def _vacuum_on_off(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    t, stop_s = dsp.times(duration_s), duration_s - rng.uniform(1.3, 1.7)
    speed = np.where(t < stop_s, 1 - np.exp(-t / 0.22), np.exp(-(t - stop_s) / 0.45))
    sound = _suction(rng, duration_s, speed, np.full(len(t), 0.85))
    for start_s in (0.0, stop_s):
        dsp.place(sound, dsp.modes(0.05, [(1_900, 0.3, 0.03), (3_400, 0.2, 0.02)]), start_s)
    return dsp.normalise(dsp.fade(sound, 0.0, 0.25))


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "motorcycle": (
        Variant("idles", "a motorcycle idles with an uneven, throbbing beat", "texture", (4, 10), _motorcycle_idle),
        Variant("rides_off", "a motorcycle accelerates away and changes up twice", "event", (4, 7), _motorcycle_leaves),
        Variant("passes", "a motorcycle roars past", "event", (3, 6), _motorcycle_passes),
    ),
    "chainsaw": (
        Variant("revs_three_times", "a chainsaw idles and is revved up three times", "event", (4, 6), _chainsaw_revs),
        Variant("cuts", "a chainsaw cuts into wood at full throttle, its pitch sagging as it bites", "texture", (4, 10), _chainsaw_cuts),
    ),
    "vacuum_cleaner": (
        Variant("steady", "a vacuum cleaner runs steadily, a whine in rushing air", "texture", (4, 12), _vacuum_steady),
        Variant(
            "to_and_fro",
            "a vacuum cleaner is pushed to and fro, its sound changes with each stroke",
            "texture",
            (4, 10),
            _vacuum_strokes,
        ),
        Variant("on_and_off", "a vacuum cleaner is switched on, runs up, and is switched off again", "event", (4, 7), _vacuum_on_off),
    ),
}
