"""Four readings of the same ranks, with values worked out by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from clap.errors import UserError
from eval.dashboard import tables
from eval.metrics import average_precision
from eval.protocols import (
    DCASE,
    DUPLICATE_AWARE,
    MTEB,
    PAPER,
    PROTOCOLS,
    capped_average_precision,
    get_protocol,
    headline,
    read,
    share_found,
)
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO, Qrels


def by_key(results):
    return {(result.language, result.direction): result for result in results}


def test_per_query_values():
    assert share_found([1, 4, 9], 5) == pytest.approx(2 / 3)
    assert capped_average_precision([1, 3], 10) == average_precision([1, 3], 10) == pytest.approx((1 + 2 / 3) / 2)
    twelve = list(range(1, 13))
    assert capped_average_precision(twelve, 10) == pytest.approx(1.0)
    assert average_precision(twelve, 10) == pytest.approx(10 / 12)


def test_the_paper_and_mteb_mean_other_things_by_recall(toy):
    """Both captions of each clip stand first: the paper's R@1 is 100 %, mteb's can be no more than half."""
    record = toy.run()
    paper, mteb = (by_key(read(record, p))["eng_Latn", AUDIO_TO_TEXT].metrics for p in (PAPER, MTEB))
    assert (paper["R@1"], mteb["R@1"], mteb["R@5"]) == (1.0, 0.5, 1.0)
    assert paper["mAP@10"] == mteb["mAP@10"] == 1.0
    assert paper == pytest.approx(by_key(record.results)["eng_Latn", AUDIO_TO_TEXT].metrics)


def test_queries_of_classes_have_all_clips_of_the_class(toy):
    """Twelve clips in four classes. English finds the class's first clip, on whose axis the text lies; the rest are tied."""
    record = toy.run(dataset=toy.shared(toy.dataset()))
    assert record.protocol == "duplicate-aware"
    found = by_key(read(record))
    text, audio = found["eng_Latn", TEXT_TO_AUDIO], found["eng_Latn", AUDIO_TO_TEXT]
    assert (text.truth, text.queries, text.pool_size) == ("texts", 8, 12)
    assert (audio.queries, audio.pool_size) == (12, 8)
    assert {len(ranks) for ranks in text.ranks.values()} == {3} and all(ranks[0] == 1 for ranks in text.ranks.values())
    assert all(audio.ranks[f"c{n:02d}"] == [1, 2] for n in range(4))
    single = by_key(read(record, PAPER))["eng_Latn", TEXT_TO_AUDIO]
    assert (single.truth, single.queries, single.metrics["R@1"]) == ("captions", 24, pytest.approx(1 / 3))
    assert single.qrels != text.qrels and single.pool_size == text.pool_size


def test_without_shared_texts_all_protocols_read_the_same_queries(toy):
    record = toy.run()
    assert record.protocol == "paper" and record.groups == {}
    for protocol in PROTOCOLS.values():
        assert {result.qrels for result in read(record, protocol)} == {result.qrels for result in record.results}


def test_a_language_without_shared_texts_is_read_by_captions(toy):
    dataset = toy.dataset()
    from dataclasses import replace

    text = dataset.captions[0].text
    twin = next(c for c in dataset.captions if (c.clip, c.language) == ("c05", "eng_Latn"))
    record = toy.run(dataset=replace(dataset, captions=tuple(replace(c, text=text) if c is twin else c for c in dataset.captions)))
    assert record.protocol == "paper" and list(record.groups) == ["eng_Latn"]
    queries = {(r.language, r.direction): r.queries for r in read(record, DUPLICATE_AWARE)}
    assert queries["eng_Latn", TEXT_TO_AUDIO] == 23 and queries["jpn_Jpan", TEXT_TO_AUDIO] == 24


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_chance_is_the_mean_over_all_orders(protocol):
    pool, relevant = 12, 3
    ranks = list(combinations(range(1, pool + 1), relevant))
    for name, metric in protocol.metrics.items():
        assert metric.by_chance(pool, relevant) == pytest.approx(np.mean([metric.score(r) for r in ranks])), name


def test_dcase_is_known_by_map_16_where_a_query_has_several_clips():
    one, two = Qrels({"a": ("x",), "b": ("y",)}), Qrels({"a": ("x",), "b": ("x", "y")})
    assert [headline(DCASE, qrels, TEXT_TO_AUDIO) for qrels in (one, two)] == ["mAP@10", "mAP@16"]
    assert headline(PAPER, two, TEXT_TO_AUDIO) == "mAP@10"
    assert DCASE.metrics["mAP@16"].score([1, 16, 17]) == pytest.approx((1 + 2 / 16) / 3)


def test_unknown_protocol():
    with pytest.raises(UserError, match="Unknown protocol 'ours'; the protocols are paper, mteb, dcase, duplicate-aware"):
        get_protocol("ours")


def test_figures_of_two_protocols_are_refused_in_one_chart(toy):
    import pandas as pd

    record = toy.run()
    both = pd.concat([tables.tidy({"one": record}, PAPER), tables.tidy({"two": record}, MTEB)])
    reason = tables.refusal(tables.choose(both, AUDIO_TO_TEXT, ["one", "two"]))
    assert "different protocols (one: paper, two: mteb)" in reason


def test_other_words_under_the_same_ids_are_refused(toy):
    dataset = toy.dataset()
    from dataclasses import replace

    changed = replace(dataset, captions=(replace(dataset.captions[0], text="the sound 0"), *dataset.captions[1:]))
    table = tables.tidy({"old": toy.run(), "new": toy.run(dataset=changed)})
    assert "different wordings of the captions" in tables.refusal(tables.choose(table, TEXT_TO_AUDIO, ["old", "new"]))
