import numpy as np
import pytest

from clap.data.lexicon import Draft, draft, load_lexicon
from clap.errors import UserError
from clap.languages import CODES, ENGLISH


@pytest.fixture(scope="module")
def lexicon():
    return load_lexicon()


def test_languages_are_aligned(lexicon):
    assert len(lexicon.class_names) == 64
    for code in CODES:
        assert tuple(lexicon.classes[code]) == lexicon.class_names
        for name, entry in lexicon.classes[ENGLISH].items():
            assert {kind: len(texts) for kind, texts in lexicon.classes[code][name].items()} == {
                kind: len(texts) for kind, texts in entry.items()
            }
    assert len(lexicon.sentences) > 400 and all(sentence[code].strip() for sentence in lexicon.sentences for code in CODES)


def test_a_draft_is_the_same_sentence_in_every_language(lexicon):
    made = Draft("sequence_1", (("a", "dog", 0), ("b", "rain", 0)))
    dog, rain = (lexicon.classes["fra_Latn"][name]["clauses"][0] for name in ("dog", "rain"))
    assert made.text(lexicon, ENGLISH).startswith("a dog barks and then ")
    assert made.text(lexicon, "fra_Latn") == f"{dog} et ensuite {rain}"


def test_drafts_name_the_classes_in_order_and_follow_the_seed(lexicon):
    first, again = (draft(lexicon, "sequence", ["dog", "rain"], np.random.default_rng(1)) for _ in range(2))
    assert first == again and [name for _, name, _ in first.fill] == ["dog", "rain"]


def test_templates_that_need_more_events_are_not_drawn(lexicon):
    for seed in range(50):
        made = draft(lexicon, "single", ["dog"], np.random.default_rng(seed))
        assert {name for _, name, _ in made.fill} == {"dog"} and "{" not in made.text(lexicon, ENGLISH)


def test_plain_drafts_keep_to_the_safe_clauses(lexicon):
    fills = [draft(lexicon, "sequence", ["dog", "rain"], np.random.default_rng(seed), plain=True).fill for seed in range(40)]
    used = {(slot, index) for fill in fills for slot, _, index in fill if slot in "abc"}
    assert max(index for _, index in used) < 5


def test_unknown_relation(lexicon):
    with pytest.raises(UserError, match="single"):
        lexicon.template_ids("around")
