"""The plan of the gallery: which sounds each clip holds, in which relation and when.

The gallery's plan was drawn once by the code below and is kept as data, because captions are written for it: a catalogue
that grows leaves it as it is. The pool is drawn anew from SEED and the catalogue of the day.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path

import numpy as np

from clap.errors import UserError
from clap.synth.variants import Variant, catalog, get_variant

SEED = 20_250_611
PLAN_FILE = Path(__file__).resolve().parents[2] / "assets" / "gallery" / "plan.jsonl"
SPLITS = {"train": 80, "validation": 48, "test": 128}
"""Splits of the gallery and their numbers of clips."""
POOL = "pool"
"""A further split, for training only, of any size; no part of the gallery."""
_SPLIT_NUMBER = {"train": 1, "validation": 2, "test": 3, POOL: 4}

RELATIONS = {"single": 5, "sequence": 6, "simultaneous": 2, "background": 4, "three": 3}
"""How often each relation comes in a block of twenty clips."""
ROLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "single": (("any",),),
    "sequence": (("any", "any"),),
    "simultaneous": (("long", "long"),),
    "background": (("texture", "event"),),
    "three": (("event", "event", "event"), ("texture", "event", "event")),
}
"""The roles of a relation's events; one of the alternatives is drawn. A first "texture" lies under the others."""

CLIP_S = (4.0, 12.0)
TAIL_S = 0.25
GAP_S = (0.2, 0.6)
"""Silence before each event of a line."""
RESERVE_S = 2.4
"""Kept free for each event that is still to be drawn."""


@dataclass(frozen=True)
class EventPlan:
    """One event: its class and variant, whether it lies under the whole clip, when it starts and how long it is asked to be."""

    class_name: str
    variant: str
    description: str
    background: bool
    start_s: float
    duration_s: float


@dataclass(frozen=True)
class ClipPlan:
    """One clip of at most `duration_s`: `events` are in the order of their starts, a background first."""

    id: str
    split: str
    index: int
    relation: str
    duration_s: float
    events: tuple[EventPlan, ...]

    def generator(self, event_index: int) -> np.random.Generator:
        """The generator of one event's sound: no two events of any split share one. -1 is the clip's room."""
        return np.random.default_rng([SEED, _SPLIT_NUMBER[self.split], self.index, event_index + 2])


Choice = tuple[str, Variant]
Places = list[tuple[float, float]]
"""(start, duration) of each event in seconds."""


@dataclass
class _Usage:
    """What a split may use and has used so far, so that the next clip takes something else."""

    catalogue: dict[str, tuple[Variant, ...]]
    classes: Counter[str] = field(default_factory=Counter)
    variants: Counter[tuple[str, str]] = field(default_factory=Counter)
    pairs: set[frozenset[str]] = field(default_factory=set)
    mixtures: set[tuple[tuple[str, str], ...]] = field(default_factory=set)

    def add(self, choices: Sequence[Choice]) -> None:
        self.classes.update(name for name, _ in choices)
        self.variants.update((name, variant.name) for name, variant in choices)
        self.pairs.update(frozenset(pair) for pair in combinations([name for name, _ in choices], 2))
        self.mixtures.add(_mixture(choices))


def _mixture(choices: Sequence[Choice]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, variant.name) for name, variant in choices))


def _suits(variant: Variant, role: str) -> bool:
    if role == "long":
        return variant.duration_s[1] >= 2.5
    return role in ("any", variant.kind)


def _room_s(chosen: Sequence[Choice], roles: Sequence[str]) -> float:
    """Seconds the next event of a line may need at least: what those before it and a reserve for those after it leave."""
    background = roles[0] == "texture"
    longest_s = min(CLIP_S[1], chosen[0][1].duration_s[1]) if background and chosen else CLIP_S[1]
    taken_s = sum(variant.duration_s[0] for _, variant in chosen[background:])
    return longest_s - TAIL_S - GAP_S[1] * (len(roles) - background) - taken_s - RESERVE_S * (len(roles) - len(chosen) - 1)


def _candidates(usage: _Usage, chosen: Sequence[Choice], role: str, room_s: float) -> Iterator[Choice]:
    """Variants of classes not yet chosen that suit the role and can be as short as `room_s`."""
    taken = {name for name, _ in chosen}
    for name, variants in usage.catalogue.items():
        for variant in variants:
            if name not in taken and _suits(variant, role) and variant.duration_s[0] <= room_s:
                yield name, variant


def _draw(rng: np.random.Generator, usage: _Usage, roles: Sequence[str], together: bool) -> list[Choice]:
    """One choice per role: no mixture the split already has, new pairs, classes and variants least used so far."""
    chosen: list[Choice] = []

    def cost(choice: Choice) -> tuple[float, ...]:
        known = len(chosen) == len(roles) - 1 and _mixture([*chosen, choice]) in usage.mixtures
        repeated = sum(frozenset((choice[0], other)) in usage.pairs for other, _ in chosen)
        return known, repeated, usage.classes[choice[0]], usage.variants[choice[0], choice[1].name], rng.random()

    for role in roles:
        room_s = CLIP_S[1] - 1 if together else _room_s(chosen, roles)
        candidates = list(_candidates(usage, chosen, role, room_s))
        if not candidates:
            raise UserError(f"No variant suits the role {role!r} beside {[name for name, _ in chosen]}; the catalogue is too small.")
        chosen.append(min(candidates, key=cost))
    return chosen


def _choose(rng: np.random.Generator, usage: _Usage, relation: str) -> tuple[list[Choice], bool]:
    """The choices of a clip, and whether the first is a background."""
    roles = ROLES[relation][int(rng.integers(len(ROLES[relation])))]
    choices = _draw(rng, usage, roles, relation == "simultaneous")
    usage.add(choices)
    return choices, roles[0] == "texture"


def _line(rng: np.random.Generator, variants: Sequence[Variant], clip_s: tuple[float, float]) -> tuple[float, Places]:
    """Events one after another in a clip between the two lengths: (clip length, places)."""
    gaps = rng.uniform(*GAP_S, len(variants))
    low = np.array([variant.duration_s[0] for variant in variants])
    drawn = rng.uniform(low, [variant.duration_s[1] for variant in variants])
    room_s = clip_s[1] - TAIL_S - gaps.sum() - low.sum()
    durations = low + (drawn - low) * min(1.0, room_s / max((drawn - low).sum(), 1e-9))
    needed_s = gaps.sum() + durations.sum() + TAIL_S
    length_s = min(clip_s[1], max(needed_s, clip_s[0]) + rng.uniform(0, 0.6))
    late_s = rng.uniform(0, 0.6) * (length_s - needed_s)
    starts = late_s + np.cumsum(gaps) + np.concatenate([[0.0], np.cumsum(durations)[:-1]])
    return length_s, list(zip(starts, durations))


def _together(rng: np.random.Generator, variants: Sequence[Variant]) -> tuple[float, Places]:
    """Events that start almost at once and last about as long."""
    goal_s = rng.uniform(3.6, 8.0)
    durations = [float(np.clip(goal_s * rng.uniform(0.9, 1.1), *variant.duration_s)) for variant in variants]
    starts = np.sort(rng.uniform(0.05, 0.6, len(variants)))
    end_s = max(start + length for start, length in zip(starts, durations)) + TAIL_S
    return float(np.clip(end_s, *CLIP_S)), list(zip(starts, durations))


def _layout(rng: np.random.Generator, relation: str, variants: Sequence[Variant], background: bool) -> tuple[float, Places]:
    if relation == "simultaneous":
        return _together(rng, variants)
    if not background:
        return _line(rng, variants, CLIP_S)
    low, high = variants[0].duration_s
    clip_s, places = _line(rng, variants[1:], (max(low, CLIP_S[0] + 0.5), min(high, CLIP_S[1])))
    return clip_s, [(0.0, clip_s), *places]


def _clips(split: str) -> Iterator[ClipPlan]:
    """Clips of a split without end; each depends only on those before it."""
    rng, usage, index = np.random.default_rng([SEED, _SPLIT_NUMBER[split]]), _Usage(catalog()), 0
    block = [relation for relation, count in RELATIONS.items() for _ in range(count)]
    while True:
        for place in rng.permutation(len(block)):
            relation = block[place]
            choices, background = _choose(rng, usage, relation)
            clip_s, places = _layout(rng, relation, [variant for _, variant in choices], background)
            events = tuple(
                EventPlan(name, variant.name, variant.description, background and i == 0, round(float(start), 3), round(float(length), 3))
                for i, ((name, variant), (start, length)) in enumerate(zip(choices, places))
            )
            yield ClipPlan(f"{split}-{index:03d}", split, index, relation, round(float(clip_s), 3), events)
            index += 1


def _read(line: str) -> ClipPlan:
    """One line of the plan's file; UserError when the catalogue lost a variant the gallery holds."""
    row = json.loads(line)
    events = []
    for e in row["events"]:
        heard = get_variant(e["class"], e["variant"]).description
        events.append(EventPlan(e["class"], e["variant"], heard, e["background"], e["start_s"], e["duration_s"]))
    split, number = row["id"].split("-")
    return ClipPlan(row["id"], split, int(number), row["relation"], row["duration_s"], tuple(events))


def plan(split: str, count: int | None = None) -> list[ClipPlan]:
    """The clips of a split of the gallery, or `count` clips of the pool; raises UserError for another split."""
    if split not in _SPLIT_NUMBER:
        raise UserError(f"Unknown split {split!r}; the splits are {', '.join(_SPLIT_NUMBER)}.")
    if (split == POOL) != (count is not None) or (count is not None and count < 1):
        raise UserError(f"A count of at least 1 belongs to the split {POOL!r} and to no other, got {count!r} for {split!r}.")
    if split == POOL:
        return list(islice(_clips(split), count))
    clips = (_read(line) for line in PLAN_FILE.read_text(encoding="utf-8").splitlines())
    return [clip for clip in clips if clip.split == split]
