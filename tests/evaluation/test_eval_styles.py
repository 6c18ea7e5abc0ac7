"""Four ways of asking, in eight languages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clap.data.datasets import load_dataset
from clap.data.records import Caption, Clip, Dataset
from clap.detection import detect_language
from clap.errors import UserError
from clap.languages import CODES, LANGUAGES
from eval.styles import QUESTIONS, STYLES, has_styles, keyword, question, style_queries

EVENTS = ({"class": "rain", "start_s": 2.0}, {"class": "dog", "start_s": 0.5}, {"class": "dog", "start_s": 4.0})


def world(captions=("a dog barks in the rain.", "rain falls on a barking dog")):
    clip = Clip("c", Path("c.wav"), "test", 5.0, "CC0", events=EVENTS)
    return Dataset("one", (clip,), tuple(Caption(f"c-{n}", "c", "eng_Latn", text, "human") for n, text in enumerate(captions)))


def test_the_four_styles_of_a_clip():
    texts = {style: [c.text for c in style_queries(world(), style).captions] for style in STYLES}
    assert texts == {
        "keyword": ["dog, rain"],
        "sentence": ["a dog barks in the rain."],
        "question": ["in which recording can you hear this: a dog barks in the rain?"],
        "paraphrase": ["rain falls on a barking dog"],
    }
    assert {style: style_queries(world(), style).captions[0].provenance for style in ("keyword", "question")} == {
        "keyword": "machine",
        "question": "human",
    }


def test_keywords_use_each_languages_comma():
    clip = world().clips[0]
    assert [keyword(clip, code) for code in ("fra_Latn", "jpn_Jpan", "zho_Hans")] == ["chien, pluie", "犬、雨", "狗，雨"]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.tag)
def test_questions_are_of_their_language(language):
    assert detect_language(QUESTIONS[language.code].format(caption="")) == language.code
    assert question("X。", language.code).count("X") == 1 and "。" not in question("X。", language.code)


def test_what_cannot_be_asked_is_told():
    with pytest.raises(UserError, match="Unknown style 'song'"):
        style_queries(world(), "song")
    with pytest.raises(UserError, match="a paraphrase needs a second"):
        style_queries(world(captions=("one",)), "paraphrase")
    silent = replace(world(), clips=(replace(world().clips[0], events=()),))
    with pytest.raises(UserError, match="sounds of clip 'c' are not told"):
        style_queries(silent, "keyword")
    assert has_styles(world()) and not has_styles(silent) and not has_styles(world(captions=("one",)))


def test_the_gallery_can_be_asked_in_every_style_and_language():
    gallery = load_dataset("gallery-test")
    assert has_styles(gallery)
    for style in STYLES:
        captions = style_queries(gallery, style).captions
        assert len(captions) == 128 * len(CODES) and all(caption.text.strip() for caption in captions)
