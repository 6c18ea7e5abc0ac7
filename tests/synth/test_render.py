"""Rendered sound: the same again for the same plan, audible, of the length asked for, and written as promised."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.data.records import Clip, read_jsonl
from clap.synth import dsp
from clap.synth.__main__ import main
from clap.synth.plan import POOL, plan
from clap.synth.render import DIGITS, active_span_s, peaks, render_clip, render_event, render_to, write_manifest
from clap.synth.soundfont import _find_font
from clap.synth.variants import RATE_HZ, catalog, get_variant

for program in ("fluidsynth", "espeak-ng"):
    if shutil.which(program) is None:
        pytest.skip(f"the Debian package {program} is not installed", allow_module_level=True)

ALL = [(name, variant.name) for name, variants in catalog().items() for variant in variants]


@pytest.mark.parametrize(("class_name", "variant"), ALL[::4])
def test_variant_sounds_and_lasts(class_name, variant):
    found = get_variant(class_name, variant)
    duration_s = found.duration_s[0]
    sound = found.render(np.random.default_rng(7), duration_s)
    assert sound.dtype == np.float32 and sound.ndim == 1 and np.isfinite(sound).all()
    assert len(sound) / RATE_HZ == pytest.approx(duration_s, abs=0.1)
    assert 0.1 < np.abs(sound).max() <= 1 and dsp.rms(sound) > 1e-3


@pytest.mark.parametrize(("class_name", "variant"), [("dog", "three_deep_barks"), ("rain", "downpour"), ("man_speaking", "french")])
def test_generators_make_different_renditions(class_name, variant):
    found = get_variant(class_name, variant)
    takes = [found.render(np.random.default_rng(seed), found.duration_s[0]) for seed in (1, 2, 1)]
    assert np.array_equal(takes[0], takes[2]) and not np.array_equal(takes[0], takes[1])


@pytest.mark.parametrize(("class_name", "variant"), [("thunderstorm", "one_thunderclap"), ("engine", "car_starts"), ("siren", "fast_wail")])
def test_one_sample_never_sounds_the_same_twice(class_name, variant):
    found = get_variant(class_name, variant)
    takes = [found.render(np.random.default_rng(seed), found.duration_s[0]) for seed in range(12)]
    assert len({take.tobytes() for take in takes}) == len(takes)


def test_three_barks_are_three():
    sound = get_variant("dog", "three_deep_barks").render(np.random.default_rng(3), 3.0)
    frames = np.abs(sound[: len(sound) // 1600 * 1600]).reshape(-1, 1600).max(axis=1) > 0.35
    assert np.count_nonzero(np.diff(frames.astype(int), prepend=0) == 1) == 3


def test_clip_is_deterministic_and_its_events_lie_inside():
    clip = next(clip for clip in plan(POOL, 20) if clip.relation == "three")
    (first, events), (second, _) = render_clip(clip), render_clip(clip)
    assert np.array_equal(first, second)
    assert 4 <= len(first) / RATE_HZ <= clip.duration_s + 0.001
    assert np.abs(first).max() == pytest.approx(0.85, abs=0.001)
    assert [event["class"] for event in events] == [event.class_name for event in clip.events]
    assert all(0 <= event["start_s"] < event["end_s"] <= clip.duration_s + 0.01 for event in events)


def test_clip_ends_soon_after_its_last_event():
    clip = next(clip for clip in plan(POOL, 60) if clip.events[-1].class_name == "man_speaking" and not clip.events[0].background)
    waveform, events = render_clip(clip)
    assert len(waveform) / RATE_HZ <= max(4.0, events[-1]["end_s"] + 0.41)


def test_same_event_differs_between_splits():
    clip = plan("train")[0]
    elsewhere = replace(clip, split="test")
    assert not np.array_equal(render_event(clip, 0), render_event(elsewhere, 0))


def test_active_span_and_peaks():
    sound = np.concatenate([dsp.silence(1), np.ones(RATE_HZ, np.float32), dsp.silence(2)])
    assert active_span_s(sound) == pytest.approx((1, 2))
    digits = peaks(sound)
    assert len(digits) == 64 and set(digits) <= set(DIGITS)
    assert digits[:16] == "0" * 16 and digits[16:32] == "z" * 16
    assert peaks(dsp.silence(1)) == "0" * 64


def test_files_and_manifest(tmp_path: Path):
    clips = plan(POOL, 2)
    for suffix, rate_hz in ((".flac", 16_000), (".mp3", RATE_HZ)):
        write_manifest(tmp_path, render_to(tmp_path, clips, suffix))
        records = read_jsonl(tmp_path / "clips.jsonl", Clip)
        assert [record.id for record in records] == ["pool-000", "pool-001"]
        info = soundfile.info(records[0].path)
        assert (info.samplerate, info.channels) == (rate_hz, 1)
        assert info.duration == pytest.approx(records[0].duration_s, abs=0.15)
        assert records[0].licence == "CC0-1.0" and records[0].events[0]["description"]
    assert not list(tmp_path.rglob("*.part"))


def test_sheet_and_error_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["sheet", "whistling", "--out", str(tmp_path / "x.png")]) == 0
    assert (tmp_path / "x.png").stat().st_size > 1000
    assert main(["sheet", "unicorn", "--out", str(tmp_path / "y.png")]) == 2
    assert "unicorn" in capsys.readouterr().err


def test_missing_program_names_the_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["sheet", "man_speaking", "--out", str(tmp_path / "x.png")]) == 2
    assert "Debian package espeak-ng" in capsys.readouterr().err
    assert main(["sheet", "piano", "--out", str(tmp_path / "x.png")]) == 2
    assert "Debian package fluidsynth" in capsys.readouterr().err


def test_fonts_are_found():
    assert _find_font("GM").name == "FluidR3_GM.sf2" and _find_font("GS").is_file()
