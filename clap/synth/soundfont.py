"""Notes through FluidSynth and the FluidR3 soundfonts (Frank Wen, MIT), by a small standard MIDI file."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from clap.errors import UserError
from clap.synth.dsp import fit, normalise
from clap.synth.variants import RATE_HZ

FONTS = {"GM": "fluid-soundfont-gm", "GS": "fluid-soundfont-gs"}
"""Font name -> the Debian package that holds FluidR3_<name>.sf2."""

TICKS_PER_S = 960  # 480 ticks a quarter note at MIDI's default of 120 quarter notes a minute
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Note:
    """One note: MIDI `key` from `start_s` for `length_s`, `velocity` 1-127."""

    start_s: float
    key: int
    length_s: float
    velocity: int = 90


def _find_program() -> str:
    found = shutil.which("fluidsynth")
    if found is None:
        raise UserError("The program fluidsynth was not found; install the Debian package fluidsynth.")
    return found


def _find_font(font: str) -> Path:
    path = Path(shutil.which("fluidsynth") or "/usr/bin/fluidsynth").parent.parent / f"share/sounds/sf2/FluidR3_{font}.sf2"
    if not path.is_file():
        raise UserError(f"The soundfont {path.name} was not found; install the Debian package {FONTS[font]}.")
    return path


def _variable_length(number: int) -> bytes:
    groups = [number & 127]
    while number > 127:
        number >>= 7
        groups.append((number & 127) | 128)
    return bytes(reversed(groups))


def midi(notes: Sequence[Note], bank: int, program: int, end_s: float, bend: float = 0.0) -> bytes:
    """A standard MIDI file (format 0) that plays the notes with one program; bank 128 is the drum channel.

    All notes sound `bend` semitones higher, within the pitch wheel's two.
    """
    channel = DRUM_CHANNEL if bank == 128 else 0
    events = [(0, bytes([0xB0 | channel, 0, 0 if bank == 128 else bank])), (0, bytes([0xC0 | channel, program]))]
    wheel = int(np.clip(8192 + round(bend / 2 * 8192), 0, 16383))
    events.append((0, bytes([0xE0 | channel, wheel & 127, wheel >> 7])))
    for note in notes:
        velocity = int(np.clip(note.velocity, 1, 127))
        events.append((round(note.start_s * TICKS_PER_S), bytes([0x90 | channel, note.key, velocity])))
        events.append((round((note.start_s + note.length_s) * TICKS_PER_S), bytes([0x80 | channel, note.key, 0])))
    events.sort(key=lambda event: event[0])
    events.append((max(events[-1][0], round(end_s * TICKS_PER_S)), b"\xff\x2f\x00"))
    track, now = b"", 0
    for tick, message in events:
        track += _variable_length(tick - now) + message
        now = tick
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def play(notes: Sequence[Note], program: int, duration_s: float, bank: int = 0, font: str = "GM", bend: float = 0.0) -> np.ndarray:
    """The notes, `bend` semitones higher, as a dry mono float32 waveform (T,) of that duration at RATE_HZ, peak 0.9.

    Raises UserError naming the Debian package when FluidSynth or the soundfont is missing.
    """
    settings = ["synth.midi-bank-select=gs", "synth.dynamic-sample-loading=1", "synth.reverb.active=0", "synth.chorus.active=0"]
    with tempfile.TemporaryDirectory() as folder:
        song, sound = Path(folder, "song.mid"), Path(folder, "sound.wav")
        song.write_bytes(midi(notes, bank, program, duration_s, bend))
        options = [part for setting in settings for part in ("-o", setting)]
        files = ["-F", str(sound), str(_find_font(font)), str(song)]
        command = [_find_program(), "-ni", "-q", "-g", "0.5", "-r", str(RATE_HZ), *options, *files]
        subprocess.run(command, check=True, capture_output=True)
        stereo, _ = soundfile.read(sound, dtype="float32", always_2d=True)
    return normalise(fit(stereo.mean(axis=1), duration_s))
