from clap.data.records import Caption
from clap.data.translate import one_per_clip, sonar_translator, translate_captions
from clap.languages import ENGLISH, ENHANCED_CODES

ENGLISH_CAPTIONS = [Caption(f"{c}-{n}", str(c), ENGLISH, f"text {n} of {c}", "human") for c in range(20) for n in range(5)]


def test_one_caption_per_clip_and_another_draw_per_language():
    draws = [one_per_clip(ENGLISH_CAPTIONS, 0, code) for code in ENHANCED_CODES]
    assert all([caption.clip for caption in draw] == [str(c) for c in range(20)] for draw in draws)
    assert len({tuple(caption.id for caption in draw) for draw in draws}) == len(draws)


def test_a_stopped_translation_goes_on_where_it_stopped(tmp_path):
    calls = []

    def stops_at_the_third(texts, target):
        calls.append(target)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return [f"{target}:{text}" for text in texts]

    out = tmp_path / "translated.jsonl"
    try:
        translate_captions(ENGLISH_CAPTIONS, stops_at_the_third, out)
    except RuntimeError:
        calls.append("stopped")
    done = translate_captions(ENGLISH_CAPTIONS, stops_at_the_third, out)
    assert calls == [*ENHANCED_CODES[:3], "stopped", *ENHANCED_CODES[2:]]
    assert len(done) == 20 * 7 and {caption.provenance for caption in done} == {"machine"}
    assert all(caption.text.startswith(caption.language + ":") for caption in done)


def test_refused_translations_are_left_out_and_counted(tmp_path, capsys):
    def every_other(texts, target):
        return [text if number % 2 else None for number, text in enumerate(texts)]

    done = translate_captions(ENGLISH_CAPTIONS, every_other, tmp_path / "translated.jsonl")
    assert len(done) == 10 * 7
    assert capsys.readouterr().err.count("20 captions translated, 10 of them refused") == 7


def test_translations_that_say_something_else_are_refused(monkeypatch):
    cosines = {"good": 0.9, "bad": 0.2}
    monkeypatch.setattr("clap.model.sonar.translate", lambda *a: ["bon" if text == "good" else "mauvais" for text in a[3]])
    monkeypatch.setattr("clap.model.sonar.similarities", lambda *a: [cosines[text] for text in a[2]])
    assert sonar_translator(None, None, None)(["bad", "good", "bad"], ENHANCED_CODES[0]) == [None, "bon", None]
