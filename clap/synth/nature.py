"""Weather, water and fire."""

from __future__ import annotations

import numpy as np

from clap.synth import dsp
from clap.synth.soundfont import Note, play
from clap.synth.variants import Variant


def drop(rng: np.random.Generator, pitch_hz: float, ring_s: float = 0.09) -> np.ndarray:
    """One drop into water: a tick, then a bubble tone that rises and dies."""
    length_s = ring_s * 2
    rise = rng.uniform(0.25, 0.7)
    bubble = np.sin(dsp.glide(pitch_hz * (1 + rise * dsp.times(length_s) / length_s))) * dsp.decay(length_s, ring_s, 0.003)
    tick = 0.35 * dsp.highpass(dsp.white(rng, 0.012), 2500) * dsp.decay(0.012, 0.008, 0.0005)
    canvas = dsp.silence(length_s + 0.02)
    dsp.place(canvas, tick, 0.0)
    dsp.place(canvas, bubble, 0.012)
    return canvas


def drops(rng: np.random.Generator, duration_s: float, rate_hz: float, low_hz: float, high_hz: float, ring_s: float) -> np.ndarray:
    """Many small drops at random times, pitches and strengths."""
    canvas = dsp.silence(duration_s)
    for start_s in dsp.scatter(rng, duration_s, rate_hz):
        pitch_hz = low_hz * (high_hz / low_hz) ** rng.random()
        dsp.place(canvas, drop(rng, pitch_hz, ring_s * rng.uniform(0.5, 1.3)), start_s, rng.random() ** 2 + 0.05)
    return canvas


def _spread_drops(rng: np.random.Generator, duration_s: float, count: int, pitch_hz: float, ring_s: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for start_s in dsp.even(rng, count, duration_s - 0.4, 0.06):
        dsp.place(canvas, drop(rng, pitch_hz * rng.uniform(0.92, 1.08), ring_s), start_s, rng.uniform(0.7, 1.0))
    return canvas


def _font_texture(rng: np.random.Generator, duration_s: float, bank: int, program: int, font: str, keys: tuple[int, int]) -> np.ndarray:
    key = int(rng.integers(keys[0], keys[1] + 1))
    skip_s = rng.uniform(0.5, 2.0)
    sound = play([Note(0.0, key, duration_s + skip_s + 1.0, 100)], program, duration_s + skip_s, bank, font, rng.uniform(-0.5, 0.5))
    return dsp.normalise(dsp.fade(sound[-dsp.samples(duration_s) :], 0.15, 0.2))


def _steady_rain(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _font_texture(rng, duration_s, 1, 122, "GS", (58, 63))


def _light_rain(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    taps = dsp.silence(duration_s)
    for start_s in dsp.scatter(rng, duration_s, rng.uniform(35, 70)):
        tap = dsp.bandpass(dsp.white(rng, 0.03), 900 * 5 ** rng.random(), 11_000) * dsp.decay(0.03, rng.uniform(0.008, 0.025), 0.0005)
        dsp.place(taps, tap, start_s, rng.random() ** 2)
    hiss = dsp.bandpass(dsp.white(rng, duration_s), 2_000, 9_000, 1)
    return dsp.normalise(dsp.fade(dsp.normalise(taps) + 0.035 * hiss, 0.1, 0.2))


def _downpour(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    sheet = dsp.bandpass(dsp.white(rng, duration_s), rng.uniform(500, 900), 12_000, 1)
    body = dsp.lowpass(dsp.tilted(rng, duration_s, 1.0), 900)
    splashes = drops(rng, duration_s, 120, 1_200, 5_000, 0.015)
    mixed = sheet * dsp.wander(rng, duration_s, 0.5, 0.8, 1.0) + 0.4 * body + 1.2 * splashes
    return dsp.normalise(dsp.fade(mixed, 0.1, 0.2))


def _beach(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _font_texture(rng, duration_s, 0, 122, "GM", (57, 64))


def _breakers(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """A wave every four to six seconds: a dark swell that breaks into bright foam and runs out."""
    canvas = 0.06 * dsp.lowpass(dsp.tilted(rng, duration_s, 1.0), 1_500)
    start_s = -rng.uniform(0.5, 2.0)
    while start_s < duration_s:
        length_s = rng.uniform(4.5, 6.0)
        swell = dsp.lowpass(dsp.tilted(rng, length_s, 1.2), 700) * dsp.curve(length_s, [(0, 0), (0.35, 1), (0.6, 0.4), (1, 0)])
        foam = dsp.bandpass(dsp.white(rng, length_s), 700, 7_000, 1)
        foam = foam * dsp.curve(length_s, [(0, 0), (0.28, 0.1), (0.38, 1), (0.6, 0.4), (1, 0)])
        whole = 0.9 * swell + 0.45 * foam
        dsp.place(canvas, whole[dsp.samples(-start_s) :] if start_s < 0 else whole, start_s, rng.uniform(0.8, 1.0))
        start_s += rng.uniform(3.6, 4.6)
    return dsp.normalise(dsp.fade(canvas, 0.1, 0.3))


def _steady_wind(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return _font_texture(rng, duration_s, 3, 122, "GS", (56, 64))


def _howling_wind(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Gusts: broad low noise, and a narrow whistle whose pitch follows the strength of the gust."""
    strength = dsp.wander(rng, duration_s, 0.7, 0.1, 1.0)
    low = dsp.lowpass(dsp.tilted(rng, duration_s, 1.3), 600) * strength
    tone_hz = rng.uniform(350, 500) * (1 + 0.9 * strength)
    slow = dsp.lowpass(dsp.white(rng, duration_s), 25) + 1j * dsp.lowpass(dsp.white(rng, duration_s), 25)
    howl = np.real(slow * np.exp(1j * dsp.glide(tone_hz))) * strength**1.5
    mixed = low / dsp.rms(low) + 0.9 * howl / dsp.rms(howl)
    return dsp.normalise(dsp.fade(mixed, 0.3, 0.4))


def _thunderclap(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    key = int(rng.integers(56, 63))
    clap = play([Note(0.05, key, duration_s, 115)], 122, duration_s, 2, "GS", rng.uniform(-0.5, 0.5))
    roll = dsp.wander(rng, duration_s, 5, 0.5, 1.0)
    return dsp.normalise(dsp.fade(dsp.room(rng, clap * roll, 1.5, 0.2), 0.0, 0.8))


def _rumble(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    noise = dsp.lowpass(dsp.tilted(rng, duration_s, 1.3), rng.uniform(160, 260), 1)
    rolls = dsp.wander(rng, duration_s, 2.5, 0.2, 1.0) ** 2
    shape = dsp.curve(duration_s, [(0, 0), (0.12, 0.5), (0.3, 1), (0.6, 0.5), (1, 0)])
    return dsp.normalise(noise * rolls * shape)


def _storm(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    rain = _steady_rain(rng, duration_s) * 0.35
    for place in (rng.uniform(0.05, 0.12), rng.uniform(0.5, 0.6)):
        clap = _thunderclap(rng, min(4.5, duration_s * 0.5))
        dsp.place(rain, clap, place * duration_s, rng.uniform(0.8, 1.0))
    return dsp.normalise(dsp.fade(rain, 0.1, 0.3))


def _three_drips(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    return dsp.normalise(_spread_drops(rng, duration_s, 3, rng.uniform(900, 1_500), 0.12))


def _dripping_tap(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    count = max(3, round(duration_s * rng.uniform(2.2, 3.0)))
    return dsp.normalise(_spread_drops(rng, duration_s, count, rng.uniform(1_100, 1_900), 0.07))


def _cave_drips(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    dry = _spread_drops(rng, duration_s, max(3, round(duration_s * 0.9)), rng.uniform(700, 1_300), 0.14)
    return dsp.normalise(dsp.room(rng, dry, 2.0, 0.5))


def _fill_glass(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Splashing water whose air resonance climbs as the glass fills."""
    canvas = dsp.silence(duration_s)
    low_hz, high_hz = rng.uniform(350, 500), rng.uniform(1_300, 1_900)
    for start_s in dsp.scatter(rng, duration_s * 0.93, 90):
        centre_hz = low_hz * (high_hz / low_hz) ** (start_s / duration_s)
        pitch_hz = centre_hz * rng.choice([1.0, 1.0, 2.7, 4.4]) * rng.uniform(0.85, 1.15)
        dsp.place(canvas, drop(rng, pitch_hz, rng.uniform(0.02, 0.06)), start_s, rng.random() ** 2 + 0.1)
    splash = dsp.bandpass(dsp.white(rng, duration_s), 1_500, 9_000, 1) * dsp.wander(rng, duration_s, 14, 0.2, 1.0)
    shape = dsp.curve(duration_s, [(0, 0), (0.06, 1), (0.88, 0.8), (0.97, 0)])
    return dsp.normalise((dsp.normalise(canvas) + 0.06 * splash) * shape)


def _pour_tub(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    stream = _font_texture(rng, duration_s, 4, 122, "GS", (60, 66))
    gurgle = drops(rng, duration_s, 60, 250, 1_100, 0.06)
    return dsp.normalise(dsp.fade(0.5 * stream + 0.8 * dsp.normalise(gurgle), 0.15, 0.3))


def _crackles(rng: np.random.Generator, duration_s: float, rate_hz: float) -> np.ndarray:
    canvas = dsp.silence(duration_s)
    for start_s in dsp.scatter(rng, duration_s, rate_hz):
        length_s = rng.uniform(0.004, 0.02)
        snap = dsp.bandpass(dsp.white(rng, 0.03), 400 * 6 ** rng.random(), 12_000) * dsp.decay(0.03, length_s, 0.0003)
        dsp.place(canvas, snap, start_s, rng.random() ** 4 + 0.03)
    return dsp.normalise(canvas)


def _gentle_fire(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    bed = dsp.lowpass(dsp.tilted(rng, duration_s, 1.2), 500) * dsp.wander(rng, duration_s, 3, 0.5, 1.0)
    return dsp.normalise(dsp.fade(_crackles(rng, duration_s, rng.uniform(14, 24)) + 0.035 * bed, 0.1, 0.2))


def _roaring_fire(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    flutter = dsp.wander(rng, duration_s, 9, 0.35, 1.0)
    bed = dsp.lowpass(dsp.tilted(rng, duration_s, 1.4), 900) * flutter
    return dsp.normalise(dsp.fade(_crackles(rng, duration_s, rng.uniform(45, 70)) + 0.2 * bed, 0.1, 0.2))


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "rain": (
        Variant("steady_rain", "steady rain falls without pause", "texture", (4, 12), _steady_rain),
        Variant("light_rain", "light rain patters, single drops can be told apart", "texture", (4, 12), _light_rain),
        Variant("downpour", "a heavy downpour rushes and splashes", "texture", (4, 12), _downpour),
    ),
    "sea_waves": (
        Variant("beach_surf", "surf hisses on a beach, slowly swelling and ebbing", "texture", (4, 12), _beach),
        Variant("breakers", "sea waves break one after another, each with a dark swell and hissing foam", "texture", (5, 12), _breakers),
    ),
    "wind": (
        Variant("steady_wind", "a steady dull wind blows", "texture", (4, 12), _steady_wind),
        Variant("howling_gusts", "wind howls in gusts, its whistling pitch rises and falls", "texture", (4, 12), _howling_wind),
    ),
    "thunderstorm": (
        Variant("one_thunderclap", "one thunderclap close by, then a fading rumble", "event", (3.5, 6), _thunderclap),
        Variant("distant_rumble", "thunder rumbles deep and far away", "event", (4, 7), _rumble),
        Variant("thunder_and_rain", "a thunderstorm: rain falls and thunder strikes twice", "texture", (7, 12), _storm),
    ),
    "water_drops": (
        Variant("three_drips", "three drops of water fall, with pauses between", "event", (2.5, 5), _three_drips),
        Variant("dripping_tap", "water drips quickly and regularly from a tap", "event", (3, 8), _dripping_tap),
        Variant("cave_drips", "water drips slowly in an echoing cave", "texture", (4, 10), _cave_drips),
    ),
    "pouring_water": (
        Variant("filling_glass", "water is poured into a glass, the pitch climbs as it fills", "event", (3, 6), _fill_glass),
        Variant("into_tub", "water runs and gurgles into a tub without stopping", "texture", (4, 10), _pour_tub),
    ),
    "crackling_fire": (
        Variant("gentle_fire", "a small fire crackles gently", "texture", (4, 12), _gentle_fire),
        Variant("roaring_fire", "a big fire roars and crackles densely", "texture", (4, 12), _roaring_fire),
    ),
}
