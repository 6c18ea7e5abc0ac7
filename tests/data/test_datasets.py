"""Data sets by name: their cards, the readers of their published files, and what is told when something is missing."""

import json
from argparse import Namespace
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.data import cards
from clap.data.cards import CARDS, NAMES
from clap.data.datasets import load_dataset
from clap.errors import UserError
from clap.languages import CODES

SHARED = Path(__file__).resolve().parents[3] / "shared" / "datasets"
real = pytest.mark.skipif(not SHARED.exists(), reason="the published metadata is not beside the project")
AUDIOCAPS = "audiocap_id,youtube_id,start_time,caption\n"
CLOTHO = "fname,raw_text,text\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def sound(path, seconds=0.5, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * rate)), rate)
    return path


def line(**row):
    return json.dumps(row, ensure_ascii=False) + "\n"


@pytest.fixture
def root(tmp_path):
    """AudioCaps of one training and two test clips, Clotho of two, in their published forms, with audio."""
    write(tmp_path / "audiocaps" / "train.csv", AUDIOCAPS + "9,zz_zzzzzzzz,0,A cat meows\n")
    write(
        tmp_path / "audiocaps" / "test.csv",
        AUDIOCAPS + '1,aa-aaaaaaaa,30,"Rain falls, loudly"\n2,aa-aaaaaaaa,30,Rain\n3,bbbbbbbbbbb,0,A dog\n',
    )
    sound(tmp_path / "audiocaps" / "audio" / "Yaa-aaaaaaaa.flac", 1.5)
    sound(tmp_path / "audiocaps" / "audio" / "bbbbbbbbbbb.wav")
    rows = "".join(f"A door. 1 .wav,{text},x\n" for text in ("It creaks.", "A door."))
    write(tmp_path / "clotho" / "evaluation_captions.csv", CLOTHO + rows + "b.wav,Birds.,birds\n")
    for name in ("A door. 1 .wav", "b.wav"):
        sound(tmp_path / "clotho" / "audio" / "evaluation" / name)
    return tmp_path


FIRST_AND_LAST = {
    "audiocaps-train": ("Yr1nicOVtvkQ", "A woman talks nearby as water pours", "YHC-utKUX3a4", "Humming with a distant train horn blowing"),
    "audiocaps-validation": ("YvfY_TJq7n_U", "Rustling occurs, ducks quack and water splashes, followed by an adult female and adult male "
                             "speaking and duck calls being blown", "YyiUDYRSJpJI", "Rapid fire loud booming gunshots"),
    "audiocaps-test": ("Y7fmOlUlwoNg", "Constant rattling noise and sharp vibrations", "YF-47fRplQEc",
                       "Wind blowing followed by a distant goat bleating and women speaking"),
    "audiocaps-paper-test": ("Y7fmOlUlwoNg", "Constant rattling noise and sharp vibrations", "YJsoBpL86R5U",
                             "A man baaing followed by a goat baaing as a child and a woman talk while metal pots clank in the background"),
    "clotho-development": ("development-Distorted AM Radio noise", "A muddled noise of broken channel of the TV", "development-Wood chips",
                           "Crushing up food to make a dish for others"),
    "clotho-validation": ("validation-noisy stuff groceries paper bag cookie metallic case cling clang",
                          "The person is rummaging through the pans while looking for something.", "validation-30 hn_door3",
                          "The squeaky door gets louder the more it moves, Then it suddenly slams shut."),
    "clotho-evaluation": ("evaluation-Santa Motor", "A machine whines and squeals while rhythmically punching or stamping.",
                          "evaluation-FR.BirdChatAmbience.26", "The birds chirp while the children speak to one another."),
    "clotho-paper-test": ("evaluation-Santa Motor", "A machine whines and squeals while rhythmically punching or stamping.",
                          "evaluation-FR.BirdChatAmbience.26", "The birds chirp while the children speak to one another."),
}  # fmt: skip


@real
@pytest.mark.parametrize("name", FIRST_AND_LAST)
def test_the_published_metadata(name, capsys):
    dataset = load_dataset(name, SHARED, "metadata")
    card, split = NAMES[name]
    assert (len(dataset.clips), len(dataset.captions)) == card.count(split) and capsys.readouterr().err == ""
    per_clip = 1 if name == "audiocaps-train" else 5
    assert set(Counter(caption.clip for caption in dataset.captions).values()) == {per_clip}
    ends = [(caption.clip, caption.text) for caption in (dataset.captions[0], dataset.captions[-1])]
    assert (*ends[0], *ends[1]) == FIRST_AND_LAST[name]
    assert {caption.language for caption in dataset.captions} == {"eng_Latn"} and {clip.split for clip in dataset.clips} == {split}


@real
def test_the_papers_pools_are_parts_of_the_published_splits():
    pools = {
        name: load_dataset(name, SHARED, "metadata")
        for name in ("audiocaps-paper-test", "audiocaps-test", "clotho-paper-test", "clotho-evaluation")
    }
    texts = {name: {(caption.clip, caption.text) for caption in pool.captions} for name, pool in pools.items()}
    assert texts["audiocaps-paper-test"] < texts["audiocaps-test"]
    assert len(texts["clotho-paper-test"] - texts["clotho-evaluation"]) == 6
    assert [clip.id for clip in pools["clotho-paper-test"].clips] == [clip.id for clip in pools["clotho-evaluation"].clips]


def test_cards_of_what_the_project_carries_are_right():
    for name in ("gallery", "gallery-train", "gallery-validation", "gallery-test"):
        dataset = load_dataset(name)
        card, split = NAMES[name]
        assert (len(dataset.clips), len(dataset.captions_in("eng_Latn"))) == card.count(split)
        assert {caption.language for caption in dataset.captions} == set(card.languages)
    assert all(card.licence and card.source and card.use and set(card.languages) <= set(CODES) for card in CARDS)


def test_the_list_of_data_sets(capsys):
    cards._list(Namespace(json=True))
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(rows) == list(NAMES) and rows["audiocaps-paper-test"]["clips"] == 957 and rows["wavcaps"]["clips"] == 403_050
    cards._list(Namespace(json=False))
    assert "clotho-evaluation         1045 clips    5225 English captions  non-commercial use" in capsys.readouterr().out


def test_audiocaps_with_its_audio(root, capsys):
    dataset = load_dataset("audiocaps-test", root)
    assert [(clip.id, clip.path.name, clip.duration_s) for clip in dataset.clips] == [
        ("Yaa-aaaaaaaa", "Yaa-aaaaaaaa.flac", 1.5), ("Ybbbbbbbbbbb", "bbbbbbbbbbb.wav", 0.5)]  # fmt: skip
    assert dataset.clips[0].source == "https://youtu.be/aa-aaaaaaaa?t=30"
    assert [(c.id, c.clip, c.text, c.provenance) for c in dataset.captions][0] == ("1", "Yaa-aaaaaaaa", "Rain falls, loudly", "human")
    assert "audiocaps-test holds 2 clips and 3 English captions here, 975 and 4875 as published" in capsys.readouterr().err


def test_the_root_is_the_argument_else_the_environment(root, monkeypatch, tmp_path):
    monkeypatch.delenv("CLAP_DATA", raising=False)
    with pytest.raises(UserError, match="Set CLAP_DATA .* not set now"):
        load_dataset("audiocaps-test")
    monkeypatch.setenv("CLAP_DATA", str(root))
    assert len(load_dataset("audiocaps-test").clips) == 2
    with pytest.raises(UserError, match=r"nowhere"):
        load_dataset("audiocaps-test", tmp_path / "nowhere")


def test_a_clip_without_audio_stops_the_loading_unless_metadata_is_asked_for(root):
    (root / "audiocaps" / "audio" / "bbbbbbbbbbb.wav").unlink()
    with pytest.raises(UserError, match=r"^1 of the 2 clips of audiocaps-test have no audio, the first 'Ybbbbbbbbbbb.wav'"):
        load_dataset("audiocaps-test", root)
    assert len(load_dataset("audiocaps-test", root, "metadata").clips) == 2
    with pytest.raises(UserError, match="'required' or 'metadata', got 'some'"):
        load_dataset("audiocaps-test", root, "some")
    with pytest.raises(UserError, match=r"val\.csv is not there"):
        load_dataset("audiocaps-validation", root)


def test_clotho_in_both_of_its_forms(root):
    rows = load_dataset("clotho-evaluation", root)
    assert [clip.id for clip in rows.clips] == ["evaluation-A door. 1 ", "evaluation-b"]
    assert [c.text for c in rows.captions] == ["It creaks.", "A door.", "Birds."]
    header = "file_name," + ",".join(f"caption_{n}" for n in range(1, 6))
    write(root / "clotho" / "clotho_captions_evaluation.csv", f"{header}\nb.wav,One.,Two.,Three.,Four.,Five.\n")
    assert [c.text for c in load_dataset("clotho-evaluation", root).captions] == ["One.", "Two.", "Three.", "Four.", "Five."]


def test_clotho_audio_must_lie_by_split_because_names_stand_in_two_splits(root):
    sound(root / "clotho" / "audio" / "c.wav")
    write(root / "clotho" / "validation_captions.csv", CLOTHO + "c.wav,A cat.,a cat\n")
    with pytest.raises(UserError, match=r"'c.wav' in .*audio/validation"):
        load_dataset("clotho-validation", root)


def test_the_papers_pool_reads_its_list_and_finds_audio_by_name_or_key(root):
    captions = {f"caption_{n}": f"text {n}" for n in range(1, 6)} | {f"source_lang_{n}": "eng_Latn" for n in range(1, 6)}
    row = {**captions, "wav": "Clotho/waveforms/test/q.wav", "id": "0edb.wav", "duration": 21.16}
    table = write(root / "ml_clap_pools" / "clotho_test.json", json.dumps({"data": [row], "num_captions_per_audio": 5}))
    sound(root / "clotho" / "audio" / "evaluation" / "0edb.flac")
    dataset = load_dataset("clotho-paper-test", root)
    assert [(clip.id, clip.path.name, clip.duration_s) for clip in dataset.clips] == [("evaluation-q", "0edb.flac", 21.16)]
    assert [c.text for c in dataset.captions] == [f"text {n}" for n in range(1, 6)]
    table.write_text(json.dumps({"data": [{**row, "source_lang_2": "fra_Latn"}]}))
    with pytest.raises(UserError, match=r"clotho_test.json, record 1: .*fra_Latn"):
        load_dataset("clotho-paper-test", root)
    table.write_text(json.dumps({"data": [{key: value for key, value in row.items() if key != "caption_3"}]}))
    with pytest.raises(UserError, match=r"record 1: \['caption_3'\] missing"):
        load_dataset("clotho-paper-test", root)
    table.write_text('{"data": [')
    with pytest.raises(UserError, match="must be one JSON object"):
        load_dataset("clotho-paper-test", root)


def test_wavcaps_one_subset_or_all(tmp_path):
    subsets = {"AudioSet_SL/as": "Yaaaaaaaaaaa.wav", "BBC_Sound_Effects/bbc": "NHU1", "FreeSound/fsd": "7", "SoundBible/sb": "7"}
    for place, clip in subsets.items():
        row = {"id": clip, "caption": f"Sound {clip}.", "audio": "wav", "duration": 3.5, "href": "x"}
        write(tmp_path / "wavcaps" / "json_files" / f"{place}_final.json", json.dumps({"data": [row]}))
    sound(tmp_path / "wavcaps" / "audio" / "freesound" / "7.flac")
    one = load_dataset("wavcaps-freesound", tmp_path)
    assert [(clip.id, clip.split, clip.duration_s) for clip in one.clips] == [("freesound-7", "freesound", 3.5)]
    assert [(c.text, c.provenance) for c in one.captions] == [("Sound 7.", "machine")]
    whole = load_dataset("wavcaps", tmp_path, "metadata")
    assert [clip.id for clip in whole.clips] == [
        "audioset_sl-Yaaaaaaaaaaa",
        "bbc-NHU1",
        "freesound-7",
        "soundbible-7",
    ] and whole.name == "wavcaps"
    (tmp_path / "wavcaps" / "json_files" / "SoundBible" / "sb_final.json").unlink()
    with pytest.raises(UserError, match="sb_final.json is not there"):
        load_dataset("wavcaps", tmp_path, "metadata")


def test_caption_files_add_languages_split_by_split(root):
    french = [("Yaa-aaaaaaaa", "La pluie tombe"), ("Yzz_zzzzzzzz", "Un chat miaule")]
    lines = "".join(line(id=f"fr-{n}", clip=clip, text=text, provenance="machine") for n, (clip, text) in enumerate(french))
    table = write(root / "audiocaps" / "captions.fra_Latn.jsonl", lines)
    test = load_dataset("audiocaps-test", root)
    assert [(c.clip, c.text, c.provenance) for c in test.captions_in("fra_Latn")] == [("Yaa-aaaaaaaa", "La pluie tombe", "machine")]
    assert len(load_dataset("audiocaps-train", root, "metadata").captions_in("fra_Latn")) == 1
    table.write_text(lines + line(id="x", clip="Ygone", text="Rien", provenance="human"))
    with pytest.raises(
        UserError, match=r"captions.fra_Latn.jsonl has 1 captions of clips that audiocaps-test does not hold, the first of 'Ygone'"
    ):
        load_dataset("audiocaps-test", root)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("captions.xyz_Latn.jsonl", {}, r"captions.xyz_Latn.jsonl: Unknown language 'xyz_Latn'"),
        ("captions.fra_Latn.jsonl", {"provenance": "guess"}, "unknown provenance 'guess'; it is one of human"),
        ("captions.fra_Latn.jsonl", {"language": "deu_Latn"}, r"line 1: language is 'deu_Latn', but the file is of 'fra_Latn'"),
        ("captions.fra_Latn.jsonl", {"text": " "}, "the caption is empty"),
        ("captions.fra_Latn.jsonl", {"mood": "x"}, r"line 1: unknown keys \['mood'\]"),
    ],
)
def test_caption_files_that_are_refused(root, name, row, said):
    write(root / "audiocaps" / name, line(**{"id": "1f", "clip": "Yaa-aaaaaaaa", "text": "t", "provenance": "human", **row}))
    with pytest.raises(UserError, match=said):
        load_dataset("audiocaps-test", root)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,aaaaaaaaaaa,0\n", r"test.csv, line 2: there must be 4 cells"),
        ("1,aaaaaaaaaaa,0,\n", r"test.csv, line 2: the caption is empty"),
        ("1,aaaaaaaaaaa,0,A\n2,aaaaaaaaaaa,10,B\n", r"test.csv, line 3: clip Yaaaaaaaaaaa starts at 10 s here"),
        ("1,aaaaaaaaaaa,0,A\n1,aaaaaaaaaaa,0,B\n", "two captions of one id, such as '1'"),
    ],
)
def test_tables_that_are_refused(root, rows, said):
    write(root / "audiocaps" / "test.csv", AUDIOCAPS + rows)
    with pytest.raises(UserError, match=said):
        load_dataset("audiocaps-test", root, "metadata")


def test_a_table_of_other_columns_or_bytes(root):
    write(root / "audiocaps" / "test.csv", "youtube_id,caption\na,b\n")
    with pytest.raises(UserError, match=r"test.csv: \['audiocap_id', 'start_time'\] missing"):
        load_dataset("audiocaps-test", root, "metadata")
    (root / "audiocaps" / "test.csv").write_bytes(AUDIOCAPS.encode() + b"1,a,0,caf\xe9\n")
    with pytest.raises(UserError, match="test.csv is not UTF-8 text"):
        load_dataset("audiocaps-test", root, "metadata")


def test_the_page_tells_what_the_cards_tell():
    page = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for card in CARDS:
        row = next(row for row in page.splitlines() if row.startswith(f"| `{card.name}"))
        assert all(f"{clips:,}" in row for clips, _ in card.counts.values()), card.name
        assert all(f"-{split}" in row for split in (card.splits if card.name != "esc50" else ("fold1", "fold5"))), card.name


def test_the_pages_example_of_a_table_loads(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    write(tmp_path / "metadata.csv", page.split("```csv\n")[1].split("```")[0])
    sound(tmp_path / "rain.wav")
    assert [(c.language, c.provenance) for c in load_dataset(str(tmp_path)).captions] == [("eng_Latn", "human"), ("fra_Latn", "machine")]
