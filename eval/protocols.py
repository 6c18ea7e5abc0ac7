"""Named ways to read the ranks of one run. The ranks are the same; what counts as a query and how a query is scored differ.

Figures of two protocols are different quantities under one name, so every figure carries its protocol, its pool size and
the hash of its ground truth, and eval.dashboard.tables.refusal keeps such figures out of one chart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clap.errors import UserError
from eval.metrics import PER_QUERY, Ranks, average_precision, chance, random_precision
from eval.qrels import CAPTIONS, TEXTS, Qrels

if TYPE_CHECKING:
    from eval.results import Result, RunRecord


def share_found(ranks: Ranks, k: int) -> float:
    """The share of a query's relevant items that are in the top k: what mteb and most of IR call recall."""
    return sum(rank <= k for rank in ranks) / len(ranks)


def capped_average_precision(ranks: Ranks, k: int) -> float:
    """Average precision in the top k over as many relevant items as fit there, min(k, relevant), so that 1 can be reached."""
    return average_precision(ranks, k) * len(ranks) / min(k, len(ranks))


def _random_share(pool: int, _: int, k: int) -> float:
    return min(1.0, k / pool)


def _random_capped(pool: int, relevant: int, k: int) -> float:
    return random_precision(pool, relevant, k) * relevant / min(k, relevant)


@dataclass(frozen=True)
class Metric:
    """A fraction in [0, 1] of one query: `score` of its ranks, and `by_chance` of (pool size, number of relevant items)."""

    score: Callable[[Ranks], float]
    by_chance: Callable[[int, int], float]


@dataclass(frozen=True)
class Protocol:
    """A reading of ranks: `truth` says what a query is (eval.qrels), `metrics` how it is scored, `text` both in words."""

    name: str
    title: str
    text: str
    truth: str
    metrics: Mapping[str, Metric]


def _metric(name: str) -> Metric:
    return Metric(PER_QUERY[name], partial(chance, name))


_CUTS = (1, 5, 10, 50)
_PLAIN = {name: _metric(name) for name in ("R@1", "R@5", "R@10", "R@50", "mAP@10", "MRR")}
_SHARES = {f"R@{k}": Metric(partial(share_found, k=k), partial(_random_share, k=k)) for k in _CUTS}
_MAP_16 = Metric(partial(average_precision, k=16), partial(random_precision, k=16))
_CAPPED = Metric(partial(capped_average_precision, k=10), partial(_random_capped, k=10))

PAPER = Protocol(
    "paper", "The paper's",
    "Every caption is a query with one right clip. R@k is the share of queries with a right answer in the top k; from audio to text any of "
    "a clip's captions will do. mAP@10 divides by the number of all the clip's captions.",
    CAPTIONS, _PLAIN,
)  # fmt: skip
MTEB = Protocol(
    "mteb", "mteb's",
    "Every caption is a query with one right clip. R@k is the share of the right answers found in the top k, so that from audio to text "
    "with five captions a clip R@1 cannot exceed 20 %. mAP@10 divides by the number of all right answers.",
    CAPTIONS, {**_PLAIN, **_SHARES},
)  # fmt: skip
DCASE = Protocol(
    "dcase", "DCASE's",
    "Every text is a query once, and every clip described with it is right. R@k is the share of queries with a right answer in the top k. "
    "mAP@10 is the figure where a query has one right clip, mAP@16 where it has several; both divide by the number of all right answers.",
    TEXTS, {**_PLAIN, "mAP@16": _MAP_16},
)  # fmt: skip
DUPLICATE_AWARE = Protocol(
    "duplicate-aware", "Duplicate-aware",
    "Captions that say the same text, but for case and punctuation, are one query, and every clip described with it is right. R@k is the "
    "share of queries with a right answer in the top k. mAP@10 divides by the right answers that fit into ten: min(10, right answers).",
    TEXTS, {**_PLAIN, "mAP@10": _CAPPED},
)  # fmt: skip
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (PAPER, MTEB, DCASE, DUPLICATE_AWARE)}


def get_protocol(name: str) -> Protocol:
    """The protocol of a name; raises UserError with the names there are."""
    if name not in PROTOCOLS:
        raise UserError(f"Unknown protocol {name!r}; the protocols are {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]


def suitable(qrels: Qrels) -> Protocol:
    """The protocol that suits texts grouped into `qrels`: duplicate-aware where each text has several clips, else the paper's."""
    several = all(len(clips) > 1 for clips in qrels.clips_of.values())
    return DUPLICATE_AWARE if several else PAPER


def headline(protocol: Protocol, qrels: Qrels, direction: str) -> str:
    """The precision that a protocol is known by: mAP@10, and of DCASE's mAP@16 where a query has several right answers."""
    several = any(len(relevant) > 1 for relevant in qrels.relevant(direction).values())
    return "mAP@16" if several and "mAP@16" in protocol.metrics else "mAP@10"


def results_by(record: RunRecord, protocol: Protocol) -> tuple[Result, ...]:
    """The results whose queries are those of a protocol: one per language and direction, `metrics` as recorded."""
    grouped = {result.language for result in record.results if result.truth == TEXTS}
    return tuple(r for r in record.results if r.truth == (protocol.truth if r.language in grouped else CAPTIONS))


def read(record: RunRecord, protocol: Protocol | None = None) -> tuple[Result, ...]:
    """A record's results by a protocol, by default the record's own: one per language and direction, `metrics` by the protocol.

    Median and mean rank of the first right answer stand beside the protocol's own metrics.
    """
    chosen = protocol or get_protocol(record.protocol)
    return tuple(replace(result, metrics=_figures(result, chosen)) for result in results_by(record, chosen))


def _figures(result: Result, protocol: Protocol) -> dict[str, float]:
    means = {name: float(per_query(result, protocol, name).mean()) for name in protocol.metrics}
    return {**means, **{name: result.metrics[name] for name in ("median_rank", "mean_rank")}}


def per_query(result: Result, protocol: Protocol, metric: str) -> np.ndarray:
    """`(Q,)` fractions of one metric of a protocol, in the order of the sorted query ids."""
    score = protocol.metrics[metric].score
    return np.array([score(result.ranks[query]) for query in sorted(result.ranks)])


def by_chance(result: Result, protocol: Protocol, metric: str) -> float:
    """The expected value of a metric when the pool stands in a random order for each query of a result."""
    sizes, counts = np.unique([len(ranks) for ranks in result.ranks.values()], return_counts=True)
    expected = [protocol.metrics[metric].by_chance(result.pool_size, int(size)) for size in sizes]
    return float(np.average(expected, weights=counts))
