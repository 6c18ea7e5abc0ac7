import gradio as gr
import numpy as np
import pytest

import app
from clap.detection import detect_language
from clap.languages import CODES
from clap.search import Searcher
from clap.ui.clip_list import rows
from clap.ui.examples import EXAMPLES
from clap.ui.search_page import Column, SearchPage


@pytest.fixture
def page(tone_world, cache):
    return SearchPage([Column("Fake", "One line.", Searcher(tone_world.FakeEncoder(), tone_world.dataset))], tone_world.folder)


BAD_SOUNDS = {
    "silence": (np.zeros(16_000), 16_000, "silent"),
    "no samples": (np.zeros(0), 16_000, "no samples"),
    "a click": (np.ones(100), 16_000, "ms long"),
    "ten minutes": (np.ones(600 * 1000), 1000, "at most 5 minutes"),
}


@pytest.mark.parametrize("kind", BAD_SOUNDS)
def test_a_bad_sound_is_a_sentence_and_the_page_goes_on(page, tone_world, tmp_path, kind):
    samples, rate_hz, sentence = BAD_SOUNDS[kind]
    message, shown = page.search_audio(str(tone_world.write_wav(tmp_path / "sound.wav", samples, rate_hz)), "auto")
    assert 'role="alert"' in message
    assert sentence in message
    assert shown == gr.skip()
    assert page.search_text("a dog barks", "auto")[1]["clips"][0]["id"] == "dog-0"


def test_eight_channels_at_192_khz_are_a_sound(page, tone_world, tmp_path):
    pytest.importorskip("torchaudio")
    samples = np.repeat(tone_world.tone(880, 0.5, 192_000)[:, None], 8, axis=1)
    message, shown = page.search_audio(str(tone_world.write_wav(tmp_path / "many.wav", samples, 192_000)), "auto")
    assert 'role="status"' in message
    assert shown["captions"][0]["caption"] == "rain falls"


def test_what_a_message_repeats_is_escaped(page):
    message, _ = page.search_text("rain", "<img src=x onerror=alert(1)>")
    assert "<img" not in message
    assert "&lt;img" in message


def test_rows_name_clips_relative_to_the_page_and_nothing_of_the_server(page, tone_world):
    row = rows(page.columns[0].searcher.by_text("犬が吠えている", "jpn_Jpan", 1), tone_world.folder)[0]
    assert row == {
        "rank": 1, "id": "dog-0", "score": 1.0, "caption": "犬が吠えている", "lang": "ja", "duration": 2.0,
        "peaks": "0123456789abcdefghijklmnopqrstuvwxyz", "url": "clips/dog-0.wav",
    }  # fmt: skip


@pytest.mark.parametrize(("code", "query"), EXAMPLES)
def test_each_example_is_detected_as_its_language(code, query):
    assert detect_language(query) == code


def test_there_is_an_example_for_every_language():
    assert {code for code, _ in EXAMPLES} == set(CODES)


def test_a_checkpoint_is_described_by_its_languages():
    class Card:
        languages = ("eng_Latn",)

    assert app.describe(Card) == "Trained with captions in English only."
    Card.languages = CODES
    assert app.describe(Card) == "Trained with captions in all eight languages."


def test_a_checkpoint_that_reads_english_only_says_so_in_its_own_list(tone_world, cache):
    class EnglishOnly(tone_world.FakeEncoder):
        languages = ("eng_Latn",)

        def embed_text(self, captions, language):
            assert language == "eng_Latn"
            return super().embed_text(captions, language)

    searchers = [Searcher(kind, tone_world.dataset) for kind in (tone_world.FakeEncoder(), EnglishOnly("english"))]
    for searcher in searchers:
        searcher.prepare()
    page = SearchPage([Column(title, "", one) for title, one in zip(("All", "English"), searchers)], tone_world.folder)
    message, first, second = page.search_text("un chien aboie", "fra_Latn")
    assert 'role="status"' in message and first["clips"][0]["id"] == "dog-0"
    assert second == {"clips": [], "note": "English does not read French."}
    _, first, second = page.search_audio(str(tone_world.folder / "dog-0.wav"), "fra_Latn")
    assert first["captions"][0]["caption"] == "un chien aboie" and second["captions"][0]["caption"] == "a dog barks"
