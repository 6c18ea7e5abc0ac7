"""The gallery's plan: fixed, covering, and with nothing shared between splits."""

from __future__ import annotations

import pytest

from clap.errors import UserError
from clap.synth.plan import CLIP_S, POOL, SPLITS, ClipPlan, plan
from clap.synth.variants import catalog, get_variant


def _all() -> list[ClipPlan]:
    return [clip for split in SPLITS for clip in plan(split)]


def test_sizes_and_ids():
    clips = _all()
    assert len(clips) == 256 and len({clip.id for clip in clips}) == 256
    assert plan("test")[0].id == "test-000"


def test_plan_is_fixed():
    assert plan("train") == plan("train")


@pytest.mark.parametrize("split", SPLITS)
def test_every_class_in_every_split(split):
    assert {event.class_name for clip in plan(split) for event in clip.events} == set(catalog())


@pytest.mark.parametrize("split", SPLITS)
def test_no_mixture_twice_in_a_split(split):
    mixtures = [tuple(sorted((event.class_name, event.variant) for event in clip.events)) for clip in plan(split)]
    assert len(set(mixtures)) == len(mixtures)


def test_pairs_of_classes_vary():
    pairs = [frozenset(event.class_name for event in clip.events) for clip in plan("test") if len(clip.events) == 2]
    assert len(set(pairs)) == len(pairs)


def test_durations_and_places():
    for clip in _all() + plan(POOL, 200):
        assert CLIP_S[0] <= clip.duration_s <= CLIP_S[1]
        for event in clip.events:
            low, high = get_variant(event.class_name, event.variant).duration_s
            assert low - 0.002 <= event.duration_s <= high + 0.002
            assert event.start_s >= 0 and event.start_s + event.duration_s <= clip.duration_s + 0.002


def test_order_and_background():
    for clip in _all():
        starts = [event.start_s for event in clip.events]
        assert starts == sorted(starts)
        assert [event.background for event in clip.events[1:]] == [False] * (len(clip.events) - 1)
        if clip.relation == "background":
            assert clip.events[0].background and clip.events[0].duration_s == clip.duration_s
        if clip.relation == "sequence":
            first, second = clip.events
            assert first.start_s + first.duration_s < second.start_s


def test_no_two_events_share_a_generator():
    clips = _all() + plan(POOL, 100)
    first_numbers = [clip.generator(i).integers(2**62) for clip in clips for i in range(-1, len(clip.events))]
    assert len(set(first_numbers)) == len(first_numbers)


def test_a_longer_pool_only_adds():
    assert plan(POOL, 12)[:5] == plan(POOL, 5)


@pytest.mark.parametrize(("split", "count"), [("other", None), ("train", 3), (POOL, None), (POOL, 0)])
def test_wrong_requests_are_refused(split, count):
    with pytest.raises(UserError):
        plan(split, count)
