import json
import urllib.error
import urllib.request
from urllib.parse import quote

import pytest

BASELINE, MIXTURE = "#results-1", "#results-2"


def captions(page, column):
    return page.locator(f"{column} .clip .clip-caption").all_inner_texts()


def wait_for_clips(page, column=MIXTURE):
    page.locator(f"{column} .clip").first.wait_for()


def test_a_typed_query_ranks_clips_in_both_columns(visit, search):
    page = visit()
    assert "English" in search(page, "a dog barks")
    for column in (BASELINE, MIXTURE):
        wait_for_clips(page, column)
        assert page.locator(f"{column} .clip").count() == 10
        assert [clip.get_attribute("data-id") for clip in page.locator(f"{column} .clip").all()[:3]] == ["dog-0", "dog-1", "dog-2"]
        assert page.locator(f"{column} .clip-score").first.inner_text() == "1.000"
        assert [int(rank) for rank in page.locator(f"{column} .clip-rank").all_inner_texts()] == list(range(1, 11))


def test_japanese_is_detected_and_captions_are_marked_as_japanese(visit, search):
    page = visit()
    assert "日本語" in search(page, "犬が吠えている")
    wait_for_clips(page)
    first = page.locator(f"{MIXTURE} .clip-caption").first
    assert (first.inner_text(), first.get_attribute("lang")) == ("犬が吠えている", "ja")
    assert page.locator(f"{MIXTURE} .clip-score").first.inner_text() == "1.000"
    assert float(page.locator(f"{BASELINE} .clip-score").first.inner_text()) < 0.5


def test_play_plays_and_a_second_clip_stops_the_first(visit, search):
    page = visit()
    search(page, "a dog barks")
    wait_for_clips(page)
    page.locator(f"{BASELINE} .clip-play").nth(0).click()
    page.wait_for_function("window.clipPlayer.audio.currentTime > 0.2")
    assert page.locator(f"{BASELINE} .clip").nth(0).get_attribute("class") == "clip is-playing"
    assert not page.locator(f"{BASELINE} .clip-time").nth(0).inner_text().startswith("cannot")
    page.locator(f"{MIXTURE} .clip-play").nth(1).click()
    page.wait_for_function("window.clipPlayer.audio.src.endsWith('dog-1.wav') && window.clipPlayer.audio.currentTime > 0")
    assert page.locator(".clip.is-playing").count() == 1
    page.locator(f"{MIXTURE} .clip-play").nth(1).click()
    assert page.evaluate("window.clipPlayer.audio.paused")


def test_the_keyboard_walks_the_results(visit, search):
    page = visit()
    search(page, "a dog barks")
    wait_for_clips(page)
    page.locator(f"{MIXTURE} .clip-play").first.focus()
    for key, rank in (("ArrowDown", "2"), ("j", "3"), ("k", "2"), ("End", "10"), ("Home", "1")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.closest('.clip').querySelector('.clip-rank').textContent") == rank


def test_a_recording_finds_captions_and_clips(visit):
    page = visit()
    sound = page.locator("#sound")
    sound.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(1500)
    sound.locator("button:has-text('Stop'):visible").first.click()
    page.locator("#sound-message [role=status]").wait_for()
    for column in (BASELINE, MIXTURE):
        wait_for_clips(page, column)
        assert page.locator(f"{column} .caption .clip-caption").first.inner_text() == "rain falls"
        assert captions(page, column)[0] == "rain falls"


def upload(page, name, content):
    page.locator("#sound").get_by_role("button", name="Upload file").click()
    page.locator("#sound input[type=file]").set_input_files({"name": name, "mimeType": "audio/wav", "buffer": content})


def test_an_uploaded_sound_answers_in_the_chosen_language_and_follows_it(visit, tone_world, tmp_path):
    page = visit()
    choose_language(page, "Français")
    upload(page, "bell.wav", tone_world.write_wav(tmp_path / "bell.wav", tone_world.tone(1320)).read_bytes())
    wait_for_clips(page)
    assert page.locator(f"{MIXTURE} .caption .clip-caption").first.inner_text() == "une cloche sonne"
    choose_language(page, "日本語")
    page.get_by_text("鐘が鳴る", exact=True).first.wait_for()


def choose_language(page, name):
    page.locator("#language input").click()
    page.get_by_role("option", name=name).click()


def test_a_text_file_named_wav_is_a_sentence_and_the_query_stays(visit):
    page = visit()
    page.fill("#query input", "a dog barks")
    upload(page, "notes.wav", b"these are words, not samples")
    message = page.locator("#sound-message [role=alert]")
    message.wait_for()
    assert message.inner_text().startswith("notes.wav ")
    assert page.input_value("#query input") == "a dog barks"
    assert page.locator(".toast-body").count() == 0


BAD_QUERIES = {"empty": ("", "in words"), "marks": ("  ?! ", "in words"), "huge": ("a" * 500_000, "this one holds 500,000")}


@pytest.mark.parametrize(("query", "sentence"), BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_query_is_a_sentence_beside_the_field_and_stays(visit, search, query, sentence):
    page = visit()
    assert sentence in search(page, query, wanted="alert")
    assert page.input_value("#query input") == query
    assert page.locator(".toast-body").count() == 0
    assert "English" in search(page, "a dog barks")
    wait_for_clips(page)


def test_hostile_queries_and_captions_are_only_text(visit, search, hostile):
    page = visit()
    search(page, f"a bell rings {hostile}")
    wait_for_clips(page)
    page.fill("#query input", "a bell rings")
    page.keyboard.press("Enter")
    page.locator(f"{MIXTURE} .clip-caption", has_text="onerror").wait_for()
    assert hostile in captions(page, MIXTURE)
    assert page.locator(f"{MIXTURE} img, {MIXTURE} b, #query-message img").count() == 0


def test_an_example_is_one_click(visit):
    page = visit()
    page.get_by_role("button", name="un chien aboie").click()
    wait_for_clips(page)
    assert captions(page, MIXTURE)[0] == "un chien aboie"
    assert page.input_value("#query input") == "un chien aboie"


def test_the_address_restores_a_search(visit, search):
    page = visit(f"?q={quote('犬が吠えている')}&lang=jpn_Jpan")
    wait_for_clips(page)
    assert captions(page, MIXTURE)[0] == "犬が吠えている"
    assert page.input_value("#language input") == "日本語"
    search(page, "la pluie tombe")
    assert page.evaluate("new URL(location).searchParams.get('q')") == "la pluie tombe"


def test_an_address_with_an_unknown_language_is_a_sentence(visit):
    page = visit("?q=rain&lang=klingon")
    message = page.locator("#query-message [role=alert]")
    message.wait_for()
    assert "Unknown language 'klingon'" in message.inner_text()
    assert page.input_value("#query input") == "rain"


def test_a_phone_shows_everything_within_its_width(visit, search):
    page = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    search(page, "a dog barks")
    wait_for_clips(page)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator(f"{BASELINE} .clip:visible").count() == 5
    page.locator(f"{BASELINE} .clip-more").click()
    assert page.locator(f"{BASELINE} .clip:visible").count() == 10


def test_the_evaluate_tab_draws_its_figure(visit):
    page = visit()
    page.get_by_role("tab", name="Evaluate").click()
    bars = page.locator(".eval-plot .bars .point")
    bars.nth(7).wait_for(state="attached")
    assert page.locator(".eval-table tbody tr").count() == 2


def test_programs_can_search_by_name(site):
    with urllib.request.urlopen(f"{site}gradio_api/info") as answer:
        endpoints = json.load(answer)["named_endpoints"]
    assert {"/search_text", "/search_audio"} <= set(endpoints)
    body = json.dumps({"data": ["un chien aboie", "auto"]}).encode()
    request = urllib.request.Request(f"{site}gradio_api/call/search_text", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{site}gradio_api/call/search_text/{event}") as answer:
        message, _, mixture = json.loads(answer.read().decode().split("data: ", 1)[1])
    assert "Français" in message
    assert mixture["clips"][0]["id"] == "dog-0"


def test_clips_are_served_from_their_folder_only(site):
    with urllib.request.urlopen(f"{site}clips/dog-0.wav") as answer:
        assert answer.read(4) == b"RIFF"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{site}clips/%2e%2e/%2e%2e/etc/passwd")
