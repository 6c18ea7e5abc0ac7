"""From a plan to a waveform, and from many plans to a folder of clips with its manifest."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy import signal

from clap.data.records import Clip, write_jsonl
from clap.synth import dsp
from clap.synth.plan import CLIP_S, ClipPlan, EventPlan
from clap.synth.variants import RATE_HZ, get_variant

LICENCE = "CC0-1.0"
SOURCE = "synthesised by clap.synth"
PEAK_COUNT = 64
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
POOL_RATE_HZ = 16_000
CLOSING_S = 0.4
"""Kept after the last event's end."""
MP3_LEVEL = (320 - 64) / (320 - 32)
"""libsndfile's compression level for 64 kbit/s: it maps 0-1 onto 320-32 kbit/s."""


def _loudness(x: np.ndarray) -> float:
    """RMS of the loudest 0.3 s."""
    window = min(len(x), dsp.samples(0.3))
    power = np.convolve(np.square(x, dtype=np.float64)[:: RATE_HZ // 1_000], np.ones(max(1, window * 1_000 // RATE_HZ)), "valid")
    return float(np.sqrt(power.max() / max(1, window * 1_000 // RATE_HZ)))


def active_span_s(x: np.ndarray) -> tuple[float, float]:
    """First and last time in seconds at which the waveform (T,) is within 40 dB of its peak; (0, 0) for silence."""
    loud = np.flatnonzero(np.abs(x) > 0.01 * np.abs(x).max(initial=0.0))
    return (loud[0] / RATE_HZ, (loud[-1] + 1) / RATE_HZ) if len(loud) else (0.0, 0.0)


def render_event(clip: ClipPlan, index: int) -> np.ndarray:
    """The sound of one event of a clip, mono float32 (T,) at RATE_HZ, before it is placed."""
    event = clip.events[index]
    return get_variant(event.class_name, event.variant).render(clip.generator(index), event.duration_s)


def render_clip(clip: ClipPlan) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The clip's waveform, mono float32 (T,) at RATE_HZ with peak 0.85, and its events as heard, in order.

    Events are mappings with `class`, `variant`, `start_s`, `end_s`, `description`, `background`.
    """
    rng, canvas, events = clip.generator(-1), dsp.silence(clip.duration_s), []
    for index, event in enumerate(clip.events):
        sound = render_event(clip, index)
        level_db = rng.uniform(-15, -11) if event.background else rng.uniform(-2, 1)
        dsp.place(canvas, sound, event.start_s, 0.1 * 10 ** (level_db / 20) / max(_loudness(sound), 1e-6))
        begin, end = active_span_s(sound)
        start_s, end_s = event.start_s + begin, min(event.start_s + end, clip.duration_s)
        events.append(_heard(event, start_s, end_s))
    canvas = canvas[: dsp.samples(_length_s(clip, events))]
    wet = dsp.room(rng, canvas, rng.uniform(0.2, 0.5), rng.uniform(0.03, 0.1))
    air = dsp.tilted(rng, len(canvas) / RATE_HZ) * 0.1 * 10 ** (rng.uniform(-55, -42) / 20)
    return dsp.normalise(dsp.fade(wet + air, 0.02, 0.1), 0.85), events


def _length_s(clip: ClipPlan, events: Sequence[dict[str, Any]]) -> float:
    """The clip's length: as planned, or less when the last event fell silent before its time."""
    ended_s = max(event["end_s"] for event in events) + CLOSING_S
    return min(clip.duration_s, max(ended_s, CLIP_S[0]))


def _heard(event: EventPlan, start_s: float, end_s: float) -> dict[str, Any]:
    return {
        "class": event.class_name,
        "variant": event.variant,
        "start_s": round(float(start_s), 2),
        "end_s": round(float(end_s), 2),
        "description": event.description,
        "background": event.background,
    }


def peaks(waveform: np.ndarray) -> str:
    """The envelope of a waveform (T,) as PEAK_COUNT base-36 digits, the loudest slice being "z"."""
    tops = np.array([np.abs(part).max(initial=0.0) for part in np.array_split(waveform, PEAK_COUNT)])
    levels = np.round(35 * tops / max(float(tops.max()), 1e-9)).astype(int)
    return "".join(DIGITS[level] for level in levels)


def _write(path: Path, waveform: np.ndarray) -> None:
    """MP3 at RATE_HZ and about 64 kbit/s, or 16-bit FLAC at 16 kHz, by the suffix; through a temporary name."""
    partial = path.with_suffix(path.suffix + ".part")
    if path.suffix == ".mp3":
        soundfile.write(partial, waveform, RATE_HZ, format="MP3", bitrate_mode="CONSTANT", compression_level=MP3_LEVEL)
    else:
        low = signal.resample_poly(waveform, POOL_RATE_HZ, RATE_HZ)
        soundfile.write(partial, np.clip(low, -1, 1), POOL_RATE_HZ, format="FLAC", subtype="PCM_16")
    partial.replace(path)


def render_to(folder: Path, clips: Sequence[ClipPlan], suffix: str) -> list[Clip]:
    """Render clips into `folder`/clips and return their records; progress on standard error."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    records = []
    for number, clip in enumerate(clips, 1):
        waveform, events = render_clip(clip)
        path = folder / "clips" / f"{clip.id}{suffix}"
        _write(path, waveform)
        duration_s = round(len(waveform) / RATE_HZ, 3)
        records.append(Clip(clip.id, path, clip.split, duration_s, LICENCE, SOURCE, peaks(waveform), tuple(events)))
        print(f"\r{number}/{len(clips)} clips", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return records


def write_manifest(folder: Path, records: Sequence[Clip]) -> None:
    """Write `folder`/clips.jsonl."""
    write_jsonl(folder / "clips.jsonl", records)
