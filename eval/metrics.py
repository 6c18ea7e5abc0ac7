"""Exact ranking with one tie rule, and metrics of ranks: pure, per query, fractions in [0, 1]; averages come after.

The tie rule: items of equal score stand in the order of SHA-256("query id, tab, item id"). Ranks stay whole and distinct,
do not depend on the order of clips or captions, and a scorer that gives every item the same score gets what chance gets,
because each query has its own, unrelated order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

Ranks = Sequence[int]
"""The 1-based ranks of all relevant items of one query, ascending."""


def _tie_key(query: str, item: str) -> bytes:
    return hashlib.sha256(f"{query}\t{item}".encode()).digest()


def rank_relevant(query: str, scores: np.ndarray, items: Sequence[str], relevant: Sequence[int]) -> list[int]:
    """Ranks of the relevant items of one query by the tie rule above.

    `scores` is `(P,)`, higher is better, in the order of the ids `items`; `relevant` holds positions in `items`.
    Returns as many 1-based ranks, ascending.
    """
    ranks = []
    for position in relevant:
        score, own = scores[position], _tie_key(query, items[position])
        tied = np.flatnonzero(scores == score)
        before = sum(_tie_key(query, items[other]) < own for other in tied) if len(tied) > 1 else 0
        ranks.append(1 + int(np.count_nonzero(scores > score)) + before)
    return sorted(ranks)


def rank_all(
    scores: np.ndarray, queries: Sequence[str], items: Sequence[str], relevant: Mapping[str, Sequence[str]]
) -> dict[str, list[int]]:
    """Query id -> ranks of its relevant items, from finite `scores` `(Q, P)` of `queries` against `items`; keys are sorted."""
    position = {item: index for index, item in enumerate(items)}
    ranks = {
        query: rank_relevant(query, row, items, [position[item] for item in relevant[query]])
        for query, row in zip(queries, scores, strict=True)
    }
    return dict(sorted(ranks.items()))


def hit(ranks: Ranks, k: int) -> float:
    """1 when at least one relevant item is in the top k, else 0; its mean over queries is R@k (IR's hit rate)."""
    return float(ranks[0] <= k)


def reciprocal_rank(ranks: Ranks) -> float:
    """One over the rank of the first relevant item."""
    return 1.0 / ranks[0]


def average_precision(ranks: Ranks, k: int) -> float:
    """Precision at each relevant item in the top k, summed and divided by the number of all relevant items."""
    return sum(found / rank for found, rank in enumerate(ranks, 1) if rank <= k) / len(ranks)


PER_QUERY: dict[str, Callable[[Ranks], float]] = {
    "R@1": partial(hit, k=1),
    "R@5": partial(hit, k=5),
    "R@10": partial(hit, k=10),
    "R@50": partial(hit, k=50),
    "mAP@10": partial(average_precision, k=10),
    "MRR": reciprocal_rank,
}
"""The metrics that are means of a per-query fraction."""

METRICS = (*PER_QUERY, "median_rank", "mean_rank")
"""All metrics of a result: fractions first, then the median and mean rank of the first relevant item, in ranks."""


def summarize(ranks: Mapping[str, Ranks]) -> dict[str, float]:
    """Every metric of METRICS from query id -> ranks of at least one query."""
    ordered = [ranks[query] for query in sorted(ranks)]
    first = np.array([query_ranks[0] for query_ranks in ordered], dtype=float)
    means = {name: float(np.mean([metric(r) for r in ordered])) for name, metric in PER_QUERY.items()}
    return {**means, "median_rank": float(np.median(first)), "mean_rank": float(first.mean())}


def _first_rank_chance(pool: int, relevant: int) -> np.ndarray:
    """`(pool,)`: probability that the first of `relevant` items has rank 1, 2, … in a random order of `pool` items."""
    left = np.arange(pool, 0, -1)
    hit_now = np.minimum(relevant / left, 1.0)
    return hit_now * np.cumprod(np.concatenate([[1.0], 1 - hit_now[:-1]]))


def chance(metric: str, pool: int, relevant: int) -> float:
    """The expected value of a metric of PER_QUERY for one query whose `pool` items stand in a random order."""
    first = _first_rank_chance(pool, relevant)
    rank = np.arange(1, pool + 1)
    if metric == "MRR":
        return float((first / rank).sum())
    if metric == "mAP@10":
        others = (relevant - 1) / (pool - 1) if pool > 1 else 0.0
        return float(((1 + (rank[:10] - 1) * others) / rank[:10]).sum() / pool)
    return float(first[: int(metric.removeprefix("R@"))].sum())
