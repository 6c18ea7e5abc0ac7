"""Batches without padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def equal_length_batches(sequences: Sequence[Any], budget: int) -> list[list[int]]:
    """Positions of sequences in batches of one length each, of at most `budget` items in all but at least one sequence.

    Without padding, no sequence sees another's length.
    """
    by_length: dict[int, list[int]] = {}
    for position, sequence in enumerate(sequences):
        by_length.setdefault(len(sequence), []).append(position)
    batches = []
    for length, positions in by_length.items():
        step = max(1, budget // length)
        batches += [positions[start : start + step] for start in range(0, len(positions), step)]
    return batches
