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
BLOCK = 250_000
"""Scores that are looked at together when ranking: they fit into a processor's cache."""


def rank_all(
    scores: np.ndarray, queries: Sequence[str], items: Sequence[str], relevant: Mapping[str, Sequence[str]]
) -> dict[str, list[int]]:
    """Query id -> 1-based ranks of its relevant items, ascending, by the tie rule above; keys are sorted.

    `scores` is `(Q, P)`, finite, higher is better, of `queries` against `items`. Raises ValueError when the shapes disagree,
    KeyError for a relevant item that is not among `items`.
    """
    if scores.shape != (len(queries), len(items)):
        raise ValueError(f"scores must be ({len(queries)}, {len(items)}), one row a query and one column an item, got {scores.shape}")
    position = {item: index for index, item in enumerate(items)}
    pairs = [(row, position[item]) for row, query in enumerate(queries) for item in relevant[query]]
    rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    found: dict[str, list[int]] = {query: [] for query in sorted(queries)}
    for row, rank in zip(rows.tolist(), _ranks(np.ascontiguousarray(scores), rows, columns, queries, items).tolist(), strict=True):
        found[queries[row]].append(rank)
    return {query: sorted(ranks) for query, ranks in found.items()}


def _ranks(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray, queries: Sequence[str], items: Sequence[str]) -> np.ndarray:
    """`(N,)` ranks of the items at `columns` for the queries at `rows`, a block of pairs at a time to bound memory."""
    ranks = np.empty(len(rows), dtype=np.int64)
    step = max(1, BLOCK // max(1, len(items)))
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        block, own = scores[rows[here]], scores[rows[here], columns[here]][:, None]
        ranks[here] = 1 + np.count_nonzero(block > own, axis=1)
        tied = start + np.flatnonzero(np.count_nonzero(block == own, axis=1) > 1)
        ranks[tied] += _tied_before(scores, rows[tied], columns[tied], queries, items)
    return ranks


def _tied_before(scores: np.ndarray, rows: np.ndarray, columns: np.ndarray, queries: Sequence[str], items: Sequence[str]) -> np.ndarray:
    """`(N,)`: how many items of the same score stand before that at a column; the keys of a query's ties are made once."""
    before = np.empty(len(rows), dtype=np.int64)
    known, kept = None, np.empty(0, dtype="S32")
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        score = scores[row, column]
        if (row, score) != known:
            known, kept = (row, score), _tie_keys(queries[row], [items[tied] for tied in np.flatnonzero(scores[row] == score)])
        before[index] = np.count_nonzero(kept < _tie_keys(queries[row], [items[column]]))
    return before


def _tie_keys(query: str, items: Sequence[str]) -> np.ndarray:
    """`(N,)` SHA-256 digests of a query with each item, as bytes that compare like the digests."""
    prefix, sha256 = f"{query}\t".encode(), hashlib.sha256
    return np.frombuffer(b"".join([sha256(prefix + item.encode()).digest() for item in items]), dtype="S32")


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


def random_precision(pool: int, relevant: int, k: int) -> float:
    """Average precision over all relevant items that a random order of the pool can expect in the top k."""
    others = (relevant - 1) / (pool - 1) if pool > 1 else 0.0
    return sum((1 + (rank - 1) * others) / rank for rank in range(1, min(k, pool) + 1)) / pool


def chance(metric: str, pool: int, relevant: int) -> float:
    """The expected value of a metric of PER_QUERY for one query whose `pool` items stand in a random order."""
    first = _first_rank_chance(pool, relevant)
    rank = np.arange(1, pool + 1)
    if metric == "MRR":
        return float((first / rank).sum())
    if metric == "mAP@10":
        return random_precision(pool, relevant, 10)
    return float(first[: int(metric.removeprefix("R@"))].sum())
