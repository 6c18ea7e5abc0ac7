"""Ground truth by ids: both directions, its hash, and what it refuses."""

from __future__ import annotations

import pytest

from clap.errors import UserError
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO, Qrels

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
        (["a", "b"], [("x1", "a"), ("x1", "b")], "have several: x1"),
        ([], [], "holds no clips"),
    ],
)
def test_refusals(clips, pairs, sentence):
    with pytest.raises(UserError, match=sentence):
        Qrels.from_pairs(clips, pairs)
