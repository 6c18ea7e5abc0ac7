"""Ranks, the tie rule, the metrics and their chance level."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eval.benchmark import fast, plain_ranks, seconds, world
from eval.metrics import METRICS, PER_QUERY, average_precision, chance, hit, rank_all, reciprocal_rank, summarize
from eval.protocols import share_found
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO, Qrels
from eval.retrieval import similarity

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference"


def test_reference_values_in_both_directions():
    from safetensors.numpy import load_file

    vectors = load_file(REFERENCE / "metrics_reference.safetensors")
    expected = json.loads((REFERENCE / "metrics_reference.json").read_text())
    clips, captions = [f"clip{i}" for i in range(60)], [f"caption{i}" for i in range(300)]
    qrels = Qrels.from_pairs(clips, [(caption, clips[i // 5]) for i, caption in enumerate(captions)])
    unit_norm = {name: (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for name, rows in vectors.items()}
    scores = similarity(unit_norm["caption"], unit_norm["audio"])
    found = {
        TEXT_TO_AUDIO: rank_all(scores, captions, clips, qrels.relevant(TEXT_TO_AUDIO)),
        AUDIO_TO_TEXT: rank_all(scores.T, clips, captions, qrels.relevant(AUDIO_TO_TEXT)),
    }
    for direction, ranks in found.items():
        for name, value in summarize(ranks).items():
            if name == "MRR":
                continue
            unit = 1 if name.endswith("rank") else 100
            assert value == pytest.approx(expected[direction][name] / unit, abs=1e-6), (direction, name)


def rank_one(query, scores, items, relevant):
    return rank_all(np.array([scores]), [query], items, {query: relevant})[query]


def test_ranks_of_distinct_scores():
    assert rank_one("q", [0.1, 0.9, 0.5, 0.7], ["a", "b", "c", "d"], ["a", "b"]) == [1, 4]


def test_tied_items_take_distinct_ranks_below_better_items():
    items = ["best", "a", "b", "c", "worst"]
    ranks = [rank_one("q", [2.0, 1, 1, 1, 0], items, [item])[0] for item in items]
    assert ranks[0] == 1 and ranks[4] == 5 and sorted(ranks[1:4]) == [2, 3, 4]


def test_ties_do_not_depend_on_the_order_of_items():
    items = [f"i{n}" for n in range(20)]
    for query in ("q1", "q2", "q3"):
        assert rank_one(query, np.ones(20), items, ["i3"]) == rank_one(query, np.ones(20), items[::-1], ["i3"])


@pytest.mark.parametrize("block", [1, 70, 250_000])
@pytest.mark.parametrize("levels", [1, 4, 10_000])
def test_ranks_are_those_of_the_definition(levels, block, monkeypatch):
    """With all items tied, with many ties and with hardly one; relevant items in any number; pairs in blocks of any size."""
    monkeypatch.setattr("eval.metrics.BLOCK", block)
    rng = np.random.default_rng(levels)
    queries, items = [f"q{n}" for n in range(40)], [f"ü{n}" for n in range(30)]
    scores = rng.integers(levels, size=(40, 30)).astype(np.float32)
    relevant = {query: list(rng.choice(items, size=rng.integers(1, 8), replace=False)) for query in queries}
    expected = plain_ranks(scores, queries, items, relevant)
    assert rank_all(scores, queries, items, relevant) == expected
    assert rank_all(np.asfortranarray(scores), queries, items, relevant) == expected


def run_in_our_order(scores, queries, items):
    """Every item's score by its rank under our tie rule, for a library with another rule."""
    places = {query: plain_ranks(row[None], [query], items, {query: items})[query] for query, row in zip(queries, scores)}
    assert all(ranks == list(range(1, len(items) + 1)) for ranks in places.values())
    rank_of = {q: {item: plain_ranks(row[None], [q], items, {q: [item]})[q][0] for item in items} for q, row in zip(queries, scores)}
    return {query: {item: -float(rank) for item, rank in ranks.items()} for query, ranks in rank_of.items()}


@pytest.mark.parametrize("levels", [3, 10_000])
def test_an_independent_library_agrees(levels):
    """trec_eval, through ir-measures, query by query on random runs; its own tie rule never gets to act."""
    ir_measures = pytest.importorskip("ir_measures", reason="ir-measures is a development requirement")
    rng = np.random.default_rng(levels)
    queries, items = [f"q{n}" for n in range(25)], [f"i{n:02d}" for n in range(80)]
    scores = rng.integers(levels, size=(25, 80)).astype(np.float32)
    relevant = {query: list(rng.choice(items, size=rng.integers(1, 9), replace=False)) for query in queries}
    ranks = rank_all(scores, queries, items, relevant)
    ours = {
        **{f"Success@{k}": PER_QUERY[f"R@{k}"] for k in (1, 5, 10, 50)},
        **{f"R@{k}": lambda found, k=k: share_found(found, k) for k in (1, 5, 10, 50)},
        "AP@10": PER_QUERY["mAP@10"],
        "AP@16": lambda found: average_precision(found, 16),
        "RR": PER_QUERY["MRR"],
    }
    qrels = {query: {item: 1 for item in found} for query, found in relevant.items()}
    measures = [ir_measures.parse_measure(name) for name in ours]
    theirs = list(ir_measures.iter_calc(measures, qrels, run_in_our_order(scores, queries, items)))
    assert len(theirs) == len(ours) * len(queries)
    for found in theirs:
        assert ours[str(found.measure)](ranks[found.query_id]) == pytest.approx(found.value, abs=1e-6), found


def test_clotho_s_size_takes_less_than_two_seconds():
    work = world()
    assert work[0].shape == (5225, 1045)
    assert seconds(lambda: fast(*work), times=3) < 2.0
    assert set(fast(*world(20))[0][1]) == set(METRICS)


@pytest.mark.parametrize("relevant", [1, 5])
def test_constant_scorer_gets_chance(relevant):
    queries, items = [f"q{n}" for n in range(4000)], [f"i{n}" for n in range(60)]
    truth = {query: items[:relevant] for query in queries}
    got = summarize(rank_all(np.zeros((len(queries), len(items))), queries, items, truth))
    for name in PER_QUERY:
        assert got[name] == pytest.approx(chance(name, 60, relevant), abs=0.02), name
    assert chance("R@1", 60, relevant) == pytest.approx(relevant / 60)


def test_chance_of_mean_average_precision_by_enumeration():
    from itertools import combinations

    values = [average_precision(ranks, 10) for ranks in combinations(range(1, 13), 3)]
    assert chance("mAP@10", 12, 3) == pytest.approx(np.mean(values))
    firsts = [reciprocal_rank(ranks) for ranks in combinations(range(1, 13), 3)]
    assert chance("MRR", 12, 3) == pytest.approx(np.mean(firsts))


def test_per_query_values():
    assert (hit([5, 9], 5), hit([6], 5)) == (1.0, 0.0)
    assert reciprocal_rank([4, 7]) == 0.25
    assert average_precision([1, 3, 11, 12, 13], 10) == pytest.approx((1 + 2 / 3) / 5)


def test_missing_score_row_is_an_error():
    with pytest.raises(ValueError, match=r"must be \(2, 2\)"):
        rank_all(np.zeros((1, 2)), ["q1", "q2"], ["a", "b"], {"q1": ["a"], "q2": ["b"]})
