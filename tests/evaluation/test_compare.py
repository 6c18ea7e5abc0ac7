"""Intervals, tests and verdicts: against SciPy, against simulations whose truth is known, and on records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from clap.errors import UserError
from eval.benchmark import fast, plain, world
from eval.compare import compare, intervals, spread_over_seeds, units_of, verdict_sentence
from eval.metrics import summarize
from eval.protocols import DUPLICATE_AWARE, MTEB, PAPER, read
from eval.qrels import AUDIO_TO_TEXT, DIRECTIONS, TEXT_TO_AUDIO
from eval.uncertainty import (
    bootstrap,
    bootstrap_test,
    effect_and_units_needed,
    holm,
    randomisation_test,
    resampled_means,
    resampled_medians,
)

CLIPS = 60


def clustered(rng, shift=0.0, clips=CLIPS, captions=3):
    """Paired differences of two systems, `(clips * captions,)`: what a clip's captions share, their own part, and a shift."""
    shared = np.repeat(rng.standard_normal(clips), captions)
    return shift + shared + rng.standard_normal(clips * captions)


def names(clips=CLIPS, captions=3):
    return [f"clip{number:03d}" for number in range(clips) for _ in range(captions)]


def test_fast_intervals_are_those_of_the_definition():
    small = world(30)
    for (ranks, metrics, bounds), (plain_ranks, plain_metrics, plain_bounds) in zip(fast(*small), plain(*small), strict=True):
        assert ranks == plain_ranks and metrics == plain_metrics
        np.testing.assert_allclose(bounds, plain_bounds, rtol=1e-9)


def test_blocks_change_no_figure(monkeypatch):
    rng = np.random.default_rng(0)
    values, units = clustered(rng)[:, None], names()
    before = (resampled_means(values, units), resampled_medians(values[:, 0], units), randomisation_test(values, units))
    monkeypatch.setattr("eval.uncertainty.BLOCK", 7 * CLIPS)
    np.testing.assert_allclose(resampled_means(values, units), before[0])
    np.testing.assert_array_equal(resampled_medians(values[:, 0], units), before[1])
    np.testing.assert_array_equal(randomisation_test(values, units), before[2])


def test_bootstrap_agrees_with_scipy():
    values = np.random.default_rng(1).random(80)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(2)).confidence_interval
    assert bootstrap(values, [f"c{n:02d}" for n in range(80)]) == pytest.approx((theirs.low, theirs.high), abs=0.008)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """95 % of 300 intervals, within three standard deviations.

    Resampling captions, three a clip with half of their variance in common, halves the variance of the mean: 1.96 / sqrt(2)
    standard deviations hold the truth 83.4 % of the time.
    """
    rng, units = np.random.default_rng(3), names()
    captions = [str(number) for number in range(len(units))]
    holds = {"clips": 0, "captions": 0}
    for _ in range(300):
        values = clustered(rng)
        for unit, ids in (("clips", units), ("captions", captions)):
            low, high = bootstrap(values, ids)
            holds[unit] += low <= 0 <= high
    assert holds["clips"] / 300 == pytest.approx(0.95, abs=0.038)
    assert holds["captions"] / 300 == pytest.approx(0.834, abs=0.064)


def test_randomisation_agrees_with_scipy_s_exact_test():
    rng = np.random.default_rng(4)
    differences = np.round(rng.standard_normal((12, 4)) + [0.0, 0.3, 0.6, 1.2], 1)
    ours = randomisation_test(differences, [f"c{n:02d}" for n in range(12)])
    for p, column in zip(ours, differences.T, strict=True):
        exact = stats.permutation_test((column, np.zeros(12)), lambda x, y, axis: np.mean(x - y, axis=axis),
                                       permutation_type="samples", vectorized=True, n_resamples=5000)  # fmt: skip
        assert p == pytest.approx(exact.pvalue, abs=0.015)


def test_randomisation_counts_equal_outcomes_of_fractions():
    """One clip better by a third, one worse by as much: every outcome is as far from zero as this one."""
    thirds = np.array([1 / 3, -(1 - 2 / 3)])[:, None]
    assert randomisation_test(thirds, ["a", "b"])[0] == 1.0
    assert randomisation_test(np.zeros((5, 1)), list("abcde"))[0] == 1.0


def test_of_two_equal_systems_one_in_twenty_is_called_better():
    """400 pairs: the share of p < 0.05 is within three standard deviations of 5 %, and of 16.6 % where the clips are forgotten."""
    rng, units = np.random.default_rng(5), names()
    worlds = np.column_stack([clustered(rng) for _ in range(400)])
    captions = [str(number) for number in range(len(units))]
    assert np.mean(randomisation_test(worlds, units) < 0.05) == pytest.approx(0.05, abs=0.033)
    assert np.mean(bootstrap_test(resampled_means(worlds, units), worlds.mean(axis=0)) < 0.05) == pytest.approx(0.05, abs=0.033)
    assert np.mean(randomisation_test(worlds, captions) < 0.05) == pytest.approx(0.166, abs=0.056)


def test_a_planted_difference_is_found():
    rng = np.random.default_rng(6)
    worlds = np.column_stack([clustered(rng, shift=0.75) for _ in range(100)])
    assert np.mean(randomisation_test(worlds, names()) < 0.05) > 0.95
    assert np.mean(bootstrap_test(resampled_means(worlds, names()), worlds.mean(axis=0)) < 0.05) > 0.95


def test_clips_needed_give_the_power_that_they_promise():
    """A pilot of many clips says how many are needed; four of five experiments of that size find the difference."""
    rng = np.random.default_rng(7)
    effect, needed = effect_and_units_needed(clustered(rng, shift=0.4, clips=4000), names(4000))
    assert effect == pytest.approx(0.4 / np.sqrt(1 + 1 / 3), abs=0.05)
    worlds = np.column_stack([clustered(rng, shift=0.4, clips=needed) for _ in range(400)])
    assert np.mean(randomisation_test(worlds, names(needed)) < 0.05) == pytest.approx(0.8, abs=0.08)


def test_effects_without_a_number():
    assert effect_and_units_needed(np.ones(4), list("abcd")) == (None, None)
    assert effect_and_units_needed(np.zeros(4), list("abcd")) == (None, None)
    assert effect_and_units_needed(np.array([1.0, -1.0]), list("ab")) == (0.0, None)


def test_holm():
    """By hand: 0.01 x 4, then 0.02 x 3, then 0.03 x 2 which may not be smaller than the one before, then 0.9."""
    assert holm([0.03, 0.01, 0.9, 0.02]).tolist() == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.8, 0.6]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


@pytest.fixture
def pair(toy):
    """Two records on 40 clips; the weak one mistakes 15 of them in English."""
    dataset = toy.dataset(40)
    return [toy.run(toy.Encoder(name, dim=40, wrong=wrong), dataset) for name, wrong in (("weak", tuple(range(15))), ("good", ()))]


def test_verdicts(pair):
    found = {(test.language, test.direction, test.metric): test for test in compare(*pair)}
    assert len(found) == 2 * 2 * 2 and {test.tests for test in found.values()} == {8}
    english = found["eng_Latn", TEXT_TO_AUDIO, "R@1"]
    assert (english.first, english.second, english.verdict, english.units, english.unit) == ("weak", "good", "second", 40, "clips")
    assert english.difference == pytest.approx(15 / 40) and english.low < 15 / 40 < english.high
    assert english.p == pytest.approx(2 * 0.5**15 + 1e-4, abs=2e-4) and english.p < english.p_holm < 0.01 and english.p_bootstrap < 0.01
    by_clip = np.repeat([1.0, 0.0], [15, 25])
    assert english.effect == pytest.approx(by_clip.mean() / by_clip.std(ddof=1)) and english.units_needed < 40
    same = found["jpn_Jpan", TEXT_TO_AUDIO, "R@1"]
    assert (same.verdict, same.difference, same.p, same.p_holm, same.effect) == ("tie", 0.0, 1.0, 1.0, None)


def test_the_other_way_round_is_the_mirror(pair):
    for there, back in zip(compare(*pair), compare(*pair[::-1]), strict=True):
        assert back.difference == -there.difference and (back.p, back.p_holm) == (there.p, there.p_holm)
        assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
        assert (there.verdict, back.verdict) in {("tie", "tie"), ("second", "first"), ("first", "second")}


def test_sentences(pair):
    test = replace(compare(*pair, metrics=["R@1"])[0], difference=0.058, low=0.018, high=0.098, p_holm=0.041, tests=32)
    first = replace(test, difference=-0.058, low=-0.098, high=-0.018, verdict="first", p_holm=0.0001)
    assert (
        verdict_sentence(test)
        == "English from text to audio: good leads weak in R@1 by +5.8 points [+1.8, +9.8], p = 0.041 over 32 tests (Holm)."
    )
    assert verdict_sentence(first).startswith(
        "English from text to audio: weak leads good in R@1 by +5.8 points [+1.8, +9.8], p < 0.001 over"
    )
    tie = replace(test, low=-0.01, verdict="tie", p_holm=0.3, tests=1, units=128, units_needed=1412)
    told = "English from text to audio: a tie. R@1 of good minus weak is +5.8 points [−1.0, +9.8], p = 0.300."
    assert verdict_sentence(tie) == told + " To show a difference of this size would take about 1,412 clips; here are 128."
    assert "Alone, 128 clips would do" in verdict_sentence(replace(tie, units_needed=100, tests=32))
    assert verdict_sentence(replace(tie, units_needed=None)) == told


def test_what_may_not_be_compared(toy, pair):
    weak = pair[0]
    with pytest.raises(UserError, match="different pool sizes"):
        compare(weak, toy.run(toy.Encoder(dim=40), toy.dataset(30)))
    with pytest.raises(UserError, match="one data set and split"):
        compare(weak, toy.run(toy.Encoder(dim=40), toy.dataset(40, name="other")))
    english, japanese = (
        toy.run(toy.Encoder(name, dim=40), toy.dataset(40), (code,)) for name, code in (("e", "eng_Latn"), ("j", "jpn_Jpan"))
    )
    with pytest.raises(UserError, match="no language in common"):
        compare(english, japanese)
    assert {test.language for test in compare(weak, english)} == {"eng_Latn"}
    with pytest.raises(UserError, match="by protocol 'paper' are R@1, R@5, .* got median_rank"):
        compare(*pair, metrics=["median_rank"])


def test_a_change_on_one_direction_only_is_refused(pair):
    weak, good = pair
    changed = tuple(replace(r, wording="0" * 16) if r.direction == AUDIO_TO_TEXT else r for r in good.results)
    with pytest.raises(UserError, match="different wordings"):
        compare(weak, replace(good, results=changed))


def test_another_protocol_reads_the_same_ranks_otherwise(pair):
    paper, mteb = (
        next(test for test in compare(*pair, metrics=["R@1"], protocol=protocol) if test.direction == AUDIO_TO_TEXT)
        for protocol in (PAPER, MTEB)
    )
    assert mteb.difference == pytest.approx(paper.difference / 2)


def test_a_text_of_several_clips_is_its_own_unit(toy):
    """Both captions of clip 1 and one of clip 0 are 'sound 0', one query with two clips; the others move with their clip."""
    dataset = toy.dataset(6, languages=("eng_Latn",))
    shared = replace(dataset, captions=tuple(replace(c, text="sound 0") if c.clip == "c01" else c for c in dataset.captions))
    record = toy.run(dataset=shared, languages=("eng_Latn",))
    result = next(r for r in read(record, DUPLICATE_AWARE) if r.direction == TEXT_TO_AUDIO)
    assert units_of(record, result) == ["c00-eng-0", "c00", *(f"c{n:02d}" for n in (2, 2, 3, 3, 4, 4, 5, 5))]
    assert {test.unit for test in compare(record, replace(record, checkpoint="twin"), protocol=DUPLICATE_AWARE)} == {"texts", "clips"}


def test_every_metric_has_an_interval_around_it(pair):
    for direction in DIRECTIONS:
        result = next(r for r in pair[0].results if (r.language, r.direction) == ("eng_Latn", direction))
        found, values = intervals(pair[0], result, PAPER), summarize(result.ranks)
        assert set(found) == set(values)
        assert all(low <= values[metric] <= high for metric, (low, high) in found.items())
    assert found["R@1"][0] < values["R@1"] < found["R@1"][1] and found["mean_rank"][0] < values["mean_rank"]


def test_spread_over_seeds(toy):
    dataset = toy.dataset(20)
    seeds = [toy.run(toy.Encoder(f"seed{n}", dim=20, wrong=tuple(range(n))), dataset) for n in (2, 4, 6)]
    found = {(spread.language, spread.direction): spread for spread in spread_over_seeds(seeds, "R@1")}
    english = found["eng_Latn", TEXT_TO_AUDIO]
    assert english.values == pytest.approx((0.9, 0.8, 0.7))
    assert (english.mean, english.deviation) == pytest.approx((0.8, 0.1))
    assert found["jpn_Jpan", TEXT_TO_AUDIO].deviation == pytest.approx(0, abs=1e-12) and len(found) == 4
    assert len(spread_over_seeds(seeds, "median_rank")) == 4
    with pytest.raises(UserError, match="got 2 with 1 different weights"):
        spread_over_seeds([seeds[0], seeds[0]], "R@1")
    with pytest.raises(UserError, match="got 'R@2'"):
        spread_over_seeds(seeds, "R@2")
    with pytest.raises(UserError, match="different pool sizes"):
        spread_over_seeds([seeds[0], toy.run(toy.Encoder(dim=20), toy.dataset(10))], "R@1")
