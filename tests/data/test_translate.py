import resource

import pytest

from clap.command_line import Parser, run
from clap.data import translate
from clap.data.datasets import load_dataset
from clap.data.folder import METADATA
from clap.data.records import Caption, read_jsonl
from clap.data.translate import Measured, Pace, load_sonar, one_per_clip, sonar_translator, translate_captions
from clap.data.translation_file import MIN_SIMILARITY, Translation
from clap.errors import UserError
from clap.languages import CODES, ENGLISH, ENHANCED_CODES, SONAR_CODES

ENGLISH_CAPTIONS = [Caption(f"{c}-{n}", str(c), ENGLISH, f"text {n} of {c}", "human") for c in range(20) for n in range(5)]
FRENCH = ENHANCED_CODES[0]


class Fake:
    """Writes the target's code before a text; texts with a 7 come out wrong. Stops as by a power cut at its call number `stop`."""

    def __init__(self, name="fake", languages=CODES, stop=None):
        self.name, self.languages, self.stop, self.calls = name, languages, stop, []

    def __call__(self, texts, target):
        self.calls.append((target, list(texts)))
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt
        return [Translation(f"{target}:{text}", 0.2 if "7" in text else 0.9) for text in texts]


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def test_one_caption_per_clip_and_another_draw_per_language():
    draws = [one_per_clip(ENGLISH_CAPTIONS, 0, code) for code in ENHANCED_CODES]
    assert all([caption.clip for caption in draw] == [str(c) for c in range(20)] for draw in draws)
    assert len({tuple(caption.id for caption in draw) for draw in draws}) == len(draws)
    assert one_per_clip(ENGLISH_CAPTIONS, 1, FRENCH) != draws[0] == one_per_clip(ENGLISH_CAPTIONS, 0, FRENCH)


def test_each_translation_says_where_it_is_from(tmp_path):
    done = translate_captions(ENGLISH_CAPTIONS, Fake(), tmp_path / "t.jsonl")
    texts = {caption.id: caption for caption in ENGLISH_CAPTIONS}
    assert done == read_jsonl(tmp_path / "t.jsonl", Caption)
    assert len(done) == 18 * 7  # clips 7 and 17 are refused
    for caption in done:
        source = texts[caption.source_caption]
        assert caption.text == f"{caption.language}:{source.text}" and caption.clip == source.clip
        assert caption.id == f"{source.id}-{caption.language}"
        assert (caption.provenance, caption.translator, caption.similarity) == ("machine", "fake", 0.9)


def test_a_stopped_translation_goes_on_after_the_last_whole_batch(tmp_path):
    out = tmp_path / "t.jsonl"
    first, second = Fake(stop=4), Fake()
    with pytest.raises(KeyboardInterrupt):
        translate_captions(ENGLISH_CAPTIONS, first, out, languages=(FRENCH,), every_caption=True, batch=16)
    assert not out.exists()
    with (tmp_path / "t.jsonl.unfinished").open("ab") as file:
        file.write('{"id": "3-0-fra_Latn", "text": "à moitié écrit }'.encode()[:-2])
    done = translate_captions(ENGLISH_CAPTIONS, second, out, languages=(FRENCH,), every_caption=True, batch=16)
    before, after = ([text for _, texts in calls for text in texts] for calls in (first.calls[:3], second.calls))
    assert sorted(before + after) == sorted(caption.text for caption in ENGLISH_CAPTIONS)
    assert [caption.source_caption for caption in done] == [caption.id for caption in ENGLISH_CAPTIONS if "7" not in caption.text]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.jsonl", "t.jsonl.refused"]
    third = Fake()
    assert translate_captions(ENGLISH_CAPTIONS, third, out, languages=(FRENCH,), every_caption=True) == done and not third.calls


def test_a_file_without_its_last_line_end_loses_nothing(tmp_path):
    out = tmp_path / "t.jsonl"
    done = translate_captions(ENGLISH_CAPTIONS, Fake(), out)
    out.write_text(out.read_text().rstrip("\n"))
    assert translate_captions(ENGLISH_CAPTIONS, Fake(), out) == done


def test_stopped_between_the_whole_file_and_the_removal_of_the_unfinished_one(tmp_path):
    out = tmp_path / "t.jsonl"
    done = translate_captions(ENGLISH_CAPTIONS, Fake(), out)
    (tmp_path / "t.jsonl.unfinished").write_bytes(out.read_bytes())
    again = Fake()
    assert translate_captions(ENGLISH_CAPTIONS, again, out) == done and not again.calls
    assert len(lines(out)) == len(done) and not (tmp_path / "t.jsonl.unfinished").exists()


def test_refused_translations_are_left_out_counted_and_listed(tmp_path, capsys):
    done = translate_captions(ENGLISH_CAPTIONS, Fake(), tmp_path / "t.jsonl")
    assert not {"7", "17"} & {caption.clip for caption in done}
    refused = read_jsonl(tmp_path / "t.jsonl.refused", Caption)
    assert {(caption.clip, caption.language) for caption in refused} == {(clip, code) for clip in ("7", "17") for code in ENHANCED_CODES}
    assert capsys.readouterr().err.count("20 captions translated, 2 of them refused, see t.jsonl.refused") == 7


@pytest.mark.parametrize(("made", "good"), [(Translation("", 0.9), False), (Translation(" "), False), (Translation("a"), True),
                                            (Translation("a", MIN_SIMILARITY), True), (Translation("a", 0.59), False)])  # fmt: skip
def test_what_is_good(made, good):
    assert made.good is good


def test_long_captions_share_batches(tmp_path):
    texts = [Caption(str(n), str(n), ENGLISH, "a" * n, "human") for n in (3, 9, 1, 7)]
    fake = Fake()
    translate_captions(texts, fake, tmp_path / "t.jsonl", languages=(FRENCH,), batch=2)
    assert [[len(text) for text in texts] for _, texts in fake.calls] == [[9, 7], [3, 1]]


@pytest.mark.parametrize("change", [dict(translator=Fake("other")), dict(captions=ENGLISH_CAPTIONS[:50]), dict(seed=1)])
def test_a_file_of_something_else_is_refused_and_kept(tmp_path, change):
    out = tmp_path / "t.jsonl"
    translate_captions(ENGLISH_CAPTIONS, Fake(), out)
    before = out.read_bytes()
    call = dict(captions=ENGLISH_CAPTIONS, translator=Fake(), out=out, seed=0) | change
    with pytest.raises(UserError, match="t.jsonl holds '.*' by fake, .*give another --out"):
        translate_captions(**call)
    assert out.read_bytes() == before and not call["translator"].calls


@pytest.mark.parametrize(("held", "sentence"), [(b"\xff\xfe\n", "not UTF-8"), (b"no json\n", "line 1: this is no JSON"),
                                                (b'{"id": "0-0-fra_Latn"}\n', "missing")])  # fmt: skip
def test_a_file_that_is_none_of_ours(tmp_path, held, sentence):
    (tmp_path / "t.jsonl").write_bytes(held)
    with pytest.raises(UserError, match=sentence):
        translate_captions(ENGLISH_CAPTIONS, Fake(), tmp_path / "t.jsonl")
    assert (tmp_path / "t.jsonl").read_bytes() == held


def test_a_folder_in_the_files_place(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        translate_captions(ENGLISH_CAPTIONS, Fake(), tmp_path)


def test_a_full_disk_keeps_whole_lines_and_goes_on(tmp_path):
    out = tmp_path / "t.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
        with pytest.raises(UserError, match=r"cannot be written \(File too large\); \d+ translations are kept"):
            translate_captions(ENGLISH_CAPTIONS, Fake(), out, languages=(FRENCH,), every_caption=True, batch=8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = lines(tmp_path / "t.jsonl.unfinished")
    assert 0 < len(kept) < 90 and len(kept) == len(read_jsonl(tmp_path / "t.jsonl.unfinished", Caption))
    second = Fake()
    assert len(translate_captions(ENGLISH_CAPTIONS, second, out, languages=(FRENCH,), every_caption=True)) == 90
    assert sum(len(texts) for _, texts in second.calls) < 100 - len(kept) + 1


def test_languages_that_a_translator_does_not_write(tmp_path):
    for code in ("por_Latn", ENGLISH):
        with pytest.raises(UserError, match=f"fake does not translate into '{code}'; it writes fra_Latn, .*zho_Hans"):
            translate_captions(ENGLISH_CAPTIONS, Fake(), tmp_path / "t.jsonl", languages=(code,))
    with pytest.raises(UserError, match="it writes 201 languages"):
        translate_captions(ENGLISH_CAPTIONS, Fake(languages=SONAR_CODES), tmp_path / "t.jsonl", languages=("xx",))


def test_no_english_captions(tmp_path):
    with pytest.raises(UserError, match="no English caption"):
        translate_captions([Caption("a", "c", FRENCH, "pluie", "human")], Fake(), tmp_path / "t.jsonl")


def test_progress_tells_speed_and_time_left_once_a_second(capsys):
    clock = iter([0.0, 0.5, 2.0, 4.0])
    pace = Pace(FRENCH, 40, lambda: next(clock))
    for done in (5, 20, 40):
        pace.tell(done)
    assert capsys.readouterr().err.splitlines() == [
        "fra_Latn: 20 of 40 captions, 10.0 captions/s, 2 s left",
        "fra_Latn: 40 of 40 captions, 10.0 captions/s, 0 s left",
    ]


def test_the_released_languages_are_those_of_its_card():
    from clap.model.sonar import language_list

    assert sorted(language_list("nllb")) == list(SONAR_CODES)


@pytest.fixture(scope="module")
def compact():
    return load_sonar()


def test_compact_sonar_translates_in_batches_as_one_by_one(compact):
    texts = ["A dog barks.", "rain falls", "a dog barks"]
    together = compact(texts, FRENCH)
    alone = [compact([text], FRENCH)[0] for text in texts]
    assert [one.text for one in together] == [one.text for one in alone]
    assert "chien" in together[0].text and "pluie" in together[1].text
    assert [one.similarity for one in together] == pytest.approx([one.similarity for one in alone], abs=1e-5)


def test_compact_sonar_tells_a_translation_from_another_sentence(compact):
    right, wrong = compact.similarities(["a dog barks", "a dog barks"], ["un chien aboie", "la pluie tombe"], FRENCH)
    assert right > 0.8 and wrong < 0.4
    measured = Measured(lambda texts, target: [Translation("un chien aboie"), Translation("la pluie tombe")], compact)
    assert [one.good for one in measured(["a dog barks", "a dog barks"], FRENCH)] == [True, False]


def test_same_translations_and_similarities_as_through_the_whole_pipeline(tokenizer, tiny_text):
    import torch

    from clap.model import sonar

    torch.manual_seed(0)
    encoder, decoder = sonar.build_encoder(tiny_text).eval(), sonar.build_decoder(tiny_text).eval()
    texts = ["a dog barks", "rain falls on a roof"]
    made = sonar_translator(encoder, decoder, tokenizer, beam_size=2)(texts, FRENCH)
    assert [one.text for one in made] == sonar.translate(encoder, decoder, tokenizer, texts, ENGLISH, FRENCH, beam_size=2)
    wanted = sonar.similarities(encoder, tokenizer, texts, ENGLISH, [one.text for one in made], FRENCH)
    assert [one.similarity for one in made] == pytest.approx(wanted, abs=1e-4)


def test_texts_that_are_too_long_are_counted(tokenizer, tiny_text):
    from clap.model import sonar

    made = sonar_translator(sonar.build_encoder(tiny_text), sonar.build_decoder(tiny_text), tokenizer, beam_size=1)
    made(["rain falls", "rain falls " * 30], FRENCH)
    assert made.truncated == 1


def test_the_released_sonar_writes_languages_beyond_the_eight(tokenizer_file, tiny_text, monkeypatch):
    from dataclasses import replace

    from clap.model import sonar

    config = replace(tiny_text, vocab_size=tiny_text.vocab_size - len(CODES) + len(SONAR_CODES))
    models = {sonar.RELEASED_ENCODER: sonar.build_encoder(config), sonar.RELEASED_DECODER: sonar.build_decoder(config)}
    tokenizer = sonar.load_tokenizer(tokenizer_file, "nllb")
    monkeypatch.setattr(sonar, "load_released", lambda card: (models.pop(card), tokenizer))
    released = load_sonar("sonar-basic")
    assert not models and released.name == "sonar-basic" and sorted(released.languages) == list(SONAR_CODES)
    made = released(["rain falls"], "por_Latn")
    assert isinstance(made[0].text, str) and -1 <= made[0].similarity <= 1


@pytest.mark.parametrize("name", ["compact-sonnar", "compact-ced-nowhere"])
def test_an_unknown_checkpoint(name):
    with pytest.raises(UserError, match=f"Unknown translator '{name}'; give compact-sonar, sonar-basic"):
        load_sonar(name)


def test_a_checkpoint_that_is_no_sonar():
    with pytest.raises(UserError, match="SonarConfig has no"):
        load_sonar("compact-baseline")


def call(*arguments):
    parser = Parser(prog="clap")
    translate.add_parser(parser.add_subparsers(required=True, metavar="COMMAND"))
    return run(parser, lambda args: args.run(args), ["translate", *map(str, arguments)])


@pytest.fixture
def own(tmp_path, monkeypatch):
    """One's own data set of four clips with two captions each, and a fake in place of SONAR."""
    folder = tmp_path / "kitchen"
    folder.mkdir()
    rows = [f"{c}.wav,{text} {c},eng_Latn\n" for c in range(4) for text in ("rain", "wind")]
    (folder / "metadata.csv").write_text("file,caption,language\n" + "".join(rows), encoding="utf-8")
    monkeypatch.setattr(translate, "load_sonar", lambda name: Fake(name, (*CODES, "por_Latn")))
    return folder


def test_the_loader_finds_the_translations(own, capsys):
    assert call(own, "--to", FRENCH, "por_Latn", "--out", own) == 0
    found = load_dataset(str(own), audio=METADATA)
    assert len(found.captions_in(FRENCH)) == len(found.captions_in("por_Latn")) == 4
    assert {(c.translator, c.similarity, c.provenance) for c in found.captions_in(FRENCH)} == {("compact-sonar", 0.9, "machine")}
    assert "4 captions in" in capsys.readouterr().err
    assert call(own, "--to", FRENCH, "--every-caption", "--out", own) == 0
    assert len(load_dataset(str(own), audio=METADATA).captions_in(FRENCH)) == 8


def test_the_languages_of_a_call(own, tmp_path):
    for arguments, expected in (((), ENHANCED_CODES), (("--all",), (*ENHANCED_CODES, "por_Latn"))):
        out = tmp_path / f"out{len(arguments)}"
        out.mkdir()
        assert call(own, *arguments, "--out", out) == 0
        assert {path.name for path in out.iterdir()} == {f"captions.{code}.kitchen.jsonl" for code in expected}


def test_an_unfinished_language_is_not_read_by_the_loader(own, monkeypatch):
    monkeypatch.setattr(translate, "load_sonar", lambda name: Fake(stop=2))
    with pytest.raises(KeyboardInterrupt):
        call(own, "--to", FRENCH, "--batch", 2, "--out", own)
    assert (own / "captions.fra_Latn.kitchen.jsonl.unfinished").exists()
    assert not load_dataset(str(own), audio=METADATA).captions_in(FRENCH)


def test_other_provenances_are_told(own, capsys):
    (own / "metadata.csv").write_text((own / "metadata.csv").read_text() + "0.wav,pluie,fra_Latn\n", encoding="utf-8")
    assert call(own, "--to", FRENCH, "--out", own) == 0
    assert "fra_Latn: kitchen has captions by human as well" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (("--to", "xx_Latn"), "does not translate into 'xx_Latn'"),
    (("--endpoint", "http://localhost"), "belong together"),
    (("--endpoint", "localhost", "--model", "m"), "begins with http"),
    (("--batch", "0"), "at least 1"),
    (("--to", FRENCH, "--all"), "not allowed with"),
])  # fmt: skip
def test_wrong_calls_are_one_sentence(own, capsys, arguments, sentence):
    assert call(own, *arguments, "--out", own) == 2
    told = capsys.readouterr().err
    assert sentence in told and told.count("\n") == 1


def test_a_missing_folder_and_a_data_set_without_english(own, tmp_path, capsys):
    assert call(own, "--out", tmp_path / "nowhere") == 2
    assert "is no existing folder" in capsys.readouterr().err
    (own / "metadata.csv").write_text("file,caption,language\n0.wav,pluie,fra_Latn\n", encoding="utf-8")
    assert call(own, "--out", own) == 2
    assert "kitchen has no English captions" in capsys.readouterr().err
