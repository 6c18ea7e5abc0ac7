import json
from pathlib import Path

import pytest

from clap.data.records import Caption, Clip, Dataset, read_jsonl, write_jsonl
from clap.errors import UserError


def clip(name, split="test"):
    return Clip(name, Path("clips") / f"{name}.mp3", split, 5.0, "CC0-1.0")


def caption(number, clip_id):
    return Caption(f"c{number}", clip_id, "eng_Latn", "a dog barks", "machine")


def test_round_trip(tmp_path):
    clips = [Clip("a", tmp_path / "clips" / "a.mp3", "test", 4.5, "CC0-1.0", events=({"class": "dog", "start_s": 0.0, "end_s": 1.0},))]
    write_jsonl(tmp_path / "clips.jsonl", clips)
    assert read_jsonl(tmp_path / "clips.jsonl", Clip) == clips
    assert json.loads((tmp_path / "clips.jsonl").read_text())["path"] == "clips/a.mp3"


def test_caption_of_a_missing_clip_is_an_error():
    with pytest.raises(UserError, match="does not hold: gone"):
        Dataset("d", (clip("a"),), (caption(0, "a"), caption(1, "gone")))


def test_repeated_ids_are_errors():
    with pytest.raises(UserError, match="two clips"):
        Dataset("d", (clip("a"), clip("a")), ())
    with pytest.raises(UserError, match="two captions"):
        Dataset("d", (clip("a"),), (caption(0, "a"), caption(0, "a")))


def test_a_part_keeps_its_captions_only():
    whole = Dataset("d", (clip("a", "train"), clip("b")), (caption(0, "a"), caption(1, "b")))
    part = whole.part("test")
    assert part.name == "d-test" and [c.id for c in part.clips] == ["b"] and [c.clip for c in part.captions] == ["b"]


def test_unknown_keys_are_refused(tmp_path):
    (tmp_path / "captions.jsonl").write_text(
        '{"id": "1", "clip": "a", "language": "eng_Latn", "text": "t", "provenance": "human", "mood": "x"}\n'
    )
    with pytest.raises(UserError, match="line 1.*mood"):
        read_jsonl(tmp_path / "captions.jsonl", Caption)
