"""The command line with fake doors: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from clap.errors import UserError
from eval.__main__ import main
from eval.results import load, save


@pytest.fixture
def doors(toy, monkeypatch):
    """Stand-ins for the modules that load checkpoints, data sets and audio; `wrong` lists what the encoder mistakes."""
    settings = {"wrong": (), "clips": 12}

    def load_encoder(name):
        if name != "fake":
            raise UserError(f"Unknown checkpoint {name!r}; the checkpoints are fake.")
        return toy.Encoder(wrong=settings["wrong"])

    def load_dataset(name):
        if name != "toy":
            raise UserError(f"Unknown data set {name!r}; the data sets are toy.")
        return toy.dataset(settings["clips"])

    contents = {"clap.checkpoints": {"load_encoder": load_encoder}, "clap.data.datasets": {"load_dataset": load_dataset},
                "clap.audio": {"load": toy.load}}  # fmt: skip
    for module, functions in contents.items():
        stand_in = ModuleType(module)
        stand_in.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, module, stand_in)
    return settings


def test_run_writes_a_record_and_prints_data_only(doors, tmp_path, capsys):
    out = tmp_path / "run.json"
    assert main(["run", "--checkpoint", "fake", "--dataset", "toy", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    rows = [json.loads(line) for line in printed.out.splitlines()]
    assert [(row["language"], row["direction"]) for row in rows][:2] == [("eng_Latn", "text_to_audio"), ("eng_Latn", "audio_to_text")]
    assert len(rows) == 4 and rows[0]["R@1"] == 1.0 and rows[0]["pool_size"] == 12
    assert "captions in Japanese" in printed.err
    assert len(load(out).results) == 4


def test_languages_can_be_chosen(doors, tmp_path):
    out = tmp_path / "run.json"
    assert main(["run", "--checkpoint", "fake", "--dataset", "toy", "--languages", "eng_Latn", "eng_Latn", "--out", str(out)]) == 0
    assert list(load(out).captions) == ["eng_Latn"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (["--checkpoint", "none"], "Unknown checkpoint 'none'"),
        (["--dataset", "none"], "Unknown data set 'none'"),
        (["--languages", "klingon"], "Unknown language 'klingon'"),
        (["--languages", "fra_Latn"], "has no captions in French"),
        (["--out", "no/such/folder/run.json"], "does not exist"),
        (["--loud"], "Unrecognized arguments: --loud"),
    ],
)
def test_mistakes_are_one_sentence_and_status_2(doors, tmp_path, capsys, change, sentence):
    given = ["run", "--checkpoint", "fake", "--dataset", "toy", "--out", str(tmp_path / "run.json"), *change]
    assert main(given) == 2
    printed = capsys.readouterr()
    last = printed.err.splitlines()[-1]
    assert sentence in last and last.endswith(".") and printed.out == ""
    assert not list(tmp_path.iterdir())


def test_missing_arguments(capsys):
    assert main(["run"]) == 2
    assert "--checkpoint, --dataset, --out" in capsys.readouterr().err


def test_verify_agrees_with_a_fresh_run(doors, toy, tmp_path, capsys):
    save(toy.run(), tmp_path / "run.json")
    assert main(["verify", str(tmp_path / "run.json")]) == 0
    assert "all 72 queries are the same" in capsys.readouterr().out


def test_verify_says_which_rank_differs(doors, toy, tmp_path, capsys):
    save(toy.run(), tmp_path / "run.json")
    doors["wrong"] = (3,)
    assert main(["verify", str(tmp_path / "run.json")]) == 1
    printed = capsys.readouterr().out
    assert "eng_Latn text_to_audio c03-eng-0: ranks [1] in the file, [" in printed
    assert "differences in 72 queries" in printed


def test_verify_sees_other_ground_truth_and_files_that_are_none(doors, toy, tmp_path, capsys):
    save(toy.run(), tmp_path / "run.json")
    doors["clips"] = 11
    assert main(["verify", str(tmp_path / "run.json")]) == 1
    assert "the ground truth changed" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.json")]) == 2
