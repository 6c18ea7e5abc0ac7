import dataclasses

import pytest

from clap.errors import UserError
from clap.search import Searcher, dataset_hash, require_query


@pytest.fixture
def searcher(tone_world, cache):
    return Searcher(tone_world.FakeEncoder(), tone_world.dataset)


@pytest.mark.parametrize(("query", "code"), [("a dog barks", "eng_Latn"), ("un chien aboie", "fra_Latn"), ("犬が吠えている", "jpn_Jpan")])
def test_text_finds_clips_and_captions_them_in_its_detected_language(searcher, query, code):
    hits = searcher.by_text(query, None, 4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert [hit.clip.id for hit in hits[:3]] == ["dog-0", "dog-1", "dog-2"]
    assert hits[0].score == pytest.approx(1.0)
    assert (hits[0].caption, hits[0].language) == (query, code)


def test_a_chosen_language_is_not_overruled(searcher):
    hits = searcher.by_text("a dog barks", "fra_Latn", 1)
    assert hits[0].language == "fra_Latn"
    assert hits[0].score < 0.5


def test_a_clip_without_a_caption_in_the_language_shows_an_english_one(tone_world, cache):
    captions = tuple(caption for caption in tone_world.dataset.captions if caption.language == "eng_Latn")
    searcher = Searcher(tone_world.FakeEncoder(), dataclasses.replace(tone_world.dataset, captions=captions))
    hit = searcher.by_text("un chien aboie", "fra_Latn", 1)[0]
    assert (hit.caption, hit.language) == ("a dog barks", "eng_Latn")
    with pytest.raises(UserError, match="no captions in French"):
        searcher.captions_for_audio(tone_world.tone(440), "fra_Latn")


def test_audio_finds_clips_that_sound_alike(searcher, tone_world):
    hits = searcher.by_audio(tone_world.tone(880), 2, "deu_Latn")
    assert [hit.clip.id for hit in hits] == ["rain-0", "rain-1"]
    assert hits[0].score == pytest.approx(1.0)
    assert hits[0].caption == "der Regen fällt"


def test_audio_finds_captions_each_wording_once(searcher, tone_world):
    hits = searcher.captions_for_audio(tone_world.tone(1320), "jpn_Jpan", 4)
    assert [hit.caption for hit in hits] == ["鐘が鳴る", "鐘が鳴る 1", "鐘が鳴る 2", "鐘が鳴る 3"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert hits[0].clip.id == "bell-0"


def test_clips_and_captions_agree_with_the_two_calls_for_one_embedding(searcher, tone_world):
    waveform = tone_world.tone(1760)
    before = searcher.encoder.audio_calls
    clips, captions = searcher.clips_and_captions(waveform, 5, "spa_Latn")
    assert searcher.encoder.audio_calls == before + 1
    assert clips == searcher.by_audio(waveform, 5, "spa_Latn")
    assert captions == searcher.captions_for_audio(waveform, "spa_Latn", 5)


@pytest.mark.parametrize("query", ["", "   ", "?!…。、", "🐕", "\ud800"])
def test_a_query_without_words_is_refused(query):
    with pytest.raises(UserError, match="describe a sound in words"):
        require_query(query)


def test_a_huge_query_is_refused_with_both_numbers():
    with pytest.raises(UserError, match="1,000 characters; this one holds 500,000"):
        require_query("犬" * 500_000)
    assert require_query(" " + "a" * 1000 + "\n") == "a" * 1000


def test_an_unknown_language_is_refused(searcher):
    with pytest.raises(UserError, match="Unknown language 'xxx'"):
        searcher.by_text("a dog barks", "xxx")


def test_the_gallery_is_embedded_once_per_checkpoint(tone_world, cache):
    first = tone_world.FakeEncoder()
    Searcher(first, tone_world.dataset).prepare()
    again = tone_world.FakeEncoder()
    searcher = Searcher(again, tone_world.dataset)
    searcher.prepare()
    assert (first.audio_calls, first.text_calls) == (12, 12 * 2 * 8)
    assert (again.audio_calls, again.text_calls) == (0, 0)
    other = tone_world.FakeEncoder("other")
    Searcher(other, tone_world.dataset)
    assert other.audio_calls == 12


def test_a_broken_cache_file_is_made_again(tone_world, cache, capsys):
    Searcher(tone_world.FakeEncoder(), tone_world.dataset)
    (file,) = cache.iterdir()
    file.write_bytes(b"cut short")
    encoder = tone_world.FakeEncoder()
    assert Searcher(encoder, tone_world.dataset).by_text("rain falls", "eng_Latn", 1)[0].clip.id == "rain-0"
    assert encoder.audio_calls == 12
    assert "not a complete index" in capsys.readouterr().err


def test_given_embeddings_are_used_as_they_are(tone_world, cache):
    encoder = tone_world.FakeEncoder()
    vectors = encoder.embed_text([caption.text for caption in tone_world.dataset.captions_in("eng_Latn")][::2], "eng_Latn")
    calls = encoder.audio_calls
    Searcher(encoder, tone_world.dataset, audio_embeddings=vectors)
    assert encoder.audio_calls == calls
    assert not cache.exists()


def test_the_hash_sees_a_changed_caption(tone_world):
    changed = tone_world.with_caption(tone_world.dataset, "dog-0", "eng_Latn", "a cat meows")
    assert dataset_hash(changed) != dataset_hash(tone_world.dataset)
