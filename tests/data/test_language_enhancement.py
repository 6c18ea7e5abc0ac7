from collections import Counter

import pytest

from clap.data.language_enhancement import BASELINE, MIXTURE, PAPER_RATIO, PAPER_RATIOS, Pair, epoch_pairs, mode_languages
from clap.data.records import Caption
from clap.errors import UserError
from clap.languages import CODES, ENGLISH, ENHANCED_CODES


def captions(clips=100, english=5):
    made = [Caption(f"{c}-{n}", str(c), ENGLISH, f"text {n} of {c}", "human") for c in range(clips) for n in range(english)]
    return made + [Caption(f"{c}-{code}", str(c), code, f"{code} {c}", "machine") for c in range(clips) for code in ENHANCED_CODES]


def foreign(pairs):
    return [pair for pair in pairs if pair.language != ENGLISH]


def test_baseline_takes_one_english_caption_of_every_clip():
    pairs = epoch_pairs(captions(), 0.0, seed=0, epoch=0)
    assert Counter(pair.clip for pair in pairs) == {str(c): 1 for c in range(100)}
    assert {pair.language for pair in pairs} == {ENGLISH}
    everything = epoch_pairs(captions(), 1.0, 0, 0, languages=())
    assert Counter(pair.clip for pair in everything) == {str(c): 1 for c in range(100)}


def test_mixture_adds_its_share_of_the_translations():
    pairs = epoch_pairs(captions(), PAPER_RATIO, seed=0, epoch=0)
    assert len(pairs) == 100 + 70 and len(foreign(pairs)) == 70
    assert {pair.language for pair in pairs} == set(CODES)


def test_one_language_adds_its_share_of_that_language_only():
    pairs = epoch_pairs(captions(), PAPER_RATIO, 0, 0, languages=("fra_Latn",))
    assert Counter(pair.language for pair in pairs) == {ENGLISH: 100, "fra_Latn": 10}


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 0), (0.1, 70), (0.25, 175), (0.333, 233), (0.5, 350), (1.0, 700)])
def test_how_many_are_drawn_without_replacement(ratio, expected):
    drawn = foreign(epoch_pairs(captions(), ratio, 0, 0))
    assert len(drawn) == len(set(drawn)) == expected


def test_english_stands_once_for_every_clip_at_every_ratio_and_changes_with_the_epoch():
    epochs = [
        [pair for pair in epoch_pairs(captions(), ratio, 0, epoch) if pair.language == ENGLISH] for epoch in range(3) for ratio in (0, 1)
    ]
    assert all(Counter(pair.clip for pair in english) == {str(c): 1 for c in range(100)} for english in epochs)
    assert len({frozenset(english) for english in epochs[::2]}) == 3
    assert len({pair.text for english in epochs for pair in english}) > 200


def test_every_translation_is_as_likely_as_any_other():
    counts = Counter(pair for epoch in range(200) for pair in foreign(epoch_pairs(captions(clips=10), 0.1, 0, epoch)))
    assert len(counts) == 70 and sum(counts.values()) == 200 * 7
    assert min(counts.values()) > 5 and max(counts.values()) < 40  # 20 expected, with a standard deviation of 4.2


def test_each_epoch_draws_anew_and_the_seed_decides():
    first, second, again = (epoch_pairs(captions(), 0.1, 0, epoch) for epoch in (0, 1, 0))
    assert first == again and set(foreign(first)) != set(foreign(second))
    assert first != epoch_pairs(captions(), 0.1, 1, 0)


def test_ratio_four_tenths_gives_the_papers_captions_per_clip():
    assert 0.4 in PAPER_RATIOS
    assert len(epoch_pairs(captions(), 0.4, 0, 0)) / 100 == pytest.approx(3.8)


@pytest.mark.parametrize("ratio", [-0.1, 1.7, float("nan")])
def test_impossible_ratio(ratio):
    with pytest.raises(UserError, match="between 0 and 1"):
        epoch_pairs(captions(), ratio, 0, 0)


def test_clip_without_english_is_not_dropped_in_silence():
    lost = Caption("x", "lost", ENHANCED_CODES[0], "perdu", "machine")
    with pytest.raises(UserError, match="lost"):
        epoch_pairs([*captions(), lost], 0.1, 0, 0)


def test_a_language_that_was_never_translated():
    with pytest.raises(UserError, match="no captions in por_Latn; translate"):
        epoch_pairs(captions(), 0.1, 0, 0, languages=("fra_Latn", "por_Latn"))
    assert len(epoch_pairs(captions(), 0.0, 0, 0, languages=("por_Latn",))) == 100


def test_the_rows_of_table_2():
    assert mode_languages(BASELINE) == () and mode_languages(MIXTURE) == ENHANCED_CODES
    assert [mode_languages(code) for code in ENHANCED_CODES] == [(code,) for code in ENHANCED_CODES]
    assert mode_languages("por_Latn") == ("por_Latn",)
    with pytest.raises(UserError, match="Unknown language 'french'"):
        mode_languages("french")
    with pytest.raises(UserError, match="cannot be added to itself"):
        mode_languages(ENGLISH)


def test_the_prompt_is_what_the_tokenizer_puts_first(tokenizer):
    from clap.model import sonar

    prompts = {}
    for code in CODES:
        pair = Pair("c", "rain falls", code)
        prompts[code] = int(sonar.tokenize(tokenizer, [pair.text], pair.language)[0][0])
    assert len(set(prompts.values())) == 8
    assert {code: tokenizer._model.token_to_index(f"__{code}__") for code in CODES} == prompts
