"""The spectrogram pictures and the small signal tools under the sounds."""

from __future__ import annotations

import numpy as np
import pytest

from clap.synth import dsp
from clap.synth.soundfont import Note, midi
from clap.synth.spectrogram import MELS, log_mel, mel_filters
from clap.synth.variants import RATE_HZ


def test_a_tone_lights_the_right_mel_row():
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE_HZ) / RATE_HZ)
    row = log_mel(tone, RATE_HZ).mean(axis=1).argmax()
    filters = mel_filters(RATE_HZ, 1_025)
    assert filters[row].argmax() * RATE_HZ / 2 / 1_024 == pytest.approx(1_000, abs=60)
    assert log_mel(tone, RATE_HZ).shape[0] == MELS


def test_resonator_falls_by_60_db():
    impulse = np.zeros(RATE_HZ, np.float32)
    impulse[0] = 1
    rung = np.abs(dsp.resonate(impulse, 500, 0.5))
    fallen = rung[RATE_HZ // 2 : RATE_HZ // 2 + 640].max() / rung[:640].max()
    assert 20 * np.log10(fallen) == pytest.approx(-60, abs=3)


def test_place_drops_what_lies_outside():
    canvas = dsp.silence(1)
    dsp.place(canvas, np.ones(RATE_HZ, np.float32), 0.75, 0.5)
    assert canvas.sum() == pytest.approx(RATE_HZ * 0.125) and canvas[: RATE_HZ * 3 // 4].sum() == 0


def test_fade_and_fit():
    ones = np.ones(RATE_HZ, np.float32)
    faded = dsp.fade(ones, 0.1, 0.1)
    assert faded[0] == 0 and faded[-1] == 0 and faded[RATE_HZ // 2] == 1
    assert len(dsp.fit(ones, 2.0)) == 2 * RATE_HZ and len(dsp.fit(ones, 0.5)) == RATE_HZ // 2


def test_midi_selects_bank_program_and_times():
    song = midi([Note(0.5, 60, 0.25, 100)], 3, 122, 1.0)
    assert song.startswith(b"MThd") and bytes([0xB0, 0, 3]) in song and bytes([0xC0, 122]) in song
    assert bytes([0x83, 0x60, 0x90, 60, 100]) in song  # 480 ticks, note on
    assert song.endswith(b"\xff\x2f\x00")
