from clap.data.records import Caption
from clap.data.translate import one_per_clip, translate_captions
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
