"""How far a mean over queries can be believed: bootstrap, randomisation test, Holm's correction, effect size. Pure, NumPy only.

Queries about one clip are not independent of each other, so whole units (clips, in most cases) are resampled or flipped.
Everything is seeded and drawn over the sorted names of the units: the same queries give the same figures, in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np

SEED = 20240611
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
POWER = 0.8
RESAMPLES = 1000
FLIPS = 9999
BLOCK = 4_000_000
"""Numbers that are drawn at a time, which bounds memory (32 MB) for any number of units; changes no figure."""
TOLERANCE = 1e-9
"""Resampled means this close, relative to the largest possible one, are equal: sums of fractions differ in their last bits."""


def owners(units: Sequence[str]) -> tuple[np.ndarray, int]:
    """`(Q,)` number of each query's unit in the sorted order of the names, and how many units there are."""
    names, owner = np.unique(np.asarray(units), return_inverse=True)
    return owner, len(names)


def _blocks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK // width)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _draws(count: int, width: int) -> Iterator[np.ndarray]:
    """RESAMPLES rows `(count,)`, in blocks: how often each of `count` units is drawn when `count` are, with replacement."""
    rng = np.random.default_rng(SEED)
    for rows in _blocks(RESAMPLES, max(count, width)):
        yield rng.multinomial(count, np.full(count, 1 / count), size=rows.stop - rows.start)


def unit_totals(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """`(U, M)` sums over each unit's queries of `values` `(Q, M)`."""
    return np.column_stack([np.bincount(owner, weights=column, minlength=count) for column in values.T])


def resampled_means(values: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """`(RESAMPLES, M)` means of the columns of `values` `(Q, M)` over units drawn with replacement, each with all its queries."""
    owner, count = owners(units)
    totals, sizes = unit_totals(values, owner, count), np.bincount(owner)
    return np.concatenate([(drawn @ totals) / (drawn @ sizes)[:, None] for drawn in _draws(count, count)])


def resampled_medians(values: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """`(RESAMPLES,)` medians of `values` `(Q,)`, resampled as the means are."""
    owner, count = owners(units)
    order = np.argsort(values, kind="stable")
    ordered, owner, medians = values[order], owner[order], []
    for drawn in _draws(count, len(values)):
        upto = np.cumsum(drawn[:, owner], axis=1)
        middle = [(upto > (upto[:, -1:] - step) // 2).argmax(axis=1) for step in (1, 0)]
        medians.append((ordered[middle[0]] + ordered[middle[1]]) / 2)
    return np.concatenate(medians)


def percentiles(resampled: np.ndarray) -> np.ndarray:
    """`(M, 2)` ends of the 95 % percentile intervals of resampled figures `(RESAMPLES, M)` (Efron, 1979)."""
    return np.quantile(resampled, [ALPHA / 2, 1 - ALPHA / 2], axis=0).T


def bootstrap(values: np.ndarray, units: Sequence[str]) -> tuple[float, float]:
    """95 % percentile interval of the mean of per-query `values` `(Q,)`, resampling `units` with all their queries.

    `units` names the unit of each query, its clip in most cases. Source: Efron, "Bootstrap methods: another look at the
    jackknife", Annals of Statistics 1979; whole clusters as in Field and Welsh, "Bootstrapping clustered data", 2007.
    """
    low, high = percentiles(resampled_means(values[:, None], units))[0]
    return float(low), float(high)


def bootstrap_test(resampled: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """`(M,)` two-sided p-values of mean paired differences `observed` `(M,)` from their `resampled` means `(RESAMPLES, M)`.

    The resampled means, moved so that they lie around zero, are counted where they are at least as far from it as the
    observed one. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 16.
    """
    far = np.abs(resampled - observed) >= np.abs(observed) - TOLERANCE
    return (1 + far.sum(axis=0)) / (1 + len(resampled))


def randomisation_test(differences: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """`(M,)` two-sided p-values of paired `differences` `(Q, M)` under the hypothesis that the two systems are exchangeable.

    FLIPS times each unit's differences change sign together or not, at random; p is the share of mean differences at least
    as far from zero as the observed one, that one counted. Source: Fisher's randomisation test, recommended for retrieval by
    Smucker, Allan and Carterette, "A comparison of statistical significance tests for IR evaluation", CIKM 2007.
    """
    owner, count = owners(units)
    totals = unit_totals(differences, owner, count)
    observed, rng, far = np.abs(totals.sum(axis=0)), np.random.default_rng(SEED), 0
    least = observed - TOLERANCE * np.abs(totals).sum(axis=0)
    for rows in _blocks(FLIPS, count):
        bits = np.frombuffer(rng.bytes((rows.stop - rows.start) * -(-count // 8)), dtype=np.uint8)
        kept = np.unpackbits(bits.reshape(rows.stop - rows.start, -1), axis=1, count=count)
        far = far + (np.abs(2 * (kept @ totals) - totals.sum(axis=0)) >= least).sum(axis=0)
    return (1 + far) / (1 + FLIPS)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """`(N,)` p-values corrected for a family of N tests, so that the chance of any false finding stays below alpha.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 1979.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def effect_and_units_needed(differences: np.ndarray, units: Sequence[str]) -> tuple[float | None, int | None]:
    """Effect size of paired `differences` `(Q,)`, and how many units would show a mean difference of this size.

    The effect is the mean over units of a unit's mean difference, divided by its standard deviation over units: Cohen's d
    of paired samples. The number is the normal approximation ((z of 1 - alpha / 2 + z of power) / effect)², rounded up, of a
    two-sided test at alpha 0.05 with 80 % power and no correction for further tests. Source: Cohen, "Statistical Power
    Analysis for the Behavioral Sciences", 1988. The effect is None where all units differ alike, the number also where
    there is no difference at all.
    """
    owner, count = owners(units)
    by_unit = np.bincount(owner, weights=differences) / np.bincount(owner)
    spread = by_unit.std(ddof=1) if count > 1 else 0.0
    if spread < TOLERANCE:
        return None, None
    effect = float(by_unit.mean() / spread)
    if abs(effect) < TOLERANCE:
        return effect, None
    normal = NormalDist()
    return effect, int(np.ceil(((normal.inv_cdf(1 - ALPHA / 2) + normal.inv_cdf(POWER)) / effect) ** 2))
