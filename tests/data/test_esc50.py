from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.data.esc50 import load_esc50
from clap.errors import UserError

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


@pytest.mark.skipif(not SHARED.exists(), reason="ESC-50 is not beside the project")
def test_the_real_collection():
    clips = load_esc50(SHARED, (1, 2, 3), ("CC0", "CC-BY")).clips
    assert len(clips) == 1028 and len({clip.events[0]["class"] for clip in clips}) == 50
    assert len(load_esc50(SHARED, (4,)).clips) == 400
