"""How alike a checkpoint treats eight languages: pure functions of ranks and vectors.

Axes: L languages, Q queries that are translations of one another (the n-th of every language says the same), P clips of
the pool, D dimensions. Ranks are 1-based and come from eval.retrieval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PERSISTENCE = 0.9
"""The p of rank-biased overlap: how much of a reader's attention each next rank keeps (Webber et al., ACM TOIS 2010)."""


def rank_variance(ranks: np.ndarray) -> np.ndarray:
    """`(L, Q)` ranks of each query's own clip -> `(Q,)` variance over the languages (mean squared deviation), in ranks squared."""
    return np.var(ranks, axis=0)


def rank_biased_overlap(first: np.ndarray, second: np.ndarray, p: float = PERSISTENCE) -> np.ndarray:
    """Agreement of two rankings of one pool, weighted to the top: 1 when they are the same, near 0 when their tops share nothing.

    `first` and `second` are `(..., P)`: the rank of every item in each. Both rank the whole pool, so the sum runs to depth P
    and is extrapolated from there, where the two lists hold the same items:
    (1 - p) * sum over d of p^(d-1) * overlap(d) / d, plus p^P. Returns `(...)` fractions.
    """
    pool = first.shape[-1]
    reached = np.maximum(first, second).reshape(-1, pool)
    joined = np.zeros((len(reached), pool))
    np.add.at(joined, (np.arange(len(reached))[:, None], reached - 1), 1)
    agreement = joined.cumsum(axis=1) / np.arange(1, pool + 1)
    overlap = (1 - p) * agreement @ p ** np.arange(pool) + p**pool
    return overlap.reshape(first.shape[:-1])


def overlap_matrix(ranks: np.ndarray, p: float = PERSISTENCE) -> np.ndarray:
    """`(L, Q, P)` ranks of all items -> `(L, L)` mean rank-biased overlap of each two languages over the queries."""
    size = len(ranks)
    matrix = np.ones((size, size))
    for one in range(size):
        for other in range(one):
            matrix[one, other] = matrix[other, one] = rank_biased_overlap(ranks[one], ranks[other], p).mean()
    return matrix


def embedding_gap(vectors: np.ndarray) -> np.ndarray:
    """`(L, Q, D)` vectors of parallel queries -> `(L, L)` distance between the means of two languages.

    The vectors are centred on the mean of all, and distances are measured in the spread of the queries: the root mean
    square distance of a query from the mean of its language. 0 says that two languages lie on one another, 1 that they lie as far
    apart as a query from the middle of its language.
    """
    centred = vectors.astype(np.float64) - vectors.astype(np.float64).mean(axis=(0, 1))
    means = centred.mean(axis=1)
    spread = np.sqrt(((centred - means[:, None]) ** 2).sum(axis=-1).mean())
    apart = np.linalg.norm(means[:, None] - means[None, :], axis=-1)
    return apart / spread if spread > 0 else np.where(apart > 0, np.inf, 0.0)


def off_diagonal_mean(matrix: np.ndarray) -> float:
    """The mean of a square matrix without its diagonal; of a single language, its one value."""
    size = len(matrix)
    return float(matrix[0, 0]) if size == 1 else float((matrix.sum() - np.trace(matrix)) / (size * (size - 1)))


def clip_ranks(ranks: np.ndarray, clips: Sequence[str]) -> dict[str, list[float]]:
    """Clip id -> its mean rank in each language, from `(L, Q)` ranks of each query's own clip and the clip of each query.

    Clips come in order of how far their worst language is from their best, the farthest first.
    """
    owner = np.asarray(clips)
    means = {clip: ranks[:, owner == clip].mean(axis=1) for clip in dict.fromkeys(clips)}
    return {clip: [float(rank) for rank in means[clip]] for clip in sorted(means, key=lambda clip: (-np.ptp(means[clip]), clip))}
