"""Horns, clocks, bells, radios, fireworks and saws, all modelled; the motors come from their own module."""

from __future__ import annotations

import numpy as np

from clap.synth import dsp, motors
from clap.synth.motors import bursts, coloured, spread
from clap.synth.variants import RATE_HZ, Renderer, Variant


def _honk(rng: np.random.Generator, length_s: float, roots_hz: tuple[float, ...]) -> np.ndarray:
    """Electric horns sounding together: a steel diaphragm hits a stop, so the partials are strong up to several kHz."""
    rise = dsp.curve(length_s, [(0, 0.93), (min(0.5, 0.04 / length_s), 1), (1, 1)])
    weights = (0.7, 0.8, 1.0, 0.9, 0.8, 0.6, 0.45, 0.35, 0.25, 0.2, 0.12, 0.1, 0.07, 0.05)
    horns = [dsp.harmonics(dsp.glide(root_hz * rise), spread(rng, weights, 0.4)) for root_hz in roots_hz]
    return dsp.fade(dsp.normalise(sum(horns)), 0.012, 0.03)


def _honks(lengths: tuple[float, ...], roots_hz: tuple[float, float]) -> Renderer:
    """Honks and the pauses after them share the duration; `lengths` are honk, pause, honk, ... in relative time."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        low_hz = rng.uniform(*roots_hz)
        roots, canvas, start_s = (low_hz, low_hz * rng.uniform(1.18, 1.27)), dsp.silence(duration_s), 0.02
        unit_s = (duration_s - 0.35) / sum(lengths)
        for number, length in enumerate(lengths):
            if number % 2 == 0:
                dsp.place(canvas, _honk(rng, length * unit_s, roots), start_s, rng.uniform(0.9, 1.0))
            start_s += length * unit_s
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, rng.uniform(0.4, 1.0), rng.uniform(0.1, 0.35)), 0, 0.1))

    return render


def _tick(rng: np.random.Generator, bodies_hz: np.ndarray, ring_s: float) -> np.ndarray:
    """One beat of an escapement: a hard click, a weaker one just after it, both ringing in the case."""
    click = dsp.highpass(dsp.white(rng, 0.004), 2_500) * dsp.decay(0.004, 0.004, 0.0002)
    ringing = [(f, 1 / order**0.5, ring_s / order**0.5) for order, f in enumerate(bodies_hz, 1)]
    one = dsp.mix(0.35 * click, dsp.modes(ring_s * 1.5, ringing))
    canvas = dsp.silence(ring_s * 1.5 + 0.03)
    dsp.place(canvas, one, 0.012)
    dsp.place(canvas, one, 0.0, 0.3)
    return dsp.normalise(canvas)


def _ticking(rate_hz: float, bodies_hz: tuple[float, ...], ring_s: float, tock: float, pitch: tuple[float, float]) -> Renderer:
    """Exactly regular ticks; every second one has its pitch times `tock`."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        bodies, canvas = spread(rng, bodies_hz) * rng.uniform(*pitch), dsp.silence(duration_s)
        pair = (_tick(rng, bodies, ring_s), _tick(rng, bodies * tock, ring_s))
        for number in range(int((duration_s - 0.1) * rate_hz) + 1):
            dsp.place(canvas, pair[number % 2], 0.04 + number / rate_hz, (1.0, 0.85)[number % 2] * rng.uniform(0.85, 1.0))
        return dsp.normalise(dsp.room(rng, canvas, rng.uniform(0.2, 0.5), rng.uniform(0.08, 0.25)))

    return render


def _beeps(group: int, beep_s: float, gap_s: float, pause_s: float) -> Renderer:
    """A quartz alarm: groups of square-like beeps around 2 kHz until no whole group fits."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        pitch_hz, pace, canvas, start_s = rng.uniform(1_900, 2_600), rng.uniform(0.92, 1.08), dsp.silence(duration_s), 0.03
        tone = dsp.harmonics(dsp.glide(np.full(dsp.samples(beep_s * pace), pitch_hz)), (1, 0.1, rng.uniform(0.2, 0.4), 0.05, 0.1))
        while start_s + group * (beep_s + gap_s) * pace < duration_s + gap_s:
            for i in range(group):
                dsp.place(canvas, dsp.fade(tone, 0.003, 0.005), start_s + i * (beep_s + gap_s) * pace)
            start_s += (group * (beep_s + gap_s) + pause_s) * pace
        return dsp.normalise(dsp.room(rng, canvas, 0.25, rng.uniform(0.05, 0.2)))

    return render


def _alarm_bell(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A hammer rattles between two small steel bells, and slows a little as the spring runs down."""
    strikes_hz, canvas, start_s = rng.uniform(17, 23), dsp.silence(duration_s), 0.03
    bells = [_small_bell(rng, rng.uniform(1_500, 2_000) * detune, 0.5) for detune in (1.0, 1.06)]
    number, slowing = 0, rng.uniform(0.1, 0.3)
    while start_s < duration_s - 0.35:
        dsp.place(canvas, bells[number % 2], start_s, rng.uniform(0.7, 1.0))
        start_s += (1 + slowing * start_s / duration_s) * rng.uniform(0.95, 1.05) / strikes_hz
        number += 1
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.3, 0.1), 0, 0.05))


def _small_bell(rng: np.random.Generator, base_hz: float, ring_s: float) -> np.ndarray:
    partials = zip((1.0, 1.52, 2.18, 2.76, 3.43, 4.2, 5.4), (0.8, 0.3, 0.9, 1.0, 0.6, 0.5, 0.3))
    body = dsp.modes(ring_s, [(base_hz * ratio * rng.uniform(0.98, 1.02), level, ring_s / ratio**0.4) for ratio, level in partials])
    return dsp.normalise(dsp.mix(body, dsp.highpass(dsp.white(rng, 0.006), 3_000)))


def _chime(rng: np.random.Generator, pitch_hz: float, ring_s: float) -> np.ndarray:
    """A struck metal bar: the partials of a free bar and a soft thud of the plunger."""
    bar = dsp.modes(ring_s, [(pitch_hz, 1, ring_s), (pitch_hz * 2.756, 0.35, ring_s * 0.4), (pitch_hz * 5.404, 0.15, ring_s * 0.15)])
    beat = dsp.modes(ring_s, [(pitch_hz * rng.uniform(1.001, 1.003), 0.4, ring_s)])
    thud = dsp.bandpass(dsp.white(rng, 0.03), 300, 2_500) * dsp.decay(0.03, 0.02, 0.001)
    return dsp.fade(dsp.mix(bar + beat, 0.4 * thud), 0.001, 0.05)


def _chimes(ratios: tuple[float, ...], gap: float) -> Renderer:
    """Struck bars at those ratios to a root around 520 Hz, `gap` of the duration apart."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        root_hz, canvas = rng.uniform(470, 590), dsp.silence(duration_s)
        for number, ratio in enumerate(ratios):
            dsp.place(canvas, _chime(rng, root_hz * ratio, rng.uniform(1.8, 2.6)), 0.02 + number * gap * duration_s, rng.uniform(0.85, 1))
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 0.5, rng.uniform(0.08, 0.2)), 0, 0.3))

    return render


def _buzzer(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Two presses of a mains buzzer, the second longer: an armature rattling a hundred times a second."""
    rate_hz, canvas, usable_s = rng.choice([100.0, 120.0]), dsp.silence(duration_s), duration_s - 0.15
    metal = tuple(zip(spread(rng, (500, 1_150, 2_300, 3_900)), (0.6, 1.0, 0.9, 0.5)))
    for start, length in ((0.0, 0.3), (0.5, 0.5)):
        cycle_hz = rate_hz * dsp.wander(rng, length * usable_s, 25, 0.996, 1.004)
        dsp.place(canvas, dsp.fade(coloured(bursts(rng, cycle_hz, (0.0, 0.5), 14, 0.08), metal), 0.015, 0.02), 0.02 + start * usable_s)
    return dsp.normalise(dsp.room(rng, canvas, 0.3, rng.uniform(0.05, 0.2)))


def _static(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """The noise of an untuned receiver through a small loudspeaker."""
    noise = dsp.bandpass(dsp.white(rng, duration_s), rng.uniform(150, 350), rng.uniform(4_500, 8_000), 1)
    return dsp.normalise(dsp.fade(noise * dsp.wander(rng, duration_s, 1.5, 0.85, 1.0), 0.03, 0.05))


def _crackling_static(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    crackle = dsp.silence(duration_s)
    for start_s in dsp.scatter(rng, duration_s, rng.uniform(14, 26)):
        length_s = rng.uniform(0.004, 0.05)
        dsp.place(crackle, dsp.white(rng, length_s) * dsp.decay(length_s, length_s, 0.0005), start_s, rng.random() ** 2)
    rush = 0.12 * dsp.white(rng, duration_s) * dsp.wander(rng, duration_s, 2.5, 0.2, 1.0)
    hum = 0.05 * dsp.harmonics(dsp.glide(np.full(len(rush), rng.choice([100.0, 120.0]))), (1, 0.6, 0.4, 0.3, 0.2, 0.1))
    return dsp.normalise(dsp.fade(dsp.bandpass(crackle + rush, 200, 5_500, 1) + hum, 0.03, 0.05))


def _tuning(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """The dial passes carriers: the static is pushed back and a whistle slides down to zero and up again."""
    t, static, count = dsp.times(duration_s), _static(rng, duration_s), max(2, round(duration_s / 1.6))
    quiet, whistles = np.ones(len(t)), np.zeros(len(t))
    for centre_s in (np.arange(count) + rng.uniform(0.3, 0.7, count)) * duration_s / count:
        width_s = rng.uniform(0.25, 0.45)
        near = np.exp(-(((t - centre_s) / width_s) ** 2))
        offset_hz = np.abs(t - centre_s) / width_s * rng.uniform(1_200, 2_200)
        whistles += rng.uniform(0.3, 0.6) * near**0.5 * np.sin(dsp.glide(np.minimum(offset_hz, 6_000)))
        quiet *= 1 - 0.8 * near
    return dsp.normalise(dsp.fade(static * quiet + 0.5 * whistles, 0.03, 0.05))


def _bang(rng: np.random.Generator, size: float) -> np.ndarray:
    """A bursting shell: a shock, a dark boom and its echo among houses."""
    boom = dsp.lowpass(dsp.white(rng, 1.4), 260 / size, 1) * dsp.decay(1.4, 0.7 * size, 0.004)
    shock = dsp.lowpass(dsp.white(rng, 0.25), rng.uniform(1_200, 3_500), 1) * dsp.decay(0.25, 0.16, 0.001)
    return dsp.normalise(dsp.room(rng, dsp.mix(1.6 * boom, 0.9 * shock), 1.3, 0.5))


def _crackle(rng: np.random.Generator, length_s: float) -> np.ndarray:
    """Sparks: many small pops, thinning out."""
    canvas, noise = dsp.silence(length_s), dsp.bandpass(dsp.white(rng, 1.0), 350, 4_000, 1)
    for start_s in rng.gamma(2.0, length_s * 0.22, int(length_s * 70)):
        first = int(rng.integers(len(noise) - RATE_HZ // 20))
        pop = noise[first : first + dsp.samples(0.04)] * dsp.decay(0.04, rng.uniform(0.012, 0.04), 0.0003)
        dsp.place(canvas, pop, start_s, rng.random() ** 2)
    return dsp.room(rng, canvas, 0.6, 0.3)


def _rocket_whistle(rng: np.random.Generator, length_s: float) -> np.ndarray:
    pitch_hz = dsp.curve(length_s, [(0, 1_400), (0.3, 2_300), (1, 3_000)]) * rng.uniform(0.8, 1.15)
    shriek = dsp.harmonics(dsp.glide(pitch_hz * dsp.wander(rng, length_s, 50, 0.985, 1.015)), (1, 0.3, 0.15))
    hiss = 0.15 * dsp.bandpass(dsp.white(rng, length_s), 800, 6_000, 1)
    return dsp.fade((shriek + hiss) * dsp.curve(length_s, [(0, 0.3), (0.15, 1), (0.8, 0.5), (1, 0.15)]), 0.03, 0.05)


def _one_rocket(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas, rise_s = dsp.silence(duration_s), rng.uniform(0.24, 0.3) * duration_s
    dsp.place(canvas, _rocket_whistle(rng, rise_s), 0.02, 0.25)
    dsp.place(canvas, _bang(rng, rng.uniform(0.9, 1.2)), rise_s + 0.2)
    dsp.place(canvas, _crackle(rng, duration_s - rise_s - 0.5), rise_s + 0.45, 0.45)
    return dsp.normalise(dsp.fade(canvas, 0, 0.3))


def _three_bangs(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for start_s in dsp.even(rng, 3, duration_s - 0.9, 0.1):
        dsp.place(canvas, _bang(rng, rng.uniform(0.8, 1.4)), 0.03 + start_s, rng.uniform(0.7, 1))
    return dsp.normalise(dsp.fade(canvas, 0, 0.3))


def _display(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Many shells; every third leaves crackling sparks."""
    canvas = dsp.silence(duration_s)
    bangs, sparks = [_bang(rng, rng.uniform(0.6, 1.5)) for _ in range(4)], [_crackle(rng, 1.6) for _ in range(3)]
    for number, start_s in enumerate(dsp.even(rng, round(duration_s * 2.2), duration_s, 0.5)):
        dsp.place(canvas, bangs[int(rng.integers(4))], start_s, rng.uniform(0.25, 1))
        if number % 3 == 0:
            dsp.place(canvas, sparks[int(rng.integers(3))], start_s + 0.2, rng.uniform(0.2, 0.45))
    return dsp.normalise(dsp.fade(canvas, 0.05, 0.4))


def _saw_stroke(rng: np.random.Generator, length_s: float, teeth_hz: float, wood_hz: np.ndarray, pull: bool) -> np.ndarray:
    """Teeth drag over the grain: noise chopped at the tooth rate, faster in the middle of the stroke."""
    speed = dsp.curve(length_s, [(0, 0.35), (0.3, 0.9), (0.7, 1), (1, 0.4)])
    chop = 0.4 + 0.6 * np.maximum(0, np.sin(dsp.glide(teeth_hz * speed))) ** 2
    rasp = dsp.white(rng, length_s) * chop * dsp.wander(rng, length_s, 60, 0.5, 1)
    sound = sum(dsp.bandpass(rasp, f * 0.75, f * 1.33, 1) for f in wood_hz * (1.12 if pull else 1.0))
    return dsp.fade(sound * speed, 0.03, 0.05)


def _sawing(strokes_hz: tuple[float, float], count: int | None) -> Renderer:
    """Push and pull strokes in turn; `count` of them evenly in the duration, or as many as the pace allows."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        strokes = count or round(duration_s * rng.uniform(*strokes_hz))
        step_s, canvas, wood_hz = (duration_s - 0.05) / strokes, dsp.silence(duration_s), spread(rng, (750, 1_900, 4_300), 0.25)
        teeth_hz = rng.uniform(140, 260)
        for number in range(strokes):
            pull, length_s = number % 2 == 1, step_s * rng.uniform(0.72, 0.85)
            stroke = _saw_stroke(rng, length_s, teeth_hz, wood_hz, pull)
            dsp.place(canvas, stroke, 0.02 + number * step_s, rng.uniform(0.45, 0.65) if pull else rng.uniform(0.85, 1))
        return dsp.normalise(dsp.room(rng, canvas, 0.35, rng.uniform(0.08, 0.2)))

    return render


_PENDULUM = _ticking(1, (900, 1_700, 2_900), 0.06, 0.82, (0.8, 1.1))
_WALL_CLOCK = _ticking(2, (2_100, 3_700, 5_600), 0.03, 1, (0.85, 1.15))
_SMALL_CLOCK = _ticking(5, (3_200, 4_900, 7_400), 0.02, 0.93, (0.85, 1.15))
_SHORT_SHORT_SHORT_LONG = _honks((1, 0.7, 1, 0.7, 1, 0.7, 4), (390, 480))

VARIANTS: dict[str, tuple[Variant, ...]] = {
    **motors.VARIANTS,
    "car_horn": (
        Variant("one_long_honk", "a car horn gives one long honk", "event", (1.5, 3.0), _honks((1,), (370, 440))),
        Variant("two_short_honks", "a car honks twice, briefly", "event", (1.0, 1.7), _honks((1, 0.7, 1), (370, 440))),
        Variant("three_then_long", "a car honks three times briefly and once long", "event", (2.6, 4), _SHORT_SHORT_SHORT_LONG),
    ),
    "clock_tick": (
        Variant("pendulum", "a large clock ticks slowly, tick and tock in turn, once a second", "texture", (4, 12), _PENDULUM),
        Variant("wall_clock", "a clock ticks twice a second with dry clicks", "texture", (4, 12), _WALL_CLOCK),
        Variant("small_clock", "a small clock ticks fast, five times a second", "texture", (3, 10), _SMALL_CLOCK),
    ),
    "clock_alarm": (
        Variant("four_beeps", "a digital alarm clock beeps in groups of four", "event", (2.5, 7), _beeps(4, 0.07, 0.055, 0.5)),
        Variant("slow_beeps", "an alarm clock beeps slowly, one long beep at a time", "event", (3.5, 7), _beeps(1, 0.45, 0.45, 0.0)),
        Variant("bell", "a wind-up alarm clock rings its small bells in a rattling clang", "event", (2, 6), _alarm_bell),
    ),
    "doorbell": (
        Variant("ding_dong", "a doorbell chimes ding-dong, once", "event", (2.2, 3.2), _chimes((1.26, 1.0), 0.24)),
        Variant("ding_dong_twice", "a doorbell chimes ding-dong twice", "event", (3.4, 4.6), _chimes((1.26, 1.0, 1.26, 1.0), 0.19)),
        Variant("two_buzzes", "a harsh door buzzer sounds twice, the second time longer", "event", (1.3, 2.4), _buzzer),
    ),
    "radio_static": (
        Variant("hiss", "an untuned radio hisses evenly", "texture", (3, 10), _static),
        Variant("crackle", "radio static crackles over a low hum", "texture", (3, 10), _crackling_static),
        Variant("tuning", "a radio is tuned: static with whistles that slide down and up", "event", (3.5, 7), _tuning),
    ),
    "fireworks": (
        Variant("one_rocket", "a rocket whistles up and bursts with a bang, then sparks crackle", "event", (3.5, 5.5), _one_rocket),
        Variant("three_bangs", "three fireworks explode with deep bangs, one after another", "event", (3.2, 5), _three_bangs),
        Variant("display", "a fireworks display: many bangs over one another, with crackling sparks", "texture", (5, 12), _display),
    ),
    "hand_saw": (
        Variant("six_slow_strokes", "a hand saw cuts wood in six slow strokes", "event", (4, 6), _sawing((1, 1), 6)),
        Variant("quick", "somebody saws wood by hand with quick short strokes", "texture", (3, 9), _sawing((3.6, 4.6), None)),
    ),
}
