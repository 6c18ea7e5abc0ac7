"""The Encoder protocol: all that search and evaluation may know of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Encoder(Protocol):
    """Anything that puts clips and captions into one space.

    `name` is recorded with every result and index; `fingerprint` is a hash of the weights; `dim` is D.
    """

    name: str
    fingerprint: str
    dim: int

    def embed_audio(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Waveforms, each mono float32 `(T,)` at 16 kHz -> `(N, D)` float32 of unit norm, independent of the batch."""
        ...

    def embed_text(self, captions: Sequence[str], language: str) -> np.ndarray:
        """Captions of one language (FLORES-200 code) -> `(N, D)` float32 of unit norm."""
        ...
