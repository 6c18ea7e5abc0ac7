"""Result files: a round trip, and each thing that is refused with the field's name."""

from __future__ import annotations

import json

import pytest

from clap.errors import UserError
from eval.results import load, load_for_table, save


@pytest.fixture
def saved(toy, tmp_path):
    path = tmp_path / "run.json"
    save(toy.run(toy.Encoder(wrong=(1, 2))), path)
    return path


def test_round_trip(toy, tmp_path):
    record = toy.run()
    save(record, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == record
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_round_trip_with_shared_texts(toy, tmp_path):
    record = toy.run(dataset=toy.shared(toy.dataset()))
    save(record, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == record
    assert record.groups["eng_Latn"][0] == ("c00-eng-0", "c04-eng-0", "c08-eng-0")


def _first(rows):
    return rows["results"][0]


CHANGES = {
    "schema_version is 99": lambda rows: rows.update(schema_version=99),
    r"missing keys \['fingerprint'\]": lambda rows: rows.pop("fingerprint"),
    r"unknown keys \['extra'\]": lambda rows: rows.update(extra=1),
    "dataset must be of type str": lambda rows: rows.update(dataset=3),
    "split is empty": lambda rows: rows.update(split=""),
    "created must be UTC": lambda rows: rows.update(created="yesterday"),
    r"results\[0\].direction must be one of": lambda rows: _first(rows).update(direction="sideways"),
    "protocol must be one of paper, mteb": lambda rows: rows.update(protocol="ours"),
    "doctor must be of type dict": lambda rows: rows.update(doctor="well"),
    "doctor.passed must be of type bool": lambda rows: rows.update(doctor={}),
    r"results\[0\].truth must be one of captions, got 'texts'": lambda rows: _first(rows).update(truth="texts"),
    r"results\[0\].wording must be 16": lambda rows: _first(rows).update(wording="none"),
    r"captions.jpn_Jpan and captions.eng_Latn have different pools; clip 'c11'": lambda rows: rows["captions"]["jpn_Jpan"].pop("c11"),
    r"captions.eng_Latn names caption 'c00-eng-0' twice": lambda rows: rows["captions"]["eng_Latn"]["c01"].append("c00-eng-0"),
    "groups: language must be one of": lambda rows: rows.update(groups={"fra_Latn": []}),
    "groups.eng_Latn must hold groups": lambda rows: rows.update(groups={"eng_Latn": [["c00-eng-0"]]}),
    "a language of groups its texts too": lambda rows: rows.update(groups={"eng_Latn": [["c00-eng-0", "c01-eng-0"]]}),
    r"results\[0\].provenance must be one of": lambda rows: _first(rows).update(provenance=["a friend"]),
    r"results\[0\].pool_size is 13": lambda rows: _first(rows).update(pool_size=13),
    r"results\[0\].queries is 1": lambda rows: _first(rows).update(queries=1),
    r"results\[0\].qrels is": lambda rows: _first(rows).update(qrels="0" * 16),
    r"results\[0\].ranks.c00-eng-0 holds rank 13": lambda rows: _first(rows)["ranks"].update({"c00-eng-0": [13]}),
    r"results\[0\].ranks.c00-eng-0 holds rank 0": lambda rows: _first(rows)["ranks"].update({"c00-eng-0": [0]}),
    r"results\[0\].ranks.c00-eng-0 must be of type int": lambda rows: _first(rows)["ranks"].update({"c00-eng-0": [1.5]}),
    r"ranks.c00-eng-0 must hold 1 different": lambda rows: _first(rows)["ranks"].update({"c00-eng-0": [1, 2]}),
    "do not have the same queries; 'c00-eng-0'": lambda rows: _first(rows)["ranks"].pop("c00-eng-0"),
    r"results\[0\].metrics.R@1 is 0.99": lambda rows: _first(rows)["metrics"].update({"R@1": 0.99}),
    r"results\[0\].metrics.R@1 must be a finite number": lambda rows: _first(rows)["metrics"].update({"R@1": "high"}),
    r"missing keys \['MRR'\]": lambda rows: _first(rows)["metrics"].pop("MRR"),
    "each language of captions once": lambda rows: rows["results"].pop(),
    "captions: language must be one of": lambda rows: rows["captions"].update(xxx_Latn={}),
}


@pytest.mark.parametrize("sentence", CHANGES)
def test_what_is_refused(saved, sentence):
    rows = json.loads(saved.read_text())
    CHANGES[sentence](rows)
    saved.write_text(json.dumps(rows))
    with pytest.raises(UserError, match=sentence) as caught:
        load(saved)
    assert "run.json" in str(caught.value)


def test_not_a_number_is_refused(saved):
    rows = json.loads(saved.read_text())
    rows["results"][0]["metrics"]["R@1"] = float("nan")
    saved.write_text(json.dumps(rows))
    with pytest.raises(UserError, match="NaN is not a number"):
        load(saved)


def test_files_that_are_no_result(tmp_path):
    with pytest.raises(UserError, match="There is no result file"):
        load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match="'bad.json' is not JSON"):
        load(tmp_path / "bad.json")


def test_destinations_that_cannot_be_written(toy, tmp_path):
    with pytest.raises(UserError, match="folder that does not exist"):
        save(toy.run(), tmp_path / "none" / "run.json")
    with pytest.raises(UserError, match="is a folder"):
        save(toy.run(), tmp_path)


def test_version_1_is_told_the_command_to_run_again(saved):
    rows = json.loads(saved.read_text())
    saved.write_text(json.dumps({**rows, "schema_version": 1}))
    with pytest.raises(
        UserError, match="schema_version is 1, .* run `python -m eval run --checkpoint fake --dataset toy --out FILE` again"
    ):
        load(saved)


def test_a_query_that_stands_twice_is_refused(saved):
    text = saved.read_text()
    saved.write_text(text.replace('"ranks":{"c00-eng-0":', '"ranks":{"c00-eng-0":[9],"c00-eng-0":', 1))
    with pytest.raises(UserError, match="'c00-eng-0' stands twice"):
        load(saved)


def test_a_truncated_file_is_refused(saved):
    saved.write_text(saved.read_text()[:-200])
    with pytest.raises(UserError, match="'run.json' is not JSON"):
        load(saved)


@pytest.mark.parametrize(("doctor", "word"), [(None, "doctor is empty"), ({"passed": False}, "the checkpoint failed")])
def test_only_examined_checkpoints_enter_a_table(toy, tmp_path, doctor, word):
    save(toy.run(doctor=doctor), tmp_path / "run.json")
    assert load(tmp_path / "run.json").doctor == doctor
    with pytest.raises(UserError, match=word):
        load_for_table(tmp_path / "run.json")
    save(toy.run(), tmp_path / "run.json")
    assert load_for_table(tmp_path / "run.json").doctor == {"passed": True}
