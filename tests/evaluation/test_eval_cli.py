"""The command line with fake doors: what it prints, what it writes, and its exit status."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest

from clap.errors import UserError
from eval.__main__ import main
from eval.across_languages import load_study
from eval.results import load, save


@pytest.fixture
def doors(toy, cache, monkeypatch, tmp_path_factory):
    """Stand-ins for the modules that load checkpoints, data sets and audio; `wrong` lists what the encoder mistakes."""
    settings = {"wrong": (), "clips": 12, "text": {}, "ill": False, "encoders": []}
    folder = tmp_path_factory.mktemp("clips")
    for n in range(12):
        (folder / f"{n}.wav").write_bytes(bytes([n]))

    def load_encoder(name):
        if name != "fake":
            raise UserError(f"Unknown checkpoint {name!r}; the checkpoints are fake.")
        settings["encoders"].append(toy.Encoder(wrong=settings["wrong"]))
        return settings["encoders"][-1]

    def load_dataset(name, root=None):
        settings["root"] = root
        if name not in ("toy", "classes"):
            raise UserError(f"Unknown data set {name!r}; the data sets are toy, classes.")
        dataset = toy.dataset(settings["clips"], name=name, folder=folder)
        captions = tuple(replace(c, text=settings["text"].get(c.id, c.text)) for c in dataset.captions)
        return toy.shared(dataset) if name == "classes" else replace(dataset, captions=captions)

    def require_healthy(encoder, languages):
        if settings["ill"]:
            raise UserError(f"{encoder.name} is ill.")
        return SimpleNamespace(to_json=lambda: {"passed": True, "languages": list(languages)})

    contents = {"clap.checkpoints": {"load_encoder": load_encoder}, "clap.data.datasets": {"load_dataset": load_dataset},
                "clap.audio": {"load": toy.load}, "clap.doctor": {"require_healthy": require_healthy}}  # fmt: skip
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
    assert "texts read as Japanese" in printed.err
    record = load(out)
    assert len(record.results) == 4 and record.doctor == {"passed": True, "languages": list(record.languages)}


def test_a_second_run_embeds_nothing_and_finds_the_same(doors, tmp_path):
    for name in ("one", "two"):
        assert main(["run", "--checkpoint", "fake", "--dataset", "toy", "--batch", "5", "--out", str(tmp_path / f"{name}.json")]) == 0
    assert [encoder.audio_calls for encoder in doors["encoders"]] == [12, 0]
    assert load(tmp_path / "one.json").results == load(tmp_path / "two.json").results


def test_a_checkpoint_that_the_doctor_refuses_has_no_result(doors, tmp_path, capsys):
    doors["ill"] = True
    assert main(["run", "--checkpoint", "fake", "--dataset", "toy", "--out", str(tmp_path / "run.json")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "fake is ill." and not (tmp_path / "run.json").exists()


def test_queries_of_classes_are_read_duplicate_aware(doors, tmp_path, capsys):
    out, data = tmp_path / "run.json", tmp_path / "data"
    assert main(["run", "--checkpoint", "fake", "--dataset", "classes", "--data", str(data), "--out", str(out)]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["protocol"], first["queries"], first["R@1"]) == ("duplicate-aware", 8, 1.0)
    assert doors["root"] == data and load(out).protocol == "duplicate-aware"


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
    assert "eng_Latn text_to_audio: 2 of 24 queries have other ranks, such as c03-eng-0 at ranks [1] in the file, [" in printed
    assert "R@1 1.0000 in the file, 0.9167 now" in printed
    assert "2 differences in 72 queries." in printed


def test_verify_sees_other_ground_truth_and_files_that_are_none(doors, toy, tmp_path, capsys):
    save(toy.run(), tmp_path / "run.json")
    doors["clips"] = 11
    assert main(["verify", str(tmp_path / "run.json")]) == 1
    assert "the ground truth changed" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.json")]) == 2


def test_verify_takes_a_folder_of_somebody_elses(doors, toy, tmp_path, capsys):
    """Another weight's hash, another wording of a caption: each is told, and the file that agrees is too."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    assert main(["verify", str(bundle)]) == 2 and "holds no result" in capsys.readouterr().err
    save(toy.run(), bundle / "a.json")
    save(replace(toy.run(), fingerprint="other-weights"), bundle / "b.json")
    assert main(["verify", str(bundle)]) == 1
    printed = capsys.readouterr().out
    assert "a.json: the ranks of all 72 queries are the same." in printed
    assert "fingerprint: 'other-weights' in the file, 'fake-weights' now" in printed
    doors["text"] = {"c00-eng-0": "our sound 0"}
    assert main(["verify", str(bundle / "a.json")]) == 1
    assert "eng_Latn text_to_audio: the captions' words changed" in capsys.readouterr().out


def test_verify_of_a_result_whose_texts_are_no_longer_shared(doors, toy, tmp_path, capsys):
    save(toy.run(dataset=toy.shared(toy.dataset())), tmp_path / "run.json")
    assert main(["verify", str(tmp_path / "run.json")]) == 1
    printed = capsys.readouterr().out
    assert "protocol: 'duplicate-aware' in the file, 'paper' now" in printed
    assert "eng_Latn text_to_audio of texts: in the file only" in printed


def test_consistency_writes_a_study_and_says_what_it_comes_to(doors, tmp_path, capsys):
    out = tmp_path / "study.json"
    assert main(["consistency", "--checkpoint", "fake", "--dataset", "toy", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["queries"] == 24
    assert "no styles of query" in printed.err and "texts read as Japanese" in printed.err
    assert load_study(out).doctor["passed"]


def test_export_writes_each_format(doors, toy, tmp_path, capsys):
    save(toy.run(), tmp_path / "run.json")
    for kind, name in (("csv", "run.csv"), ("latex", "run.tex"), ("trec", "trec"), ("mteb", "mteb")):
        assert main(["export", str(tmp_path / "run.json"), "--format", kind, "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).exists()
    assert main(["export", str(tmp_path / "run.json"), "--format", "xml", "--out", str(tmp_path / "x")]) == 2
    assert "'csv', 'latex', 'trec', 'mteb'" in capsys.readouterr().err


def test_export_and_table_refuse_a_result_without_a_diagnosis(doors, toy, tmp_path, capsys):
    save(toy.run(doctor=None), tmp_path / "run.json")
    for arguments in (["export", "--format", "csv", "--out", str(tmp_path / "x.csv")], ["table"]):
        assert main([*arguments, str(tmp_path / "run.json")]) == 2
        assert "doctor is empty" in capsys.readouterr().err


def test_table_reads_the_ranks_by_any_protocol(doors, toy, tmp_path, capsys):
    """Both captions of each clip stand first, which mteb counts as half of the captions found at rank 1."""
    save(toy.run(), tmp_path / "run.json")
    cells = {}
    for protocol in ("paper", "mteb"):
        assert main(["table", str(tmp_path / "run.json"), "--protocol", protocol]) == 0
        cells[protocol] = capsys.readouterr().out.split("Audio to text")[1].splitlines()[2]
    assert cells["paper"].startswith("| English | 100.0 [") and cells["mteb"].startswith("| English | 50.0 [")


def test_compare_says_tie_when_it_is_one_and_reads_any_protocol(doors, toy, tmp_path, capsys):
    """A checkpoint against itself under another name: every difference is nought, under either protocol."""
    save(toy.run(), tmp_path / "one.json")
    save(replace(toy.run(), checkpoint="other"), tmp_path / "two.json")
    for protocol in ([], ["--protocol", "mteb"]):
        arguments = ["compare", str(tmp_path / "one.json"), str(tmp_path / "two.json"), *protocol]
        assert main(arguments) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines and all("a tie" in line for line in lines)
        assert main([*arguments, "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert len(rows) == len(lines) and {row["verdict"] for row in rows} == {"tie"} and {row["difference"] for row in rows} == {0.0}


@pytest.mark.parametrize("command", [[], ["run"], ["consistency"], ["verify"], ["table"], ["compare"], ["export"]])
def test_help_is_printed(command, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    assert "usage: python -m eval" in capsys.readouterr().out
