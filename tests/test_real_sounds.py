"""Real recordings that no checkpoint was trained on: ESC-50's fold 4, where it lies beside the project."""

import os
from pathlib import Path

import pytest

from clap.audio import load
from clap.checkpoints import load_encoder
from clap.data.datasets import load_dataset
from clap.data.esc50 import load_esc50
from clap.search import Searcher

ESC50 = Path(os.environ.get("CLAP_ESC50", Path(__file__).resolve().parents[2] / "shared" / "esc50"))
pytestmark = pytest.mark.skipif(not ESC50.exists(), reason="ESC-50 is not beside the project; set CLAP_ESC50 to its folder")


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("CLAP_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield Searcher(load_encoder("compact-mixture-le"), load_dataset("gallery"))
    patch.undo()


def classes(hit):
    return {event["class"] for event in hit.clip.events}


def test_a_recorded_dog_brings_dog_captions(searcher):
    """Of the eight dogs of fold 4, most find a caption of a clip with a dog among their first three."""
    dogs = [clip for clip in load_esc50(ESC50, (4,)).clips if clip.events[0]["class"] == "dog"]
    found = [any("dog" in classes(hit) for hit in searcher.captions_for_audio(load(clip.path), top=3)) for clip in dogs]
    assert len(dogs) == 8 and sum(found) >= 5, found


def test_recordings_find_clips_of_their_class(searcher):
    """Chance puts a clip of the right class among the first ten of 256 about one time in three."""
    shared = {event["class"] for clip in searcher.dataset.clips for event in clip.events}
    clips = [clip for clip in load_esc50(ESC50, (4,)).clips if clip.events[0]["class"] in shared][::4]
    found = [clip.events[0]["class"] in set().union(*map(classes, searcher.by_audio(load(clip.path), top=10))) for clip in clips]
    assert sum(found) / len(found) > 0.55, sum(found) / len(found)
