"""Ground truth by ids: both directions, its hash, and what it refuses."""

from __future__ import annotations

import hashlib

import pytest

from clap.data.records import Caption
from clap.errors import UserError
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO, Qrels, groups_of, wording

PAIRS = [("x2", "b"), ("x1", "a"), ("x3", "a")]


def test_both_directions():
    qrels = Qrels.from_pairs(["b", "a"], PAIRS)
    assert qrels.relevant(TEXT_TO_AUDIO) == {"x1": ("a",), "x2": ("b",), "x3": ("a",)}
    assert qrels.relevant(AUDIO_TO_TEXT) == {"a": ("x1", "x3"), "b": ("x2",)}
    assert (qrels.pool_size(TEXT_TO_AUDIO), qrels.pool_size(AUDIO_TO_TEXT)) == (2, 3)


def test_hash_knows_pairs_and_not_their_order():
    one = Qrels.from_pairs(["a", "b"], PAIRS)
    assert one.hash == Qrels.from_pairs(["b", "a"], PAIRS[::-1]).hash
    assert one.hash != Qrels.from_pairs(["a", "b"], [("x2", "a"), ("x1", "a"), ("x3", "b")]).hash
    assert len(one.hash) == 16


@pytest.mark.parametrize(
    ("clips", "pairs", "sentence"),
    [
        (["a"], [("x1", "a"), ("x2", "lost")], "'lost', which the pool does not hold"),
        (["a", "bare"], [("x1", "a")], "no caption, such as bare"),
        (["a", "b"], [("x1", "a"), ("x1", "a"), ("x2", "b")], "name one twice: a"),
        ([], [], "holds no clips"),
    ],
)
def test_refusals(clips, pairs, sentence):
    with pytest.raises(UserError, match=sentence):
        Qrels.from_pairs(clips, pairs)


def test_hash_of_one_clip_per_caption_is_what_it_was():
    """The value under which results of schema version 1 were kept."""
    lines = "x1\ta\nx2\tb\nx3\ta\n"
    assert Qrels.from_pairs(["a", "b"], PAIRS).hash == hashlib.sha256(lines.encode()).hexdigest()[:16]


def test_a_caption_with_several_clips():
    qrels = Qrels.from_pairs(["a", "b"], [*PAIRS, ("x1", "b")])
    assert qrels.relevant(TEXT_TO_AUDIO)["x1"] == ("a", "b")
    assert qrels.relevant(AUDIO_TO_TEXT) == {"a": ("x1", "x3"), "b": ("x1", "x2")}
    assert (qrels.pool_size(TEXT_TO_AUDIO), qrels.pool_size(AUDIO_TO_TEXT)) == (2, 3)
    assert qrels.hash != Qrels.from_pairs(["a", "b"], PAIRS).hash


def said(**texts):
    return [Caption(name, name[0], "eng_Latn", text, "human") for name, text in texts.items()]


def test_captions_that_say_one_text_are_one_query():
    captions = said(a1="A dog barks.", b1="a dog, barks", c1="a dog barked", a2="rain", a3="Rain!")
    groups = groups_of(captions)
    assert groups == (("a1", "b1"), ("a2", "a3"))
    qrels = Qrels.from_pairs(["a", "b", "c"], [(c.id, c.clip) for c in captions])
    assert qrels.grouped(groups).captions == {"a": ("a1", "a2"), "b": ("a1",), "c": ("c1",)}
    assert qrels.grouped(()).hash == qrels.hash


def test_wording_knows_every_letter_and_no_order():
    captions = said(a="a dog", b="rain")
    assert wording(captions) == wording(captions[::-1]) != wording(said(a="A dog", b="rain"))
