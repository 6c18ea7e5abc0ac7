"""What a sound the gallery can make is: a named, described, rendered variant of a class of the lexicon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Literal

import numpy as np

from clap.errors import UserError

RATE_HZ = 32_000
"""Sampling rate of everything the synthesiser renders."""

MODULES = ("nature", "animals", "people", "speech", "instruments", "effects", "machines", "home")
"""Modules of this package with a `VARIANTS` mapping from class to variants."""

Renderer = Callable[[np.random.Generator, float], np.ndarray]
"""(generator, duration in seconds) -> mono float32 waveform (T,) at RATE_HZ, peak at most 1."""


@dataclass(frozen=True)
class Variant:
    """One way a class sounds.

    `name` is unique within the class; `description` says in plain English what is heard; an `event` is short and ends
    by itself, a `texture` goes on and can lie under other events; `duration_s` is the range a rendition may be asked for.
    """

    name: str
    description: str
    kind: Literal["event", "texture"]
    duration_s: tuple[float, float]
    render: Renderer


@lru_cache(maxsize=1)
def catalog() -> dict[str, tuple[Variant, ...]]:
    """All variants by class, in alphabetical order of the classes."""
    merged: dict[str, tuple[Variant, ...]] = {}
    for name in MODULES:
        for class_name, variants in import_module(f"clap.synth.{name}").VARIANTS.items():
            merged[class_name] = merged.get(class_name, ()) + tuple(variants)
    return dict(sorted(merged.items()))


def get_variant(class_name: str, name: str) -> Variant:
    """The variant of a class by name; raises UserError with the names there are."""
    if class_name not in catalog():
        raise UserError(f"Unknown class {class_name!r}; the classes are {', '.join(catalog())}.")
    for variant in catalog()[class_name]:
        if variant.name == name:
            return variant
    known = ", ".join(variant.name for variant in catalog()[class_name])
    raise UserError(f"Class {class_name!r} has no variant {name!r}; its variants are {known}.")
