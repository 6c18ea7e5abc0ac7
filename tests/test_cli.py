import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.__main__ import main, parser
from clap.checkpoints import load_encoder

MIXTURE = "compact-mixture-le"
GALLERY = Path(__file__).resolve().parents[1] / "assets" / "gallery"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("CLAP_CACHE", str(tmp_path_factory.getbasetemp() / "cli-cache"))


@pytest.fixture
def lines(monkeypatch):
    """Puts text on standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def events(clip):
    rows = map(json.loads, (GALLERY / "clips.jsonl").read_text(encoding="utf-8").splitlines())
    return {event["class"] for row in rows if row["id"] == clip for event in row["events"]}


@pytest.mark.parametrize("query", ["犬が吠えている", "un chien aboie", "a dog barks"])
def test_dogs_come_first(query, capsys):
    assert main(["search", query, "--json", "--top", "3"]) == 0
    out, err = capsys.readouterr()
    hits = [json.loads(line) for line in out.splitlines()]
    assert [hit["rank"] for hit in hits] == [1, 2, 3] and set(hits[0]) == {"rank", "clip", "score", "caption"}
    assert "dog" in events(hits[0]["clip"])
    assert MIXTURE in err


def test_search_with_a_given_language_and_in_plain_text(capsys):
    assert main(["search", "campanes", "--language", "cat_Latn", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and "cat_Latn" in err


def test_embed_text_keeps_the_order(tmp_path, capsys, lines):
    lines("la pluie tombe\nun chien aboie\n")
    assert main(["embed-text", "--checkpoint", MIXTURE, "--language", "fra_Latn", "--out", str(tmp_path / "t.npz")]) == 0
    made = np.load(tmp_path / "t.npz")
    assert made["names"].tolist() == ["la pluie tombe", "un chien aboie"] and made["embeddings"].dtype == np.float32
    assert np.allclose(made["embeddings"], load_encoder(MIXTURE).embed_text(["la pluie tombe", "un chien aboie"], "fra_Latn"), atol=1e-6)
    assert capsys.readouterr().out == ""


def test_embed_audio(tmp_path):
    wave = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    for name in ("b", "a"):
        soundfile.write(tmp_path / f"{name}.wav", wave, 16_000)
    paths = [str(tmp_path / "b.wav"), str(tmp_path / "a.wav")]
    assert main(["embed-audio", "--checkpoint", MIXTURE, "--out", str(tmp_path / "e.npz"), *paths]) == 0
    made = np.load(tmp_path / "e.npz")
    assert made["names"].tolist() == paths and np.allclose(np.linalg.norm(made["embeddings"], axis=1), 1, atol=1e-5)
    assert np.array_equal(*made["embeddings"])


@pytest.mark.parametrize("command", ["checkpoints", "datasets"])
def test_what_can_be_named_is_listed(command, capsys):
    assert main([command]) == 0
    plain = capsys.readouterr().out.splitlines()
    assert main([command, "--json"]) == 0
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert {MIXTURE if command == "checkpoints" else "gallery"} <= set(names)
    assert [line.split()[0] for line in plain] == names


def test_every_command_has_help(capsys):
    assert {"checkpoints", "datasets", "doctor", "convert"} <= set(parser().format_help().split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["search", "   "], "describe a sound"),
        (["search", "dog " * 125_000], "1,000 characters"),
        (["search", "dog", "--language", "fr"], "Unknown language 'fr'"),
        (["search", "dog", "--checkpoint", "huge"], "Unknown checkpoint 'huge'"),
        (["embed-text", "--language", "eng_Latn", "--out", "x.npz"], "line 2 is empty"),
        (["embed-audio", "--out", "x.npz", "gone.wav"], "no file gone.wav"),
        (["embed-audio", "--out", "nowhere/x.npz", "gone.wav"], "folder that does not exist"),
        (["embed-text", "--language", "eng_Latn", "--out", "."], "is a folder"),
    ],
)
def test_what_the_caller_got_wrong_is_one_sentence(arguments, sentence, capsys, lines, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines("a dog\n\n")
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and sentence in err and len(err.splitlines()) == 1 and "Traceback" not in err
    assert not list(tmp_path.glob("*.npz*"))


@pytest.mark.parametrize("arguments", [[], ["search"], ["search", "dog", "--top", "0"], ["sing"]])
def test_usage_errors_are_one_sentence(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and "--help" in err
