import json

import pytest

from clap.command_line import Parser, run
from clap.data import captions_import
from clap.data.captions_import import import_captions
from clap.data.datasets import load_dataset
from clap.data.folder import METADATA
from clap.errors import UserError

CSV = "clip,text,source_caption\na.wav,il pleut,a.wav-eng_Latn-0\na.wav,du vent,\nb.wav,un chien,\n"


@pytest.fixture
def own(tmp_path):
    """One's own data set of two clips with an English caption each."""
    folder = tmp_path / "kitchen"
    folder.mkdir()
    (folder / "metadata.csv").write_text("file,caption,language\na.wav,rain,eng_Latn\nb.wav,a dog,eng_Latn\n", encoding="utf-8")
    return folder


def load(folder):
    return load_dataset(str(folder), audio=METADATA)


def written(folder, text, name="french.csv"):
    (folder.parent / name).write_text(text, encoding="utf-8")
    return folder.parent / name


def call(*arguments):
    parser = Parser(prog="clap")
    captions_import.add_parser(parser.add_subparsers(required=True, metavar="COMMAND"))
    return run(parser, lambda args: args.run(args), ["captions", "import", *map(str, arguments)])


def test_a_csv_becomes_captions_that_the_loader_reads(own, capsys):
    arguments = (written(own, CSV), "--dataset", own, "--language", "fra_Latn", "--provenance", "machine-reviewed", "--out", own)
    assert call(*arguments) == 0
    found = load(own).captions_in("fra_Latn")
    assert [(c.clip, c.text) for c in found] == [("a.wav", "il pleut"), ("a.wav", "du vent"), ("b.wav", "un chien")]
    assert {c.provenance for c in found} == {"machine-reviewed"} and [c.source_caption for c in found] == ["a.wav-eng_Latn-0", "", ""]
    assert "3 captions of 2 clips added in fra_Latn; kitchen has 2 captions of 2 clips in English" in capsys.readouterr().err
    assert call(*arguments) == 2
    assert "is there already" in capsys.readouterr().err


def test_jsonl_keeps_the_translator_and_other_languages_go(own):
    rows = [{"clip": "a.wav", "text": "chove", "translator": "gpt-test"}, {"clip": "b.wav", "text": "um cão"}]
    import_captions(written(own, "\n".join(map(json.dumps, rows)), "p.jsonl"), load(own), "por_Latn", "machine", own)
    assert [(c.text, c.translator) for c in load(own).captions_in("por_Latn")] == [("chove", "gpt-test"), ("um cão", "")]


def test_mixed_provenance_is_told_and_kept(own, tmp_path, capsys):
    (own / "captions.fra_Latn.machine.jsonl").write_text('{"id": "m", "clip": "a.wav", "text": "pluie", "provenance": "machine"}\n')
    assert call(written(own, CSV), "--dataset", own, "--language", "fra_Latn", "--provenance", "human", "--out", own) == 0
    assert "fra_Latn: kitchen has captions by machine as well; results name human beside them" in capsys.readouterr().err
    assert {c.provenance for c in load(own).captions_in("fra_Latn")} == {"human", "machine"}


@pytest.mark.parametrize(("text", "sentence"), [
    ("clip,text\nz.wav,pluie\n", "french.csv, line 2: kitchen has no clip 'z.wav'"),
    ("clip,text\na.wav,pluie\na.wav,pluie\n", "line 3: 'a.wav' has this caption twice"),
    ("clip,text\na.wav, \n", "line 2: the caption is empty"),
    ("clip,text,source_caption\na.wav,pluie,b.wav-eng_Latn-0\n", "is no caption of 'a.wav'"),
    ("clip,text,quality\na.wav,pluie,3\n", "unknown keys"),
    ("clip,caption\na.wav,pluie\n", "unknown keys"),
    ("text\npluie\n", "'clip'] missing"),
    ("clip,text\n", "holds no captions"),
])  # fmt: skip
def test_bad_rows_are_one_sentence_and_nothing_is_written(own, text, sentence):
    with pytest.raises(UserError) as error:
        import_captions(written(own, text), load(own), "fra_Latn", "human", own)
    assert sentence in str(error.value)
    assert [path.name for path in own.iterdir()] == ["metadata.csv"]


def test_bad_calls(own, tmp_path):
    table, dataset = written(own, CSV), load(own)
    for path, language, folder, sentence in (
        (table, "xx_Latn", own, "Unknown language 'xx_Latn'"),
        (table, "fra_Latn", tmp_path / "nowhere", "no existing folder"),
        (tmp_path / "nowhere.csv", "fra_Latn", own, "is no CSV or JSONL"),
        (written(own, "x", "a.txt"), "fra_Latn", own, "is no CSV or JSONL"),
        (written(own, '{"clip": "a.wav", "text": 3}', "n.jsonl"), "fra_Latn", own, "text must be a text, got 3"),
    ):
        with pytest.raises(UserError, match=sentence):
            import_captions(path, dataset, language, "human", folder)
