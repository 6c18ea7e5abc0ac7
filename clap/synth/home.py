"""Knocks, clicks, keys, breaking glass, cans and cisterns, all modelled; what mouths do comes from its own module."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clap.synth import dsp, mouths
from clap.synth.motors import spread
from clap.synth.mouths import grain
from clap.synth.nature import drops
from clap.synth.variants import Renderer, Variant

Maker = Callable[[np.random.Generator], np.ndarray]
"""Makes one short sound (T,), a little different at each call."""


def _door(rng: np.random.Generator, base_hz: float, ring_s: float) -> Maker:
    """A door leaf with its own modes, struck by knuckles that land a little differently each time."""
    ratios, levels = spread(rng, (1, 1.75, 2.6, 4.1, 6.3), 0.08), (1.0, 0.8, 0.55, 0.35, 0.2)

    def knock(rng: np.random.Generator) -> np.ndarray:
        partials = [(base_hz * r, level * rng.uniform(0.6, 1.2), ring_s / r**0.5) for r, level in zip(ratios, levels)]
        knuckle = 0.6 * grain(rng, 0.012, 700, 4_000)
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


def _switch(rng: np.random.Generator) -> Maker:
    """A micro switch in a plastic shell: an instant snap with a bright ring."""
    shell_hz = spread(rng, (1_900, 3_600, 5_900, 8_200), 0.2)

    def snap(rng: np.random.Generator) -> np.ndarray:
        ring = dsp.modes(0.02, [(f, rng.uniform(0.3, 1), rng.uniform(0.005, 0.012)) for f in shell_hz])
        return dsp.mix(0.8 * ring, grain(rng, 0.006, 1_800, 11_000))

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
        dsp.place(canvas, dsp.mix(0.7 * down, bright * grain(rng, 0.018, 1_200, 9_000)), 0.0)
        dsp.place(canvas, bright * grain(rng, 0.012, 2_000, 9_000), rng.uniform(0.06, 0.11), 0.4)
        return canvas

    return key


def _typing(gap_s: tuple[float, float], bright: float) -> Renderer:
    """Keys with random gaps of about `gap_s`, among them a duller space bar."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, plate_hz, pace_s = dsp.silence(duration_s), rng.uniform(420, 750), rng.uniform(*gap_s)
        key, bar = _key_maker(rng, plate_hz, bright), _key_maker(rng, plate_hz * 0.5, bright * 0.5)
        for start_s in _key_times(rng, duration_s - 0.2, pace_s):
            pressed = bar if rng.random() < 0.17 else key
            dsp.place(canvas, pressed(rng), 0.02 + start_s, rng.uniform(0.5, 1))
        return dsp.normalise(dsp.room(rng, canvas, 0.2, rng.uniform(0.1, 0.3)))

    return render


def _key_times(rng: np.random.Generator, until_s: float, pace_s: float) -> np.ndarray:
    """Words of a few keys, with a short pause after some of them."""
    gaps = pace_s * rng.lognormal(0, 0.3, int(until_s / pace_s * 2) + 2)
    gaps[rng.random(len(gaps)) < 0.06] += rng.uniform(0.15, 0.4)
    times = np.cumsum(gaps) - gaps[0]
    return times[times < until_s]


def _shard(rng: np.random.Generator, size: float) -> np.ndarray:
    """One piece of glass that rings: a few inharmonic modes, higher and shorter for small pieces."""
    base_hz, ring_s = rng.uniform(1_600, 3_400) / size**0.5, 0.3 * size * rng.uniform(0.5, 1.2)
    ratios = 1 + np.cumsum(rng.uniform(0.25, 0.9, 5)) - 0.3
    return dsp.modes(ring_s * 1.2, [(base_hz * r, rng.uniform(0.3, 1), ring_s * rng.uniform(0.4, 1)) for r in ratios])


def _shatter(rng: np.random.Generator, length_s: float, pieces: int, spread_s: float) -> np.ndarray:
    """A crack, then pieces falling ever more sparsely."""
    canvas = dsp.silence(length_s)
    dsp.place(canvas, grain(rng, 0.25, 1_200, 12_000), 0.0, 2.5)
    dsp.place(canvas, dsp.lowpass(grain(rng, 0.12, 150, 900), 900), 0.0, 1.5)
    for start_s in rng.gamma(1.1, spread_s, pieces):
        level = rng.uniform(0.2, 1) * np.exp(-start_s / (2.2 * spread_s))
        dsp.place(canvas, _shard(rng, rng.uniform(0.25, 1)), start_s, 0.5 * level)
        dsp.place(canvas, grain(rng, 0.015, 2_500, 13_000), start_s, 0.7 * level)
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
        dsp.place(canvas, dsp.mix(bottle, grain(rng, 0.01, 1_500, 9_000)), start_s, gain)
    dsp.place(canvas, _shatter(rng, duration_s - 0.7, int(rng.integers(30, 45)), 0.2), rng.uniform(0.62, 0.68))
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.5, 0.2), 0, 0.1))


def _can(rng: np.random.Generator, duration_s: float, hiss_s: float) -> np.ndarray:
    """The tab is lifted, the lid cracks, gas rushes out, and the tab bends back."""
    canvas, crack_s = dsp.silence(duration_s), rng.uniform(0.18, 0.3)
    lid = spread(rng, (1_300, 2_700, 4_300, 6_800), 0.15)
    dsp.place(canvas, dsp.mix(dsp.modes(0.05, [(f, 0.5, 0.03) for f in lid[1:]]), grain(rng, 0.008, 2_000, 11_000)), 0.02, 0.35)
    crack = dsp.mix(dsp.modes(0.12, [(f, 1, rng.uniform(0.03, 0.08)) for f in lid]), 2.2 * grain(rng, 0.05, 900, 12_000))
    gas = dsp.bandpass(dsp.white(rng, hiss_s), rng.uniform(2_000, 3_000), 13_000, 1) * dsp.decay(hiss_s, hiss_s * 0.8, 0.003)
    dsp.place(canvas, crack, crack_s)
    dsp.place(canvas, gas, crack_s + 0.004, 0.9)
    for late_s, gain in ((rng.uniform(0.14, 0.2), 0.4), (rng.uniform(0.28, 0.38), 0.25)):
        dsp.place(canvas, dsp.mix(dsp.modes(0.08, [(f, 0.6, 0.04) for f in lid]), grain(rng, 0.02, 1_500, 9_000)), crack_s + late_s, gain)
    return canvas


def _can_opened(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return dsp.normalise(dsp.room(rng, _can(rng, duration_s, rng.uniform(0.35, 0.55)), 0.25, 0.15))


def _can_fizzes(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A long hiss, and bubbles that go on prickling."""
    canvas = _can(rng, duration_s, rng.uniform(0.7, 1.0))
    bubbles = [grain(rng, 0.004, low_hz, 14_000) for low_hz in rng.uniform(3_000, 7_000, 12)]
    for start_s in 0.3 + rng.gamma(1.2, duration_s * 0.3, int(duration_s * 140)):
        dsp.place(canvas, bubbles[int(rng.integers(12))], start_s, 0.25 * rng.random() ** 2)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.25, 0.12), 0, 0.2))


def _flush(rng: np.random.Generator, duration_s: float, refill: float) -> np.ndarray:
    """A lever, a rush that swells and sinks, a gurgle at its end, and water running on into the cistern."""
    rush = dsp.curve(duration_s, [(0, 0), (0.05, 0), (0.1, 1), (0.4, 0.8), (0.6, 0.12), (1, 0)])
    water = sum(dsp.bandpass(dsp.tilted(rng, duration_s, 0.7), f * 0.7, f * 1.5, 1) for f in spread(rng, (350, 900, 2_200)))
    bubbling = 1 + 0.5 * dsp.wander(rng, duration_s, 22, -1, 1)
    drain = dsp.curve(duration_s, [(0, 0), (0.35, 0), (0.5, 1), (0.62, 0.7), (0.72, 0), (1, 0)])
    gurgle = drops(rng, duration_s, 40, 130, 520, 0.09) * drain
    splash = drops(rng, duration_s, 45, 400, 2_200, 0.03) * rush
    filling = dsp.curve(duration_s, [(0, 0), (0.2, 0), (0.5, 1), (0.95, 1), (1, 0)])
    pipe = dsp.normalise(dsp.bandpass(dsp.white(rng, duration_s), rng.uniform(1_500, 2_000), 6_000, 1) * filling)
    sound = dsp.normalise(water * bubbling) * rush + 0.35 * dsp.normalise(gurgle) + 0.3 * dsp.normalise(splash) + refill * pipe
    dsp.place(sound, dsp.mix(grain(rng, 0.03, 500, 5_000), dsp.modes(0.1, [(rng.uniform(350, 600), 0.6, 0.07)])), 0.02, 0.4)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound.astype(np.float32), 0.5, 0.25), 0, 0.3))


def _flush_refill(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _flush(rng, duration_s, rng.uniform(0.1, 0.18))


def _flush_short(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _flush(rng, duration_s, 0.0)


_THREE_SLOW = _knocks((0, 1, 2), (150, 240), 0.16, (0.6, 0.8))
_FOUR_QUICK = _knocks((0, 1, 2, 3), (190, 300), 0.12, (0.17, 0.24))
_TWO_AND_THREE = _knocks((0, 1, 4, 5, 6), (170, 270), 0.13, (0.22, 0.3))

VARIANTS: dict[str, tuple[Variant, ...]] = {
    **mouths.VARIANTS,
    "door_wood_knock": (
        Variant("three_slow", "three slow knocks on a wooden door", "event", (1.9, 3), _THREE_SLOW),
        Variant("four_quick", "four quick knocks on a wooden door", "event", (1.1, 1.8), _FOUR_QUICK),
        Variant("two_heavy", "two heavy thumps on a wooden door", "event", (1.5, 2.5), _knocks((0, 1), (75, 115), 0.3, (0.7, 1.0))),
        Variant("two_and_three", "two knocks on a wooden door, a pause, then three more", "event", (2, 3), _TWO_AND_THREE),
    ),
    "mouse_click": (
        Variant("one_click", "a computer mouse is clicked once", "event", (0.8, 1.3), _clicks((0.0,))),
        Variant("two_double_clicks", "two double clicks of a computer mouse", "event", (1.5, 2.5), _clicks((0.0, 1.0), double=True)),
        Variant("many_clicks", "a computer mouse is clicked again and again at uneven intervals", "texture", (3, 8), _many_clicks),
    ),
    "keyboard_typing": (
        Variant("fast_typing", "somebody types fast on a computer keyboard", "texture", (3, 10), _typing((0.11, 0.14), 0.8)),
        Variant("loud_mechanical", "loud clattering typing on a mechanical keyboard", "texture", (3, 10), _typing((0.14, 0.19), 1.8)),
    ),
    "glass_breaking": (
        Variant("one_glass", "a drinking glass shatters on the floor", "event", (1.3, 2.2), _one_glass),
        Variant("window_pane", "a window is smashed with a thud, and shards rain down for a while", "event", (2.4, 3.6), _window),
        Variant("bounces_then_breaks", "a glass bottle clinks twice on a hard floor, then shatters", "event", (2, 3), _then_falls),
    ),
    "can_opening": (
        Variant("crack_and_hiss", "a drinks can is opened: a crack and a short hiss", "event", (0.9, 1.4), _can_opened),
        Variant("fizzes_on", "a can is opened with a long hiss and the drink fizzes on", "event", (2, 3.5), _can_fizzes),
    ),
    "toilet_flush": (
        Variant("flush_and_refill", "a toilet is flushed, gurgles, and the cistern fills up again", "event", (6, 9), _flush_refill),
        Variant("flush", "a toilet is flushed: a rush of water that ends in a gurgle", "event", (4, 6.5), _flush_short),
    ),
}
