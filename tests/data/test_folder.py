"""One's own clips and captions."""

import json

import numpy as np
import pytest
import soundfile

from clap.data.datasets import load_dataset
from clap.data.records import write_jsonl
from clap.errors import UserError

HEADER = "file,caption,language\n"


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "my sounds"
    for name in ("a.wav", "b.flac", "deep/a.wav"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / name, np.zeros(8000), 16_000)
    (place / "notes.txt").write_text("no audio")
    return place


def test_a_bare_folder(folder):
    dataset = load_dataset(str(folder))
    assert dataset.name == "my sounds" and dataset.captions == ()
    assert [(clip.id, clip.duration_s, clip.licence, clip.split) for clip in dataset.clips] == [
        (name, 0.5, "not stated", "all") for name in ("a.wav", "b.flac", "deep/a.wav")
    ]


def test_a_folder_with_a_table(folder, monkeypatch):
    rows = '"deep/a.wav","a dog, far off",eng_Latn,CC0,me,test\n./deep/a.wav,un chien,fra_Latn,CC0,me,test\n'
    (folder / "metadata.csv").write_text("\ufefffile,caption,language,licence,source,split\n" + rows, encoding="utf-8")
    dataset = load_dataset(str(folder))
    assert [clip.id for clip in dataset.clips] == ["a.wav", "b.flac", "deep/a.wav"]
    assert (dataset.clips[2].licence, dataset.clips[2].source, dataset.clips[2].split) == ("CC0", "me", "test")
    assert [(c.clip, c.language, c.text, c.provenance) for c in dataset.captions] == [
        ("deep/a.wav", "eng_Latn", "a dog, far off", "human"), ("deep/a.wav", "fra_Latn", "un chien", "human")]  # fmt: skip
    monkeypatch.setenv("CLAP_DATA", str(folder.parent))
    assert load_dataset("my sounds") == dataset


def test_a_table_alone_holds_what_it_names(folder):
    table = folder / "some.jsonl"
    table.write_text(
        json.dumps({"file": "b.flac", "caption": "雨", "language": "jpn_Jpan", "provenance": "machine"}) + "\n", encoding="utf-8"
    )
    dataset = load_dataset(str(table))
    assert dataset.name == "some" and [clip.id for clip in dataset.clips] == ["b.flac"]
    assert [(c.text, c.provenance) for c in dataset.captions] == [("雨", "machine")]


def test_a_caption_file_adds_a_language(folder):
    (folder / "captions.cat_Latn.jsonl").write_text('{"id": "1", "clip": "a.wav", "text": "un gos", "provenance": "human"}\n')
    assert [c.text for c in load_dataset(str(folder)).captions_in("cat_Latn")] == ["un gos"]


def test_the_projects_own_manifest(folder, tone_world):
    clips = [clip for clip in tone_world.dataset.clips if clip.id == "dog-0"]
    (folder / "tones").mkdir()
    (folder / "tones" / "dog-0.wav").write_bytes(clips[0].path.read_bytes())
    captions = [caption for caption in tone_world.dataset.captions if caption.clip == "dog-0"]
    from dataclasses import replace

    write_jsonl(folder / "tones" / "clips.jsonl", [replace(clips[0], path=folder / "tones" / "dog-0.wav")])
    write_jsonl(folder / "tones" / "captions.jsonl", captions)
    loaded = load_dataset(str(folder / "tones"))
    assert [clip.id for clip in loaded.clips] == ["dog-0"] and loaded.captions == tuple(captions)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file,caption\na.wav,x\n", r"metadata.csv: \['language'\] missing"),
        ("file;caption;language\na.wav;x;eng_Latn\n", r"unknown keys \['file;caption;language'\]; known are \['file', 'caption'"),
        ("file,caption,language,license\na.wav,x,eng_Latn,CC0\n", r"unknown keys \['license'\]"),
        (HEADER + "gone.wav,x,eng_Latn\n", r"^1 of the 4 clips of my sounds have no audio, the first 'gone.wav'"),
        (HEADER + "a.wav,x,english\n", r"metadata.csv, line 2: Unknown language 'english'"),
        (HEADER + "a.wav,x,eng_Latn\na.wav,x,eng_Latn\n", r"line 3: a.wav has this caption twice in eng_Latn"),
        (HEADER + "a.wav,,eng_Latn\n", r"line 2: caption must be a text, got ''"),
        (HEADER + "a.wav, ,eng_Latn\n", r"line 2: the caption is empty"),
        ("file,caption,language,provenance\na.wav,x,eng_Latn,me\n", "unknown provenance 'me'"),
        (
            "file,caption,language,licence\na.wav,x,eng_Latn,CC0\na.wav,y,eng_Latn,CC-BY\n",
            "a.wav has the licence 'CC-BY' here and 'CC0' before",
        ),
    ],
)
def test_tables_that_are_refused(folder, table, said):
    (folder / "metadata.csv").write_text(table)
    with pytest.raises(UserError, match=said):
        load_dataset(str(folder))


def test_other_things_that_are_refused(folder, tmp_path):
    (folder / "captions.jsonl").write_text('{"file": 5, "caption": "x", "language": "eng_Latn"}\n')
    with pytest.raises(UserError, match="line 1: file must be a text, got 5"):
        load_dataset(str(folder))
    (folder / "captions.jsonl").write_text("\n{'file'}\n")
    with pytest.raises(UserError, match="captions.jsonl, line 2: this is no JSON"):
        load_dataset(str(folder))
    (folder / "metadata.csv").write_text(HEADER)
    with pytest.raises(UserError, match=r"both metadata.csv and captions.jsonl"):
        load_dataset(str(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="neither audio files nor captions"):
        load_dataset(str(tmp_path / "empty"))
    with pytest.raises(UserError, match="notes.txt is neither a folder, a CSV nor a JSONL"):
        load_dataset(str(folder / "notes.txt"))
