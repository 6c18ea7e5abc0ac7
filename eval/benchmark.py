"""Seconds for a pool of Clotho's size, beside a plain implementation: `python -m eval.benchmark`.

The plain functions are the definitions, one query and one relevant item at a time. The tests hold the fast ones to them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from eval.metrics import PER_QUERY, rank_all, summarize
from eval.uncertainty import RESAMPLES, SEED, percentiles, resampled_means, resampled_medians

CLIPS = 1045
CAPTIONS_A_CLIP = 5
TIMES = 5

Ranks = dict[str, list[int]]


def plain_ranks(scores: np.ndarray, queries: Sequence[str], items: Sequence[str], relevant: Mapping[str, Sequence[str]]) -> Ranks:
    """What rank_all gives: an item's rank is one more than the items of higher score, and of the same score and smaller key."""

    def key(query: str, item: str) -> bytes:
        return hashlib.sha256(f"{query}\t{item}".encode()).digest()

    ranks: Ranks = {}
    for query, row in zip(queries, scores, strict=True):
        ranks[query] = []
        for item in relevant[query]:
            score = row[items.index(item)]
            tied = np.flatnonzero(row == score) if np.count_nonzero(row == score) > 1 else []
            before = sum(key(query, items[other]) < key(query, item) for other in tied)
            ranks[query].append(1 + int(np.count_nonzero(row > score)) + before)
        ranks[query].sort()
    return dict(sorted(ranks.items()))


def plain_interval(figure: Callable[[np.ndarray], float], values: np.ndarray, clips: Sequence[str]) -> tuple[float, float]:
    """The interval of a `figure` of per-query `values` `(Q,)`: clips are drawn, and their queries written out, resample by resample."""
    names = sorted(set(clips))
    queries = {name: np.flatnonzero(np.asarray(clips) == name) for name in names}
    rng, found = np.random.default_rng(SEED), []
    for _ in range(RESAMPLES):
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        found.append(figure(values[np.concatenate([np.tile(queries[name], n) for name, n in zip(names, times, strict=True) if n])]))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def world(clips: int = CLIPS, seed: int = 0) -> tuple[np.ndarray, list[str], list[str], dict[str, list[str]]]:
    """Scores `(Q, C)` of a middling system with five captions a clip, the ids of captions and clips, clip -> its captions."""
    rng = np.random.default_rng(seed)
    names = [f"clip{number:05d}" for number in range(clips)]
    captions = {name: [f"{name}-{number}" for number in range(CAPTIONS_A_CLIP)] for name in names}
    scores = rng.standard_normal((clips * CAPTIONS_A_CLIP, clips)).astype(np.float32)
    scores[np.arange(len(scores)), np.arange(len(scores)) // CAPTIONS_A_CLIP] += 3
    return scores, [caption for name in names for caption in captions[name]], names, captions


def values_of(ranks: Ranks) -> tuple[np.ndarray, np.ndarray]:
    """Every metric of each query in the order of their ids, `(Q, M)`, the last column the rank of the first relevant item, `(Q,)`."""
    first = np.array([found[0] for found in ranks.values()], dtype=float)
    return np.column_stack([[[metric(found) for metric in PER_QUERY.values()] for found in ranks.values()], first]), first


def fast(scores: np.ndarray, captions: Sequence[str], clips: Sequence[str], captions_of: Mapping[str, Sequence[str]]) -> list:
    """Ranks, all metrics and all intervals, text to audio and back."""
    results = []
    for ranks, owners in _both(rank_all, scores, captions, clips, captions_of):
        values, first = values_of(ranks)
        bounds = [*percentiles(resampled_means(values, owners)), percentiles(resampled_medians(first, owners)[:, None])[0]]
        results.append((ranks, summarize(ranks), np.array(bounds)))
    return results


def plain(scores: np.ndarray, captions: Sequence[str], clips: Sequence[str], captions_of: Mapping[str, Sequence[str]]) -> list:
    """The same as `fast`, by the definitions."""
    results = []
    for ranks, owners in _both(plain_ranks, scores, captions, clips, captions_of):
        values, first = values_of(ranks)
        bounds = [*(plain_interval(np.mean, column, owners) for column in values.T), plain_interval(np.median, first, owners)]
        results.append((ranks, summarize(ranks), np.array(bounds)))
    return results


def _both(rank: Callable, scores: np.ndarray, captions: Sequence[str], clips: Sequence[str], captions_of: Mapping) -> list:
    """The ranks of both directions by a ranking function, and the clip of each query in the order of their ids."""
    clip_of = {caption: clip for clip in clips for caption in captions_of[clip]}
    forth = rank(scores, captions, clips, {caption: [clip] for caption, clip in clip_of.items()})
    return [(forth, [clip_of[caption] for caption in forth]), (rank(scores.T, clips, captions, captions_of), sorted(clips))]


def seconds(work: Callable[[], object], times: int) -> float:
    """The median time of some runs, seconds."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def main() -> None:
    """Print the seconds of both and their ratio, for scores without ties and for a scorer that cannot tell items apart."""
    scores, *ids = world()
    quick, slow = seconds(lambda: fast(scores, *ids), TIMES), seconds(lambda: plain(scores, *ids), 1)
    what = f"{scores.shape[0]:,} captions x {scores.shape[1]:,} clips, both directions, all metrics with intervals"
    print(f"{what}: {quick:.2f} s, plain {slow:.2f} s, {slow / quick:.0f} times as fast")
    constant = np.zeros_like(scores)
    quick, slow = (seconds(lambda rank=rank: _both(rank, constant, *ids), 1) for rank in (rank_all, plain_ranks))
    print(f"ranks of a constant scorer: {quick:.2f} s, plain {slow:.2f} s, {slow / quick:.0f} times as fast")


if __name__ == "__main__":
    main()
