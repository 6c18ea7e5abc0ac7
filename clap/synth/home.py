"""Knocks, clicks, keys, breaking glass, sleepers, toothbrushes, cans, cisterns, drinkers, and frogs at the pond, all modelled."""

from __future__ import annotations

from typing import Callable, Sequence

import numpy as np

from clap.synth import dsp
from clap.synth.nature import drops
from clap.synth.variants import Renderer, Variant

Maker = Callable[[np.random.Generator], np.ndarray]
"""Makes one short sound (T,), a little different at each call."""


def _spread(rng: np.random.Generator, values: Sequence[float], share: float = 0.12) -> np.ndarray:
    """The values, each off by up to that share."""
    return np.array(values) * rng.uniform(1 - share, 1 + share, len(values))


def _grain(rng: np.random.Generator, length_s: float, low_hz: float, high_hz: float) -> np.ndarray:
    """A dry burst of noise between two frequencies that dies away within its length."""
    return dsp.bandpass(dsp.white(rng, length_s), low_hz, high_hz, 1) * dsp.decay(length_s, length_s, 0.0004).astype(np.float32)


# --- knocks ------------------------------------------------------------------------------------------------------------


def _door(rng: np.random.Generator, base_hz: float, ring_s: float) -> Maker:
    """A door leaf with its own modes, struck by knuckles that land a little differently each time."""
    ratios, levels = _spread(rng, (1, 1.75, 2.6, 4.1, 6.3), 0.08), (1.0, 0.8, 0.55, 0.35, 0.2)

    def knock(rng: np.random.Generator) -> np.ndarray:
        partials = [(base_hz * r, level * rng.uniform(0.6, 1.2), ring_s / r**0.5) for r, level in zip(ratios, levels)]
        knuckle = 0.6 * _grain(rng, 0.012, 700, 4_000)
        return dsp.mix(dsp.modes(ring_s * 1.3, partials), knuckle)

    return knock


def _knocks(rhythm: tuple[float, ...], base_hz: tuple[float, float], ring_s: float, step_s: tuple[float, float]) -> Renderer:
    """Knocks at those times, counted in steps of `step_s`, shortened where they would not fit the duration."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        knock, canvas = _door(rng, rng.uniform(*base_hz), ring_s * rng.uniform(0.8, 1.2)), dsp.silence(duration_s)
        step = min(rng.uniform(*step_s), (duration_s - 0.45) / rhythm[-1])
        for time in rhythm:
            dsp.place(canvas, knock(rng), 0.03 + time * step * rng.uniform(0.97, 1.0), rng.uniform(0.75, 1))
        return dsp.normalise(dsp.room(rng, canvas, rng.uniform(0.25, 0.6), rng.uniform(0.15, 0.4)))

    return render


# --- mouse and keyboard ------------------------------------------------------------------------------------------------


def _switch(rng: np.random.Generator) -> Maker:
    """A micro switch in a plastic shell: an instant snap with a bright ring."""
    shell_hz = _spread(rng, (1_900, 3_600, 5_900, 8_200), 0.2)

    def snap(rng: np.random.Generator) -> np.ndarray:
        ring = dsp.modes(0.02, [(f, rng.uniform(0.3, 1), rng.uniform(0.005, 0.012)) for f in shell_hz])
        return dsp.mix(0.8 * ring, _grain(rng, 0.006, 1_800, 11_000))

    return snap


def _click(canvas: np.ndarray, rng: np.random.Generator, snap: Maker, start_s: float, held_s: float) -> None:
    """Press and, a little softer, release."""
    dsp.place(canvas, snap(rng), start_s, rng.uniform(0.85, 1))
    dsp.place(canvas, snap(rng), start_s + held_s, rng.uniform(0.4, 0.6))


def _clicks(starts: tuple[float, ...], double: bool = False) -> Renderer:
    """Mouse clicks at those shares of the duration, or double clicks."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        snap, canvas, held_s = _switch(rng), dsp.silence(duration_s), rng.uniform(0.06, 0.1)
        for start in starts:
            start_s = 0.03 + start * (duration_s - 0.4) * rng.uniform(0.93, 1.0)
            _click(canvas, rng, snap, start_s, held_s)
            if double:
                _click(canvas, rng, snap, start_s + held_s + rng.uniform(0.06, 0.09), held_s)
        return dsp.normalise(dsp.room(rng, canvas, 0.15, rng.uniform(0.1, 0.3)))

    return render


def _many_clicks(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    snap, canvas, start_s = _switch(rng), dsp.silence(duration_s), 0.03
    while start_s < duration_s - 0.2:
        _click(canvas, rng, snap, start_s, rng.uniform(0.06, 0.1))
        start_s += 0.2 + rng.exponential(0.3)
    return dsp.normalise(dsp.room(rng, canvas, 0.15, rng.uniform(0.1, 0.3)))


def _key_maker(rng: np.random.Generator, plate_hz: float, bright: float) -> Maker:
    """A key bottoms out on its plate, and clacks again as it comes back up."""

    def key(rng: np.random.Generator) -> np.ndarray:
        down = dsp.modes(0.05, [(plate_hz * r * rng.uniform(0.85, 1.2), a, 0.03 / r**0.4) for r, a in ((1, 1), (2.3, 0.6), (4.6, 0.5))])
        canvas = dsp.silence(0.2)
        dsp.place(canvas, dsp.mix(0.7 * down, bright * _grain(rng, 0.018, 1_200, 9_000)), 0.0)
        dsp.place(canvas, bright * _grain(rng, 0.012, 2_000, 9_000), rng.uniform(0.06, 0.11), 0.4)
        return canvas

    return key


def _typing(count: int | None, gap_s: tuple[float, float], bright: float, spaces: bool) -> Renderer:
    """Keys with random gaps; `count` evenly in the duration, or as many as come, in words with a duller space bar."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, plate_hz, pace = dsp.silence(duration_s), rng.uniform(420, 750), rng.uniform(*gap_s)
        key, bar = _key_maker(rng, plate_hz, bright), _key_maker(rng, plate_hz * 0.5, bright * 0.5)
        starts = list(dsp.even(rng, count, duration_s - 0.25)) if count else list(_key_times(rng, duration_s - 0.2, pace))
        for start_s in starts:
            pressed = bar if spaces and rng.random() < 0.17 else key
            dsp.place(canvas, pressed(rng), 0.02 + start_s, rng.uniform(0.5, 1))
        return dsp.normalise(dsp.room(rng, canvas, 0.2, rng.uniform(0.1, 0.3)))

    return render


def _key_times(rng: np.random.Generator, until_s: float, pace_s: float) -> np.ndarray:
    """Words of a few keys, with a short pause after some of them."""
    gaps = pace_s * rng.lognormal(0, 0.3, int(until_s / pace_s * 2) + 2)
    gaps[rng.random(len(gaps)) < 0.06] += rng.uniform(0.15, 0.4)
    times = np.cumsum(gaps) - gaps[0]
    return times[times < until_s]


# --- glass -------------------------------------------------------------------------------------------------------------


def _shard(rng: np.random.Generator, size: float) -> np.ndarray:
    """One piece of glass that rings: a few inharmonic modes, higher and shorter for small pieces."""
    base_hz, ring_s = rng.uniform(1_600, 3_400) / size**0.5, 0.3 * size * rng.uniform(0.5, 1.2)
    ratios = 1 + np.cumsum(rng.uniform(0.25, 0.9, 5)) - 0.3
    return dsp.modes(ring_s * 1.2, [(base_hz * r, rng.uniform(0.3, 1), ring_s * rng.uniform(0.4, 1)) for r in ratios])


def _shatter(rng: np.random.Generator, length_s: float, pieces: int, spread_s: float) -> np.ndarray:
    """A crack, then pieces falling ever more sparsely."""
    canvas = dsp.silence(length_s)
    dsp.place(canvas, _grain(rng, 0.25, 1_200, 12_000), 0.0, 2.5)
    dsp.place(canvas, dsp.lowpass(_grain(rng, 0.12, 150, 900), 900), 0.0, 1.5)
    for start_s in rng.gamma(1.1, spread_s, pieces):
        level = rng.uniform(0.2, 1) * np.exp(-start_s / (2.2 * spread_s))
        dsp.place(canvas, _shard(rng, rng.uniform(0.25, 1)), start_s, 0.5 * level)
        dsp.place(canvas, _grain(rng, 0.015, 2_500, 13_000), start_s, 0.7 * level)
    return canvas


def _one_glass(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    sound = _shatter(rng, duration_s, int(rng.integers(22, 34)), 0.16)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound, 0.4, 0.15), 0, 0.1))


def _window(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A heavy blow, a big crash, and a long rain of shards."""
    crash = _shatter(rng, duration_s - 0.02, int(rng.integers(80, 110)), 0.33)
    rush = dsp.highpass(dsp.white(rng, 1.2), 2_500, 1) * dsp.decay(1.2, rng.uniform(0.6, 1.0), 0.02)
    thud = dsp.modes(0.3, [(rng.uniform(90, 140), 2.0, 0.25), (rng.uniform(210, 300), 1.0, 0.15)])
    canvas = dsp.silence(duration_s)
    for sound, gain in ((crash, 1.0), (rush, 0.7), (thud, 1.0)):
        dsp.place(canvas, sound, 0.02, gain)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.7, 0.2), 0, 0.2))


def _then_falls(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A bottle bounces twice on a hard floor, ringing, and then shatters."""
    canvas, size = dsp.silence(duration_s), rng.uniform(1.0, 1.5)
    bottle = _shard(rng, size)
    for start_s, gain in ((0.03, 0.5), (rng.uniform(0.32, 0.4), 0.35)):
        dsp.place(canvas, dsp.mix(bottle, _grain(rng, 0.01, 1_500, 9_000)), start_s, gain)
    dsp.place(canvas, _shatter(rng, duration_s - 0.7, int(rng.integers(30, 45)), 0.2), rng.uniform(0.62, 0.68))
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.5, 0.2), 0, 0.1))


# --- sleepers and breath -----------------------------------------------------------------------------------------------


def _vowel(x: np.ndarray, formants_hz: Sequence[float], levels: Sequence[float]) -> np.ndarray:
    """`x` through a throat with those resonances."""
    return sum(level * dsp.bandpass(x, f * 0.87, f * 1.15, 1) for f, level in zip(formants_hz, levels))


def _snore(rng: np.random.Generator, length_s: float, flutter_hz: float, formants_hz: np.ndarray) -> np.ndarray:
    """The soft palate flaps: short airy pulses at an unsteady rate, louder and faster in the middle."""
    shape = dsp.curve(length_s, [(0, 0), (0.25, 0.6), (0.6, 1), (0.9, 0.7), (1, 0)])
    rate_hz = flutter_hz * (0.75 + 0.4 * shape) * dsp.wander(rng, length_s, 25, 0.88, 1.12)
    turns = np.cumsum(rate_hz) / dsp.RATE_HZ
    strength = rng.uniform(0.5, 1, int(turns[-1]) + 1)[turns.astype(int)]
    flap = np.exp(-6 * (turns % 1)) * strength
    air = dsp.lowpass(dsp.white(rng, length_s), 3_500, 1)
    voice = _vowel(flap - flap.mean() + 0.45 * flap * air, formants_hz, (1, 0.8, 0.45, 0.25))
    breath = _vowel(air, formants_hz, (0.1, 0.5, 1, 1))
    return dsp.normalise(voice * shape + 0.03 * breath * shape)


def _breath(rng: np.random.Generator, length_s: float, formants_hz: Sequence[float]) -> np.ndarray:
    """Air through mouth or nose, in or out by its formants."""
    air = dsp.tilted(rng, length_s, 0.6)
    shape = dsp.curve(length_s, [(0, 0), (0.3, 0.85), (0.6, 1), (1, 0)]) ** 1.3
    return dsp.normalise(_vowel(air, formants_hz, (0.6, 1, 0.9, 0.6)) * shape * dsp.wander(rng, length_s, 12, 0.8, 1))


def _snores(count: int, flutter_hz: tuple[float, float], whistle: bool) -> Renderer:
    """`count` snores on the way in, each answered by breathing (or whistling) out."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, cycle_s = dsp.silence(duration_s), duration_s / count
        flutter, formants = rng.uniform(*flutter_hz), _spread(rng, (320, 750, 1_500, 2_600))
        for number in range(count):
            start_s = 0.02 + number * cycle_s
            length_s = min(cycle_s * rng.uniform(0.42, 0.5), 1.6)
            dsp.place(canvas, _snore(rng, length_s, flutter, formants), start_s, rng.uniform(0.75, 1))
            out_s, begin_s = cycle_s * 0.38, start_s + cycle_s * 0.54
            dsp.place(canvas, _breath(rng, out_s, _spread(rng, (600, 1_400, 2_500, 4_000))), begin_s, 0.09)
            if whistle:
                pitch_hz = rng.uniform(900, 1_200) * dsp.curve(out_s, [(0, 1.1), (1, 0.9)]) * dsp.wander(rng, out_s, 8, 0.98, 1.02)
                dsp.place(canvas, np.sin(dsp.glide(pitch_hz)) * dsp.curve(out_s, [(0, 0), (0.4, 1), (1, 0)]), begin_s, 0.12)
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.3, 0.1), 0, 0.1))

    return render


def _breathing(cycle_s: tuple[float, float], low: float, high: float) -> Renderer:
    """In and out in turn; `low` and `high` scale the formants of breathing out and in."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, throat = dsp.silence(duration_s), _spread(rng, (700, 1_500, 2_800, 4_600))
        cycles = max(1, round(duration_s / rng.uniform(*cycle_s)))
        step_s = duration_s / cycles
        for number in range(cycles):
            for share, length, scale, level in ((0.0, 0.4, high, 0.7), (0.48, 0.46, low, 1.0)):
                breath = _breath(rng, length * step_s * rng.uniform(0.92, 1.0), throat * scale)
                dsp.place(canvas, breath, 0.01 + (number + share) * step_s, level * rng.uniform(0.8, 1))
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.25, 0.06), 0, 0.05))

    return render


# --- bathroom and kitchen ----------------------------------------------------------------------------------------------


def _brushing(strokes_hz: tuple[float, float], pauses: bool) -> Renderer:
    """Bristles over teeth: hissing strokes to and fro, the mouth's resonance drifting as the brush moves."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        rate_hz = rng.uniform(*strokes_hz) * dsp.wander(rng, duration_s, 1.5, 0.9, 1.1)
        turns = np.cumsum(rate_hz) / dsp.RATE_HZ
        forth = turns % 2 < 1
        stroke = np.sin(np.pi * (turns % 1)) ** 0.8 * np.where(forth, 1, 0.65)
        bright, dark = (dsp.bandpass(dsp.white(rng, duration_s), f, f * 2.6, 1) for f in _spread(rng, (2_600, 1_300), 0.2))
        place = dsp.wander(rng, duration_s, 0.8)
        sound = (bright * place + dark * (1.2 - place) + 0.4 * np.where(forth, bright, dark)) * stroke
        if pauses:
            sound *= np.minimum(1, np.interp(np.sin(2 * np.pi * dsp.times(duration_s) / rng.uniform(1.8, 2.4)), (-1, -0.8, -0.7, 1), (0, 0, 1, 1)))
        return dsp.normalise(dsp.fade(dsp.room(rng, sound * dsp.wander(rng, duration_s, 30, 0.6, 1), 0.25, 0.1), 0.02, 0.1))

    return render


def _can(rng: np.random.Generator, duration_s: float, hiss_s: float) -> np.ndarray:
    """The tab is lifted, the lid cracks, gas rushes out, and the tab bends back."""
    canvas, crack_s = dsp.silence(duration_s), rng.uniform(0.18, 0.3)
    lid = _spread(rng, (1_300, 2_700, 4_300, 6_800), 0.15)
    dsp.place(canvas, dsp.mix(dsp.modes(0.05, [(f, 0.5, 0.03) for f in lid[1:]]), _grain(rng, 0.008, 2_000, 11_000)), 0.02, 0.35)
    crack = dsp.mix(dsp.modes(0.12, [(f, 1, rng.uniform(0.03, 0.08)) for f in lid]), 2.2 * _grain(rng, 0.05, 900, 12_000))
    gas = dsp.bandpass(dsp.white(rng, hiss_s), rng.uniform(2_000, 3_000), 13_000, 1) * dsp.decay(hiss_s, hiss_s * 0.8, 0.003)
    dsp.place(canvas, crack, crack_s)
    dsp.place(canvas, gas, crack_s + 0.004, 0.9)
    for late_s, gain in ((rng.uniform(0.14, 0.2), 0.4), (rng.uniform(0.28, 0.38), 0.25)):
        dsp.place(canvas, dsp.mix(dsp.modes(0.08, [(f, 0.6, 0.04) for f in lid]), _grain(rng, 0.02, 1_500, 9_000)), crack_s + late_s, gain)
    return canvas


def _can_opened(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return dsp.normalise(dsp.room(rng, _can(rng, duration_s, rng.uniform(0.35, 0.55)), 0.25, 0.15))


def _can_fizzes(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A long hiss, and bubbles that go on prickling."""
    canvas = _can(rng, duration_s, rng.uniform(0.7, 1.0))
    for start_s in 0.3 + rng.gamma(1.2, duration_s * 0.3, int(duration_s * 160)):
        dsp.place(canvas, _grain(rng, 0.004, 4_000, 14_000), start_s, 0.25 * rng.random() ** 2)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.25, 0.12), 0, 0.2))


def _flush(rng: np.random.Generator, duration_s: float, refill: float) -> np.ndarray:
    """A lever, a rush that swells and sinks, a gurgle at its end, and water running on into the cistern."""
    rush = dsp.curve(duration_s, [(0, 0), (0.05, 0), (0.1, 1), (0.4, 0.8), (0.6, 0.12), (1, 0)])
    water = sum(dsp.bandpass(dsp.tilted(rng, duration_s, 0.7), f * 0.7, f * 1.5, 1) for f in _spread(rng, (350, 900, 2_200)))
    bubbling = 1 + 0.5 * dsp.wander(rng, duration_s, 22, -1, 1)
    drain = dsp.curve(duration_s, [(0, 0), (0.35, 0), (0.5, 1), (0.62, 0.7), (0.72, 0), (1, 0)])
    gurgle = drops(rng, duration_s, 55, 130, 520, 0.09) * drain
    splash = drops(rng, duration_s, 90, 400, 2_200, 0.03) * rush
    pipe = dsp.bandpass(dsp.white(rng, duration_s), *(rng.uniform(1_500, 2_000), 6_000), 1) * dsp.curve(duration_s, [(0, 0), (0.2, 0), (0.5, 1), (0.95, 1), (1, 0)])
    sound = dsp.normalise(water * bubbling) * rush + 0.35 * dsp.normalise(gurgle) + 0.3 * dsp.normalise(splash) + refill * dsp.normalise(pipe)
    dsp.place(sound, dsp.mix(_grain(rng, 0.03, 500, 5_000), dsp.modes(0.1, [(rng.uniform(350, 600), 0.6, 0.07)])), 0.02, 0.4)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound.astype(np.float32), 0.5, 0.25), 0, 0.3))


def _flush_refill(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _flush(rng, duration_s, rng.uniform(0.1, 0.18))


def _flush_short(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _flush(rng, duration_s, 0.0)


def _slurp(rng: np.random.Generator, length_s: float) -> np.ndarray:
    """Lips draw in liquid with air: noise that flutters, its resonance rising, wet with small bubbles."""
    air, shape = dsp.white(rng, length_s), dsp.curve(length_s, [(0, 0), (0.15, 0.7), (0.8, 1), (1, 0)])
    low, high = (dsp.bandpass(air, f, f * 1.7, 1) for f in _spread(rng, (1_100, 2_600)))
    rise = dsp.curve(length_s, [(0, 0.1), (1, 0.9)])
    flutter = 0.35 + 0.65 * dsp.wander(rng, length_s, rng.uniform(35, 50)) ** 2
    bubbles = drops(rng, length_s, 60, 700, 2_400, 0.02)
    return dsp.normalise((dsp.normalise(low * (1 - rise) + high * rise) * flutter + 0.5 * bubbles) * shape)


def _gulp(rng: np.random.Generator) -> np.ndarray:
    """A swallow: a muffled knock in the throat and a short wet glide upwards."""
    length_s = rng.uniform(0.11, 0.16)
    pitch_hz = rng.uniform(190, 260) * dsp.curve(length_s, [(0, 1), (0.5, 1.3), (1, 2.1)])
    body = dsp.harmonics(dsp.glide(pitch_hz), (1, 0.3, 0.12)) * dsp.curve(length_s, [(0, 0), (0.25, 1), (0.6, 0.6), (1, 0)])
    canvas = dsp.silence(length_s + 0.1)
    dsp.place(canvas, _grain(rng, 0.03, 300, 1_800), 0.0, 0.5)
    dsp.place(canvas, body, 0.015)
    dsp.place(canvas, _grain(rng, 0.02, 1_000, 4_000), length_s, 0.25)
    return canvas


def _gulps(count: int) -> Renderer:
    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas = dsp.silence(duration_s)
        for start_s in dsp.even(rng, count, duration_s - 0.2, 0.06):
            dsp.place(canvas, _gulp(rng), 0.02 + start_s, rng.uniform(0.75, 1))
        return dsp.normalise(dsp.room(rng, canvas, 0.2, 0.1))

    return render


def _sips(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Two slurps, each swallowed."""
    canvas, half_s = dsp.silence(duration_s), duration_s / 2
    for number in (0, 1):
        length_s = rng.uniform(0.4, 0.55) * half_s
        dsp.place(canvas, _slurp(rng, length_s), 0.02 + number * half_s, rng.uniform(0.8, 1))
        dsp.place(canvas, _gulp(rng), number * half_s + length_s + rng.uniform(0.12, 0.2), 0.4)
    return dsp.normalise(dsp.room(rng, canvas, 0.2, 0.1))


# --- frogs -------------------------------------------------------------------------------------------------------------


def _croak(rng: np.random.Generator, length_s: float, pulses_hz: float, formants_hz: np.ndarray) -> np.ndarray:
    """A train of quick pulses that ring in the vocal sac; rises in strength, ends abruptly."""
    rate_hz = pulses_hz * dsp.curve(length_s, [(0, 0.85), (0.3, 1), (1, 1.08)]) * dsp.wander(rng, length_s, 20, 0.97, 1.03)
    turns = np.cumsum(rate_hz) / dsp.RATE_HZ
    clicks = np.diff(np.floor(turns), prepend=-1.0) * rng.uniform(0.8, 1, len(turns))
    sac = sum(level * dsp.resonate(clicks, f, ring_s) for f, level, ring_s in zip(formants_hz, (1, 0.8, 0.3), (0.03, 0.018, 0.01)))
    return dsp.normalise(sac * dsp.curve(length_s, [(0, 0.1), (0.35, 0.8), (0.8, 1), (0.93, 0.9), (1, 0)]))


def _croaks(count: int, length_s: tuple[float, float], pulses_hz: tuple[float, float], formants_hz: tuple[float, ...]) -> Renderer:
    """`count` croaks of one frog over the duration."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, rate_hz, sac_hz = dsp.silence(duration_s), rng.uniform(*pulses_hz), _spread(rng, formants_hz, 0.15)
        for start_s in dsp.even(rng, count, duration_s - 0.15, 0.08):
            dsp.place(canvas, _croak(rng, rng.uniform(*length_s), rate_hz, sac_hz), 0.02 + start_s, rng.uniform(0.8, 1))
        return dsp.normalise(dsp.room(rng, canvas, 0.4, rng.uniform(0.05, 0.15)))

    return render


def _pond(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Half a dozen frogs of different size, each at its own pace."""
    canvas = dsp.silence(duration_s)
    for _ in range(6):
        size, pace_s, level = rng.uniform(0.8, 1.7), rng.uniform(0.55, 1.2), rng.uniform(0.25, 1)
        sac_hz, rate_hz = np.array((780, 1_700, 3_100)) * size, rng.uniform(45, 85)
        for start_s in np.arange(rng.uniform(0, pace_s), duration_s, pace_s):
            croak = _croak(rng, rng.uniform(0.18, 0.32), rate_hz, sac_hz)
            dsp.place(canvas, croak, max(0.0, start_s + rng.normal(0, 0.06)), level)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.8, 0.25), 0.1, 0.3))


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "door_wood_knock": (
        Variant("three_slow", "three slow knocks on a wooden door", "event", (1.9, 3), _knocks((0, 1, 2), (150, 240), 0.16, (0.6, 0.8))),
        Variant("four_quick", "four quick knocks on a wooden door", "event", (1.1, 1.8), _knocks((0, 1, 2, 3), (190, 300), 0.12, (0.17, 0.24))),
        Variant("two_heavy", "two heavy thumps on a wooden door", "event", (1.5, 2.5), _knocks((0, 1), (75, 115), 0.3, (0.7, 1.0))),
        Variant("two_and_three", "two knocks on a door, a pause, then three more", "event", (2, 3), _knocks((0, 1, 4, 5, 6), (170, 270), 0.13, (0.22, 0.3))),
    ),
    "mouse_click": (
        Variant("one_click", "a computer mouse is clicked once", "event", (0.8, 1.3), _clicks((0.0,))),
        Variant("two_double_clicks", "two double clicks of a computer mouse", "event", (1.5, 2.5), _clicks((0.0, 1.0), double=True)),
        Variant("many_clicks", "a computer mouse is clicked again and again at uneven intervals", "texture", (3, 8), _many_clicks),
    ),
    "keyboard_typing": (
        Variant("fast_typing", "somebody types fast on a computer keyboard", "texture", (3, 10), _typing(None, (0.11, 0.14), 0.8, True)),
        Variant("loud_mechanical", "loud clattering typing on a mechanical keyboard", "texture", (3, 10), _typing(None, (0.14, 0.19), 1.8, True)),
        Variant("eight_slow_keys", "eight single keys are struck slowly on a keyboard", "event", (3, 4.5), _typing(8, (1, 1), 1.0, False)),
    ),
    "glass_breaking": (
        Variant("one_glass", "a drinking glass shatters on the floor", "event", (1.3, 2.2), _one_glass),
        Variant("window_pane", "a window is smashed with a thud, and shards rain down for a while", "event", (2.4, 3.6), _window),
        Variant("bounces_then_breaks", "a glass bottle clinks twice on a hard floor, then shatters", "event", (2, 3), _then_falls),
    ),
    "snoring": (
        Variant("two_deep_snores", "two deep, rattling snores", "event", (5, 7), _snores(2, (28, 42), False)),
        Variant("snore_and_whistle", "a sleeper snores twice, whistling softly on each breath out", "event", (5, 7), _snores(2, (40, 60), True)),
        Variant("three_short_snores", "three short, hoarse snores", "event", (4.5, 6), _snores(3, (55, 80), False)),
    ),
    "breathing": (
        Variant("calm", "a person breathes calmly in and out", "texture", (5, 12), _breathing((2.7, 3.6), 0.85, 1.1)),
        Variant("panting", "a person pants, quick breaths in and out", "event", (3, 7), _breathing((0.6, 0.8), 0.9, 1.15)),
    ),
    "brushing_teeth": (
        Variant("steady", "teeth are brushed with quick, even strokes", "texture", (4, 10), _brushing((7, 9), False)),
        Variant("with_pauses", "teeth are brushed in short bouts with brief pauses", "texture", (4, 10), _brushing((5.5, 7.5), True)),
    ),
    "can_opening": (
        Variant("crack_and_hiss", "a drinks can is opened: a crack and a short hiss", "event", (0.9, 1.4), _can_opened),
        Variant("fizzes_on", "a can is opened with a long hiss and the drink fizzes on", "event", (2, 3.5), _can_fizzes),
    ),
    "toilet_flush": (
        Variant("flush_and_refill", "a toilet is flushed, gurgles, and the cistern fills up again", "event", (6, 9), _flush_refill),
        Variant("flush", "a toilet is flushed: a rush of water that ends in a gurgle", "event", (4, 6.5), _flush_short),
    ),
    "drinking_sipping": (
        Variant("two_sips", "somebody slurps a drink twice and swallows each time", "event", (2.8, 4), _sips),
        Variant("four_gulps", "somebody drinks in four gulps", "event", (2.2, 3.2), _gulps(4)),
    ),
    "frog": (
        Variant("three_croaks", "a frog croaks three times", "event", (2.0, 3.2), _croaks(3, (0.3, 0.42), (45, 65), (700, 1_500, 2_900))),
        Variant("deep_bullfrog", "a bullfrog gives two long, deep croaks", "event", (2.4, 3.6), _croaks(2, (0.65, 0.85), (85, 105), (210, 480, 1_200))),
        Variant("pond", "several frogs croak across one another at a pond", "texture", (4, 12), _pond),
    ),
}
