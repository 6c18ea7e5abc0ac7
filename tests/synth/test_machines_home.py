"""Machines and household sounds: every variant sounds, repeats for its seed, and holds what its description counts."""

from __future__ import annotations

import time

import numpy as np
import pytest

from clap.synth import dsp, home, machines
from clap.synth.variants import RATE_HZ

CATALOGUE = {**machines.VARIANTS, **home.VARIANTS}
ALL = [pytest.param(variant, id=f"{name}-{variant.name}") for name, variants in CATALOGUE.items() for variant in variants]
SEEDS = range(4)


def _render(class_name: str, name: str, seed: int, duration_s: float | None = None) -> np.ndarray:
    variant = next(variant for variant in CATALOGUE[class_name] if variant.name == name)
    return variant.render(np.random.default_rng(seed), duration_s or sum(variant.duration_s) / 2)


def _envelope(sound: np.ndarray, frame_s: float) -> np.ndarray:
    """Peak of each frame, relative to the loudest."""
    width = dsp.samples(frame_s)
    frames = np.abs(sound[: len(sound) // width * width]).reshape(-1, width).max(axis=1)
    return frames / frames.max()


def _onsets(sound: np.ndarray, frame_s: float, high: float, low: float) -> np.ndarray:
    """Times in seconds at which the envelope passes `high` after having been under `low`."""
    times, armed = [], True
    for number, level in enumerate(_envelope(sound, frame_s)):
        if armed and level > high:
            times.append(number * frame_s)
        armed = level < low or (armed and level <= high)
    return np.array(times)


def _dominant_hz(sound: np.ndarray, low_hz: float = 20) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    frequency_hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return float(frequency_hz[np.where(frequency_hz >= low_hz, spectrum, 0).argmax()])


@pytest.mark.parametrize("variant", ALL)
def test_sounds_at_both_ends_of_its_durations(variant):
    for duration_s in variant.duration_s:
        sound = variant.render(np.random.default_rng(5), duration_s)
        assert sound.dtype == np.float32 and sound.ndim == 1 and np.isfinite(sound).all()
        assert len(sound) == dsp.samples(duration_s)
        assert 0.5 < np.abs(sound).max() <= 1 and dsp.rms(sound) > 5e-3


@pytest.mark.parametrize("variant", ALL)
def test_same_seed_same_sound_other_seed_another(variant):
    duration_s = variant.duration_s[0]
    first, again, other = (variant.render(np.random.default_rng(seed), duration_s) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert dsp.rms(first - other) > 0.3 * dsp.rms(first)


@pytest.mark.parametrize("name", CATALOGUE)
def test_names_are_unique_and_there_is_a_choice(name):
    names = [variant.name for variant in CATALOGUE[name]]
    assert 2 <= len(names) == len(set(names)) <= 4


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "count"), [("three_slow", 3), ("four_quick", 4), ("two_heavy", 2), ("two_and_three", 5)])
def test_knocks_are_counted(name, count, seed):
    assert len(_onsets(_render("door_wood_knock", name, seed), 0.01, 0.45, 0.35)) == count


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "rate_hz"), [("pendulum", 1), ("wall_clock", 2), ("small_clock", 5)])
def test_clock_ticks_at_its_rate(name, rate_hz, seed):
    onsets = _onsets(_render("clock_tick", name, seed, 6.0), 0.005, 0.5, 0.3)
    assert len(onsets) == pytest.approx(6 * rate_hz, abs=1)
    assert np.diff(onsets) == pytest.approx(1 / rate_hz, abs=0.011)


@pytest.mark.parametrize(
    ("class_name", "name", "count"),
    [
        ("car_horn", "one_long_honk", 1),
        ("car_horn", "two_short_honks", 2),
        ("car_horn", "three_then_long", 4),
        ("doorbell", "two_buzzes", 2),
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_horns_and_buzzes_are_counted(class_name, name, count, seed):
    assert len(_onsets(_render(class_name, name, seed), 0.02, 0.5, 0.35)) == count


@pytest.mark.parametrize(
    ("class_name", "name", "count"),
    [("frog", "three_croaks", 3), ("drinking_sipping", "four_gulps", 4), ("snoring", "two_deep_snores", 2), ("snoring", "three_snores", 3)],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_calls_and_gulps_are_counted(class_name, name, count, seed):
    smooth = np.sqrt(np.convolve(_render(class_name, name, seed) ** 2, np.ones(2_000) / 2_000, "same"))
    assert len(_onsets(smooth, 0.02, 0.4, 0.15)) == count


@pytest.mark.parametrize("seed", SEEDS)
def test_alarm_beeps_in_groups_of_four_around_two_kilohertz(seed):
    sound = _render("clock_alarm", "four_beeps", seed, 2.5)
    assert 1_890 < _dominant_hz(sound) < 2_610
    gaps = np.diff(_onsets(sound, 0.005, 0.5, 0.25))
    assert len(gaps) % 4 == 3 and [i % 4 for i in np.flatnonzero(gaps > 0.3)] == [3] * ((len(gaps) + 1) // 4 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_dong_is_a_major_third_below_ding(seed):
    sound = _render("doorbell", "ding_dong", seed, 3.0)
    ding, dong = _dominant_hz(sound[: dsp.samples(0.7)], 300), _dominant_hz(sound[dsp.samples(1.2) :], 300)
    assert ding / dong == pytest.approx(1.26, abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_rocket_whistles_before_it_bangs(seed):
    sound = _render("fireworks", "one_rocket", seed, 4.0)
    assert 900 < _dominant_hz(sound[: dsp.samples(0.8)]) < 3_600
    loudest_s = np.abs(sound).argmax() / RATE_HZ
    assert 1.0 < loudest_s < 1.7


@pytest.mark.parametrize("variant", ALL)
def test_rendering_is_fast(variant):
    duration_s, spent_s = variant.duration_s[0], []
    for seed in (1, 2):
        begin_s = time.process_time()
        variant.render(np.random.default_rng(seed), duration_s)
        spent_s.append(time.process_time() - begin_s)
    assert min(spent_s) < 0.15 * duration_s
