"""Ranks, the tie rule, the metrics and their chance level."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from eval.metrics import PER_QUERY, average_precision, chance, hit, rank_all, rank_relevant, reciprocal_rank, summarize
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


def test_ranks_of_distinct_scores():
    items = ["a", "b", "c", "d"]
    assert rank_relevant("q", np.array([0.1, 0.9, 0.5, 0.7]), items, [0, 1]) == [1, 4]


def test_tied_items_take_distinct_ranks_below_better_items():
    items = ["best", "a", "b", "c", "worst"]
    scores = np.array([2.0, 1, 1, 1, 0])
    ranks = [rank_relevant("q", scores, items, [i])[0] for i in range(5)]
    assert ranks[0] == 1 and ranks[4] == 5 and sorted(ranks[1:4]) == [2, 3, 4]


def test_ties_do_not_depend_on_the_order_of_items():
    items = [f"i{n}" for n in range(20)]
    shuffled = items[::-1]
    for query in ("q1", "q2", "q3"):
        assert rank_relevant(query, np.ones(20), items, [3]) == rank_relevant(query, np.ones(20), shuffled, [16])


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
    with pytest.raises(ValueError):
        rank_all(np.zeros((1, 2)), ["q1", "q2"], ["a", "b"], {"q1": ["a"], "q2": ["b"]})
