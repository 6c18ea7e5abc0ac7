"""The committed gallery is the one the code plans, and its files are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from clap.data.records import Clip, read_jsonl
from clap.synth.plan import CLIP_S, SPLITS, plan
from clap.synth.render import DIGITS

GALLERY = Path(__file__).resolve().parents[2] / "assets" / "gallery"


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return read_jsonl(GALLERY / "clips.jsonl", Clip)


def test_gallery_holds_the_plan(clips):
    planned = [clip for split in SPLITS for clip in plan(split)]
    assert [(clip.id, clip.split) for clip in clips] == [(clip.id, clip.split) for clip in planned]
    for clip, wanted in zip(clips, planned):
        heard = [(event["class"], event["variant"], event["background"]) for event in clip.events]
        assert heard == [(event.class_name, event.variant, event.background) for event in wanted.events], clip.id


def test_records_are_whole(clips):
    for clip in clips:
        assert CLIP_S[0] <= clip.duration_s <= CLIP_S[1] and clip.licence == "CC0-1.0"
        assert len(clip.peaks) == 64 and set(clip.peaks) <= set(DIGITS) and "z" in clip.peaks
        for event in clip.events:
            assert 0 <= event["start_s"] < event["end_s"] <= clip.duration_s + 0.01


def test_files_are_as_long_as_recorded(clips):
    for clip in clips:
        info = soundfile.info(clip.path)
        assert (info.samplerate, info.channels) == (32_000, 1)
        assert info.duration == pytest.approx(clip.duration_s, abs=0.15), clip.id
    assert {path.name for path in (GALLERY / "clips").iterdir()} == {clip.path.name for clip in clips}
