from collections import Counter

import pytest

from clap.data.language_enhancement import epoch_pairs
from clap.data.records import Caption
from clap.errors import UserError
from clap.languages import CODES, ENGLISH, ENHANCED_CODES


def captions(clips=100, english=5):
    made = [Caption(f"{c}-{n}", str(c), ENGLISH, f"text {n} of {c}", "human") for c in range(clips) for n in range(english)]
    return made + [Caption(f"{c}-{code}", str(c), code, f"{code} {c}", "machine") for c in range(clips) for code in ENHANCED_CODES]


def test_baseline_takes_one_english_caption_of_every_clip():
    pairs = epoch_pairs(captions(), 0.0, seed=0, epoch=0)
    assert Counter(pair.clip for pair in pairs) == {str(c): 1 for c in range(100)}
    assert {pair.language for pair in pairs} == {ENGLISH}


def test_mixture_adds_its_share_of_the_translations():
    pairs = epoch_pairs(captions(), 0.1, seed=0, epoch=0)
    assert len(pairs) == 100 + 70
    assert {pair.language for pair in pairs} == set(CODES)


def test_each_epoch_draws_anew_and_the_seed_decides():
    first, second, again = (epoch_pairs(captions(), 0.1, 0, epoch) for epoch in (0, 1, 0))
    assert first == again and set(first) != set(second)
    assert first != epoch_pairs(captions(), 0.1, 1, 0)


def test_ratio_four_tenths_gives_the_papers_captions_per_clip():
    assert len(epoch_pairs(captions(), 0.4, 0, 0)) / 100 == pytest.approx(3.8)


@pytest.mark.parametrize("ratio", [-0.1, 1.7])
def test_impossible_ratio(ratio):
    with pytest.raises(UserError, match="between 0 and 1"):
        epoch_pairs(captions(), ratio, 0, 0)


def test_clip_without_english_is_not_dropped_in_silence():
    lost = Caption("x", "lost", ENHANCED_CODES[0], "perdu", "machine")
    with pytest.raises(UserError, match="lost"):
        epoch_pairs([*captions(), lost], 0.1, 0, 0)
