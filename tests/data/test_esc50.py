from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.data.esc50 import class_queries, load_esc50, load_esc50_queries
from clap.errors import UserError
from clap.languages import CODES
from clap.text import normalize_caption

SHARED = Path(__file__).resolve().parents[3] / "shared" / "esc50"
HEADER = "filename,fold,category,esc10,source_title,source_url,author,licence\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "audio").mkdir()
    rows = [("1-1-A-0", 1, "dog", "CC0"), ("4-2-A-10", 4, "rain", "CC-BY"), ("2-3-A-1", 2, "rooster", "CC-BY-NC")]
    table = HEADER + "".join(
        f"{name}.flac,{fold},{category},False,t,http://x/{name},ann,{licence}\n" for name, fold, category, licence in rows
    )
    (tmp_path / "esc50.csv").write_text(table)
    for name, *_ in rows:
        soundfile.write(tmp_path / "audio" / f"{name}.flac", np.zeros(1600), 16_000)
    return tmp_path


def test_folds_licences_and_credits(folder):
    clips = load_esc50(folder, (1, 2, 3), ("CC0", "CC-BY")).clips
    assert [(clip.id, clip.split, clip.licence, clip.source) for clip in clips] == [
        ("esc50-1-1-A-0", "train", "CC0", "http://x/1-1-A-0 by ann")
    ]
    assert clips[0].events[0]["class"] == "dog"
    assert [clip.split for clip in load_esc50(folder, (4,)).clips] == ["validation"]


def test_missing_audio_and_folders_are_told(folder, tmp_path):
    (folder / "audio" / "1-1-A-0.flac").unlink()
    with pytest.raises(UserError, match="1-1-A-0.flac"):
        load_esc50(folder, (1,))
    with pytest.raises(UserError, match="no esc50.csv"):
        load_esc50(tmp_path / "nowhere", (1,))


def test_recordings_carry_the_queries_of_their_class(folder):
    dataset = load_esc50_queries(folder, (1, 4))
    assert (dataset.name, {clip.split for clip in dataset.clips}) == ("esc50-fold1+4", {"fold-1+4"})
    assert len(dataset.captions) == 2 * 8 * 4 and {caption.provenance for caption in dataset.captions} == {"machine"}
    texts = [caption.text for caption in dataset.captions_in("eng_Latn") if caption.clip == "esc50-1-1-A-0"]
    assert texts == ["a dog barks", "a barking dog can be heard", "the bark of a dog is heard", "dog"]
    assert "雨" in [caption.text for caption in dataset.captions_in("jpn_Jpan") if caption.clip == "esc50-4-2-A-10"]


def test_a_class_that_the_lexicon_does_not_know_is_told(folder):
    table = folder / "esc50.csv"
    table.write_text(table.read_text().replace(",dog,", ",unicorn,"))
    with pytest.raises(UserError, match="ESC-50's classes unicorn are not in the lexicon"):
        load_esc50_queries(folder, (1,))


def test_no_query_asks_for_two_classes_in_any_language():
    for code in CODES:
        asked = [normalize_caption(text) for queries in class_queries(code).values() for text in queries]
        assert len(set(asked)) == len(asked) == 4 * 64, code


@pytest.mark.skipif(not SHARED.exists(), reason="ESC-50 is not beside the project")
def test_the_real_collection():
    clips = load_esc50(SHARED, (1, 2, 3), ("CC0", "CC-BY")).clips
    assert len(clips) == 1028 and len({clip.events[0]["class"] for clip in clips}) == 50
    assert len(load_esc50(SHARED, (4,)).clips) == 400


@pytest.mark.skipif(not SHARED.exists(), reason="ESC-50 is not beside the project")
def test_each_query_of_the_real_collection_has_eight_recordings():
    dataset = load_esc50_queries(SHARED)
    assert dataset.name == "esc50-fold4" and len(dataset.clips) == 400
    for code in CODES:
        clips = Counter(caption.text for caption in dataset.captions_in(code))
        assert len(clips) == 200 and set(clips.values()) == {8}
