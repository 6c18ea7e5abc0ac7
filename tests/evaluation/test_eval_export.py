"""What leaves for other tools says the same as the result."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace

import pytest

from clap.errors import UserError
from eval.embeddings import Embedder
from eval.export import field, latex, write_csv, write_mteb, write_trec
from eval.protocols import DUPLICATE_AWARE, MTEB, read


@pytest.fixture(params=["single", "shared"])
def pair(request, toy):
    """A data set, with one clip a text or several, and its record."""
    dataset = toy.dataset() if request.param == "single" else toy.shared(toy.dataset())
    return dataset, toy.run(toy.Encoder(wrong=(1, 2)), dataset)


def test_csv_has_a_row_per_protocol_language_direction_and_metric(pair, tmp_path):
    record = pair[1]
    write_csv(record, tmp_path / "r.csv")
    rows = list(csv.DictReader((tmp_path / "r.csv").open()))
    assert len(rows) == (3 * 8 + 9) * 4
    (row,) = [
        r for r in rows if (r["protocol"], r["language"], r["direction"], r["metric"]) == ("mteb", "eng_Latn", "audio_to_text", "R@5")
    ]
    (expected,) = [r for r in read(record, MTEB) if (r.language, r.direction) == ("eng_Latn", "audio_to_text")]
    assert float(row["value"]) == pytest.approx(expected.metrics["R@5"])
    assert (row["qrels"], int(row["pool_size"])) == (expected.qrels, expected.pool_size)


def test_latex_table(toy):
    lines = latex(toy.run(toy.Encoder(wrong=(1, 2, 3)))).splitlines()
    assert any(line.startswith("English & 75.0 & ") and line.endswith(r"\\") for line in lines)
    assert lines.count(r"\toprule") == lines.count(r"\midrule") == lines.count(r"\bottomrule") == 1
    assert "protocol paper" in lines[0] and "24 queries, pool of 12" in lines[1]


def test_mteb_files(pair, tmp_path):
    record = pair[1]
    write_mteb(record, tmp_path / "mteb")
    task = json.loads((tmp_path / "mteb" / "toy-audio_to_text.json").read_text())
    english = task["scores"]["test"][0]
    assert (task["task_name"], english["hf_subset"], english["languages"]) == ("toy-audio_to_text", "eng-Latn", ["eng-Latn"])
    assert english["main_score"] == english["recall_at_1"] <= 0.5


def _trec(path):
    """Query -> items in the order of falling scores, as trec_eval reads a run."""
    found = defaultdict(list)
    for line in path.read_text().splitlines():
        query, _, item, _, score, _ = line.split()
        found[query].append((-float(score), item))
    return {query: [item for _, item in sorted(items)] for query, items in found.items()}


def test_trec_files_give_the_ranks_of_the_result(pair, toy, tmp_path):
    dataset, record = pair
    write_trec(record, tmp_path / "trec", Embedder(toy.Encoder(wrong=(1, 2)), toy.load), dataset)
    assert len(list((tmp_path / "trec").iterdir())) == 8
    for result in read(record):
        name = f"toy.{result.language}.{result.direction}"
        relevant = defaultdict(set)
        for line in (tmp_path / "trec" / f"{name}.qrels").read_text().splitlines():
            query, zero, item, one = line.split()
            relevant[query].add(item)
            assert (zero, one) == ("0", "1")
        run = _trec(tmp_path / "trec" / f"{name}.run")
        ranks = {query: [rank for rank, item in enumerate(items, 1) if item in relevant[query]] for query, items in run.items()}
        assert ranks == result.ranks
        assert {len(items) for items in run.values()} == {result.pool_size}


def test_a_name_with_blanks_is_one_field_and_none_meets_another():
    assert field("my sound 1.mp3") == "my%20sound%201.mp3" and field("犬-1") == "犬-1"
    assert field("a b") != field("a%20b") == "a%2520b"


def test_trec_of_a_result_that_no_longer_holds_is_refused(toy, tmp_path):
    dataset = toy.dataset()
    with pytest.raises(UserError, match="'c01-eng-0' in eng_Latn text_to_audio are not those of the result"):
        write_trec(toy.run(dataset=dataset), tmp_path / "trec", Embedder(toy.Encoder(wrong=(1,)), toy.load), dataset)


def test_a_folder_that_cannot_be_made(toy, tmp_path):
    with pytest.raises(UserError, match="cannot be made"):
        write_mteb(toy.run(), tmp_path / "none" / "mteb")


def test_the_export_reads_by_the_records_protocol(toy):
    record = toy.run(dataset=toy.shared(toy.dataset()))
    assert latex(record) == latex(replace(record, protocol=DUPLICATE_AWARE.name)) != latex(replace(record, protocol="paper"))
