"""Vehicles, sirens, telephones, creaking doors, shots and bells: sampled in the soundfont or modelled."""

from __future__ import annotations

import numpy as np

from clap.synth import dsp
from clap.synth.soundfont import Note, play
from clap.synth.variants import RATE_HZ, Renderer, Variant

MARIMBA = 12
BELL_PARTIALS = (
    *((0.5, 0.6, 1.0), (1.0, 0.8, 0.7), (1.19, 0.9, 0.55), (1.5, 0.35, 0.4), (2.0, 1.0, 0.35)),
    *((2.52, 0.4, 0.22), (3.01, 0.35, 0.18), (4.1, 0.25, 0.12), (5.4, 0.2, 0.08), (6.8, 0.12, 0.05)),
)
"""Of a church bell, relative to the prime: frequency, amplitude, share of the decay time (hum, prime, tierce, quint, nominal ...)."""


def _sustained(font: str, bank: int, program: int, keys: tuple[int, int], skip_s: float = 0.0) -> Renderer:
    """One long sampled note, heard from about `skip_s` on."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        key, late_s = int(rng.integers(keys[0], keys[1] + 1)), skip_s * rng.uniform(0.6, 1.4)
        sound = play([Note(0.0, key, duration_s + late_s + 1, 110)], program, duration_s + late_s, bank, font, rng.uniform(-0.5, 0.5))
        return dsp.normalise(dsp.fade(sound[-dsp.samples(duration_s) :], 0.1, 0.25))

    return render


def _passing(source: Renderer) -> Renderer:
    """A texture that comes nearer, is loudest around the middle, and goes; far away it is also duller."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        sound, middle = source(rng, duration_s), rng.uniform(0.4, 0.6)
        near = dsp.curve(duration_s, [(0, 0), (middle - 0.2, 0.35), (middle, 1), (middle + 0.2, 0.35), (1, 0)])
        ends = dsp.curve(duration_s, [(0, 0), (0.1, 1), (0.9, 1), (1, 0)])
        return dsp.normalise((sound * near + dsp.lowpass(sound, 700) * (1 - near)) * (0.06 + near) * ends)

    return render


def _repeated(font: str, bank: int, program: int, keys: tuple[int, int], count: int, length_s: float, gap_s: float) -> Renderer:
    """The same sampled note `count` times, `length_s` long with pauses of `gap_s`, all scaled to fill the duration."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        key = int(rng.integers(keys[0], keys[1] + 1))
        scale = (duration_s - 0.1) / (count * (length_s + gap_s))
        steps = [0.03 + i * (length_s + gap_s) * scale * rng.uniform(0.97, 1.0) for i in range(count)]
        notes = [Note(start, key, length_s * scale, int(rng.integers(95, 125))) for start in steps]
        sound = play(notes, program, duration_s, bank, font, rng.uniform(-0.5, 0.5))
        return dsp.normalise(dsp.fade(dsp.room(rng, sound, 0.6, rng.uniform(0.05, 0.2)), 0.0, 0.1))

    return render


def _pulses(rng: np.random.Generator, firing_hz: np.ndarray, roughness: float) -> np.ndarray:
    """Combustion: one sharp pressure pulse a firing, of uneven strength, with noise riding on it; (T,) Hz -> (T,)."""
    turns = np.cumsum(firing_hz) / RATE_HZ
    strength = 1 + roughness * rng.standard_normal(int(turns[-1]) + 2)
    pulse = np.exp(-9 * (turns % 1)) * strength[turns.astype(int)]
    hiss = dsp.lowpass(rng.standard_normal(len(turns)), 3_500, 1)
    return (pulse - pulse.mean() + 0.5 * pulse * hiss).astype(np.float32)


def _engine_body(rng: np.random.Generator, firing_hz: np.ndarray, roughness: float) -> np.ndarray:
    raw = _pulses(rng, firing_hz, roughness)
    low = dsp.bandpass(raw, 45, 260, 1)
    pipe = sum(dsp.bandpass(raw, f * 0.85, f * 1.15, 1) for f in rng.uniform((300, 700, 1_500), (450, 1_000, 2_200)))
    return dsp.normalise(low + 0.6 * pipe + 0.12 * dsp.highpass(raw, 1_500, 1))


def _diesel_idle(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    firing_hz = rng.uniform(22, 30) * dsp.wander(rng, duration_s, 2, 0.97, 1.03)
    return dsp.normalise(dsp.fade(_engine_body(rng, firing_hz, 0.3), 0.1, 0.2))


def _revs_twice(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    idle_hz, top_hz = rng.uniform(32, 40), rng.uniform(120, 165)
    first, second = [(0, 0), (0.1, 0), (0.24, 0.9), (0.3, 0.85), (0.48, 0.05)], [(0.54, 0), (0.7, 1), (0.76, 0.95), (0.95, 0), (1, 0)]
    share = dsp.curve(duration_s, first + second)
    sound = _engine_body(rng, idle_hz + (top_hz - idle_hz) * share, 0.15) * (0.3 + 0.7 * share)
    return dsp.normalise(dsp.fade(sound, 0.1, 0.2))


def _propeller(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    middle = rng.uniform(0.42, 0.58)
    doppler = dsp.curve(duration_s, [(0, 1.08), (middle - 0.15, 1.06), (middle + 0.15, 0.93), (1, 0.91)])
    blade_hz = rng.uniform(78, 105)
    tone = sum(dsp.harmonics(dsp.glide(blade_hz * detune * doppler), [k**-0.9 for k in range(1, 14)]) for detune in (1.0, 1.012))
    sound = dsp.normalise(dsp.lowpass(tone, 1_800, 1)) + 0.12 * dsp.lowpass(dsp.tilted(rng, duration_s), 2_500)
    near = dsp.curve(duration_s, [(0, 0.03), (middle - 0.2, 0.4), (middle, 1), (middle + 0.2, 0.4), (1, 0.02)])
    return dsp.normalise(dsp.fade(sound * near, 0.2, 0.3))


def _cabin(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    hiss = dsp.lowpass(dsp.tilted(rng, duration_s, 1.2), 4_000, 1)
    hum = dsp.harmonics(dsp.glide(rng.uniform(85, 120) * dsp.wander(rng, duration_s, 0.4, 0.995, 1.005)), (0.5, 0.35, 0.2, 0.1))
    return dsp.normalise(dsp.fade(hiss + 0.7 * hum, 0.2, 0.3))


def _horn(rng: np.random.Generator, duration_s: float, root_hz: float) -> np.ndarray:
    """One blast of a train's chord horn."""
    bend = dsp.curve(duration_s, [(0, 0.97), (0.08, 1.0), (0.92, 1.0), (1, 0.97)])
    chime = (1.0, 1.19, 1.34, 1.59, 2.0)
    pitches_hz = [root_hz * ratio * bend * rng.uniform(0.997, 1.003) for ratio in chime]
    tones = [dsp.harmonics(dsp.glide(pitch_hz), [k**-0.7 for k in range(1, 10)]) for pitch_hz in pitches_hz]
    shape = dsp.curve(duration_s, [(0, 0), (0.08, 1), (0.9, 0.95), (1, 0)])
    return dsp.normalise(dsp.lowpass(sum(tones), 3_500, 1) * shape)


def _two_blasts(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    root_hz, canvas, usable_s = rng.uniform(270, 330), dsp.silence(duration_s), duration_s - 0.5
    for start, length in ((0.01, 0.33), (0.44, 0.56)):
        dsp.place(canvas, _horn(rng, length * usable_s, root_hz), start * usable_s)
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 1.6, 0.35), 0, 0.2))


def _train_and_horn(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    rails = _passing(_RAILS)(rng, duration_s)
    horn = np.pad(_horn(rng, min(2.0, duration_s * 0.3), rng.uniform(270, 330)), (0, RATE_HZ))
    dsp.place(rails, dsp.room(rng, horn, 1.0, 0.3), rng.uniform(0.05, 0.12) * duration_s, 0.45)
    return dsp.normalise(rails)


def _siren_tone(rng: np.random.Generator, pitch_hz: np.ndarray, duration_s: float) -> np.ndarray:
    tone = dsp.harmonics(dsp.glide(pitch_hz), (1.0, 0.3, 0.45, 0.12, 0.2, 0.06, 0.1))
    return dsp.normalise(dsp.fade(dsp.room(rng, tone, 1.0, 0.3), 0.08, 0.25))


def _slow_wail(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    swing = (1 - np.cos(2 * np.pi * dsp.times(duration_s) / rng.uniform(3.4, 4.6))) / 2
    return _siren_tone(rng, rng.uniform(420, 520) * 2.5**swing, duration_s)


def _two_tone(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    low_hz = rng.uniform(400, 450)
    second_tone = (dsp.times(duration_s) / rng.uniform(0.48, 0.62)) % 2 > 1
    return _siren_tone(rng, low_hz * np.where(second_tone, 4 / 3, 1.0), duration_s)


def _ringtone(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A mobile telephone plays one short figure on a marimba again and again."""
    key, step_s = int(rng.integers(72, 82)), rng.uniform(0.12, 0.15)
    figure = [int(step) for step in rng.choice([0, 2, 4, 7, 9, 12, 14], 8)]
    starts = [i for i in np.arange(0.02, duration_s - 0.3, step_s)]
    notes = [Note(float(s), key + figure[i % 12], step_s, 115) for i, s in enumerate(starts) if i % 12 < 8]
    return dsp.normalise(dsp.fade(dsp.bandpass(play(notes, MARIMBA, duration_s), 350, 7_000, 1), 0, 0.15))


def _creak(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Stick and slip of a dry hinge: a train of clicks at a changing rate that rings in the wood."""
    slips_hz = dsp.wander(rng, duration_s, 1.6, 130, 480) * (1 + 0.008 * dsp.wander(rng, duration_s, 40, -1, 1))
    clicks = np.diff(np.floor(np.cumsum(slips_hz) / RATE_HZ), prepend=0.0) * dsp.wander(rng, duration_s, 60, 0.6, 1.0)
    resonances_hz = rng.uniform((500, 1_000, 1_900, 3_300), (800, 1_600, 2_900, 5_200))
    wood = sum(dsp.resonate(clicks, f, rng.uniform(0.004, 0.009)) for f in resonances_hz)
    shape = dsp.curve(duration_s, [(0, 0), (0.15, 0.7), (0.6, 1), (0.9, 0.6), (1, 0)]) * dsp.wander(rng, duration_s, 3, 0.3, 1)
    return dsp.normalise(dsp.room(rng, dsp.normalise(wood) * shape, 0.5, 0.15))


def _bell(rng: np.random.Generator, prime_hz: float, ring_s: float) -> np.ndarray:
    """One stroke of a church bell; each partial is a close pair, so that it beats."""
    pairs = []
    for ratio, level, share in BELL_PARTIALS:
        for detune in (0.9992, 1.0008):
            pairs.append((prime_hz * ratio * detune, level * rng.uniform(0.8, 1.2) / 2, ring_s * share))
    clang = dsp.highpass(dsp.white(rng, 0.05), 1_500) * dsp.decay(0.05, 0.04, 0.0005)
    return dsp.normalise(dsp.mix(dsp.modes(ring_s, pairs), 0.25 * clang))


def _tolls(count: int, primes_hz: tuple[float, float]) -> Renderer:
    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        canvas, prime_hz = dsp.silence(duration_s), rng.uniform(*primes_hz)
        for i in range(count):
            dsp.place(canvas, _bell(rng, prime_hz, 7.0), 0.03 + i * duration_s / (count + 0.25), rng.uniform(0.85, 1.0))
        return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 1.8, 0.2), 0.0, 0.6))

    return render


def _peal(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Four bells ring over one another, each at its own pace."""
    canvas, base_hz = dsp.silence(duration_s), rng.uniform(240, 320)
    for ratio in (1.0, 1.125, 1.25, 1.5):
        stroke, pace_s = _bell(rng, base_hz * ratio, 4.0), rng.uniform(0.9, 1.5)
        for start_s in np.arange(rng.uniform(0, 0.6), duration_s, pace_s):
            dsp.place(canvas, stroke, max(0.0, start_s + rng.normal(0, 0.02)), rng.uniform(0.6, 1.0))
    return dsp.normalise(dsp.fade(dsp.room(rng, canvas, 1.8, 0.25), 0.05, 0.6))


_JET = _sustained("GS", 7, 125, (55, 62), 1.5)
_RAILS = _sustained("GS", 6, 125, (57, 64), 0.5)
_ROTOR = _sustained("GM", 0, 125, (57, 63), 0.5)
_OLD_BELL = _repeated("GM", 0, 124, (58, 62), 2, 1.4, 0.8)
_WARBLE = _repeated("GS", 1, 124, (58, 66), 3, 0.6, 0.5)
_TWO_SQUEAKS = _repeated("GS", 2, 124, (62, 67), 2, 1.4, 0.3)

VARIANTS: dict[str, tuple[Variant, ...]] = {
    "airplane": (
        Variant("jet_passes", "a jet plane flies over: the roar swells, then fades away", "event", (4.5, 8), _passing(_JET)),
        Variant("propeller_plane", "a propeller plane drones past, its pitch falls as it passes", "event", (4.5, 8), _propeller),
        Variant("cabin", "the steady low hum inside an airplane cabin", "texture", (4, 12), _cabin),
    ),
    "helicopter": (
        Variant("hovering", "a helicopter hovers, its blades chop steadily", "texture", (4, 12), _ROTOR),
        Variant("passes", "a helicopter comes near and flies away again", "event", (4.5, 8), _passing(_ROTOR)),
    ),
    "train": (
        Variant("on_rails", "a train rolls along, its wheels clattering over the rail joints", "texture", (4, 12), _RAILS),
        Variant("two_horn_blasts", "a train horn sounds twice, a short blast and a longer one", "event", (2.5, 4.5), _two_blasts),
        Variant("passes_with_horn", "a train sounds its horn once and clatters past", "event", (5, 8), _train_and_horn),
    ),
    "engine": (
        Variant("car_starts", "a car engine is started and then keeps running", "event", (3.5, 6), _sustained("GS", 1, 125, (58, 63))),
        Variant("diesel_idles", "a diesel engine idles, knocking evenly", "texture", (4, 12), _diesel_idle),
        Variant("revs_twice", "an engine is revved up twice, the second time higher", "event", (3.5, 5.5), _revs_twice),
    ),
    "siren": (
        Variant("fast_wail", "a siren wails quickly up and down", "texture", (3, 8), _sustained("GS", 5, 125, (57, 62))),
        Variant("slow_wail", "a siren howls slowly up and down", "texture", (4, 10), _slow_wail),
        Variant("two_tone", "a siren alternates between a low and a high tone", "texture", (3, 8), _two_tone),
    ),
    "telephone_ringing": (
        Variant("old_bell_two_rings", "an old telephone rings its bell twice", "event", (4, 5.5), _OLD_BELL),
        Variant("electronic_three_rings", "an electronic telephone warbles three times", "event", (3.0, 4.2), _WARBLE),
        Variant("mobile_ringtone", "a mobile phone plays a short tune over and over", "event", (3.5, 6), _ringtone),
    ),
    "door_wood_creaks": (
        Variant("one_slow_creak", "an old door creaks slowly, a dry grating creak", "event", (1.8, 3.5), _creak),
        Variant("squeaky_door", "a door squeaks open once", "event", (2.2, 3), _repeated("GS", 2, 124, (55, 61), 1, 2.0, 0.2)),
        Variant("two_squeaks", "a door squeaks twice, high and piercing", "event", (3.2, 4.5), _TWO_SQUEAKS),
    ),
    "gunshot": (
        Variant("one_shot", "one gunshot", "event", (1.6, 2.2), _repeated("GM", 0, 127, (57, 62), 1, 1.6, 0.1)),
        Variant("three_shots", "three gunshots, evenly spaced", "event", (2.6, 4), _repeated("GM", 0, 127, (56, 63), 3, 0.9, 0.05)),
        Variant("automatic_burst", "a burst of automatic gunfire", "event", (1.6, 3), _repeated("GS", 1, 127, (57, 62), 1, 1.6, 0.4)),
    ),
    "church_bells": (
        Variant("three_tolls", "one large church bell tolls three times", "event", (5, 8), _tolls(3, (170, 230))),
        Variant("five_strokes", "a smaller church bell strikes five times", "event", (5, 7.5), _tolls(5, (330, 430))),
        Variant("peal", "several church bells ring over one another", "texture", (4, 12), _peal),
    ),
}
