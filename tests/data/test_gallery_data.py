"""The gallery as data: complete, in eight languages, and apart from what the models learn their words from."""

from collections import Counter

import pytest

from clap.audio import load
from clap.data.datasets import SPLITS, load_dataset
from clap.data.lexicon import load_lexicon
from clap.errors import UserError
from clap.languages import CODES
from clap.text import normalize_caption


@pytest.fixture(scope="module")
def gallery():
    return load_dataset("gallery")


def test_size_splits_and_lengths(gallery):
    assert Counter(clip.split for clip in gallery.clips) == {"train": 80, "validation": 48, "test": 128}
    assert all(4 <= clip.duration_s <= 12 and 1 <= len(clip.events) <= 3 for clip in gallery.clips)
    assert {clip.licence for clip in gallery.clips} == {"CC0-1.0"}


def test_at_least_two_captions_a_clip_and_language(gallery):
    counts = Counter((caption.clip, caption.language) for caption in gallery.captions)
    assert len(counts) == 256 * 8 and min(counts.values()) >= 2
    assert {caption.provenance for caption in gallery.captions} == {"machine"}


@pytest.mark.parametrize("language", CODES)
def test_no_caption_is_a_lexicon_entry_or_stands_twice(gallery, language):
    lexicon = load_lexicon()
    entries = {text for entry in lexicon.classes[language].values() for texts in entry.values() for text in texts}
    entries |= {sentence[language] for sentence in lexicon.sentences}
    known = {normalize_caption(text).strip() for text in entries}
    texts = [normalize_caption(caption.text).strip() for caption in gallery.captions_in(language)]
    assert not known & set(texts)
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_scripts_are_those_of_the_languages(gallery):
    """Japanese has kana in nearly every caption, Chinese has none anywhere, and neither has Latin sentences."""

    def kana(text):
        return any("\u3040" <= character <= "\u30ff" for character in text)

    assert all(kana(caption.text) for caption in gallery.captions_in("jpn_Jpan"))
    assert not any(kana(caption.text) for caption in gallery.captions_in("zho_Hans"))
    for code in CODES[:6]:
        assert not any("\u3040" <= c <= "\u9fff" for caption in gallery.captions_in(code) for c in caption.text)


def test_clips_are_what_the_manifest_says(gallery):
    for clip in gallery.clips[::37]:
        assert len(load(clip.path)) / 16_000 == pytest.approx(clip.duration_s, abs=0.15)


def test_splits_by_name():
    assert {split: len(load_dataset(f"gallery-{split}").clips) for split in SPLITS} == {"train": 80, "validation": 48, "test": 128}
    with pytest.raises(UserError, match="gallery-train"):
        load_dataset("audiocaps")
