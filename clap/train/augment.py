"""Log-mel spectrograms for training: packed once, cropped and disturbed anew each time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from clap.model.ced import Ced

MAX_GAIN_DB = 10.0
MASKS = 2
MAX_TIME_MASK = 0.15
MAX_FREQ_MASK = 12


def pack(ced: Ced, waveforms: Iterable[np.ndarray]) -> list[Tensor]:
    """Log-mel spectrograms `(64, F)` in dB as float16, one per waveform."""
    return [ced.logmel(torch.from_numpy(waveform)).half() for waveform in waveforms]


def crop(logmel: Tensor, frames: int, rng: np.random.Generator) -> Tensor:
    """A random stretch of at most `frames` frames."""
    spare = logmel.shape[-1] - frames
    start = int(rng.integers(spare + 1)) if spare > 0 else 0
    return logmel[:, start : start + frames]


def mask(logmel: Tensor, rng: np.random.Generator) -> Tensor:
    """SpecAugment: bands of time and of frequency replaced by the clip's mean."""
    out, mean = logmel.clone(), logmel.mean()
    bands, frames = logmel.shape
    for _ in range(MASKS):
        wide, high = int(rng.integers(int(frames * MAX_TIME_MASK) + 1)), int(rng.integers(MAX_FREQ_MASK + 1))
        left, low = int(rng.integers(frames - wide + 1)), int(rng.integers(bands - high + 1))
        out[:, left : left + wide] = mean
        out[low : low + high] = mean
    return out


def augment_logmel(logmel: Tensor, rng: np.random.Generator, frames: int, roll: bool = False) -> Tensor:
    """Crop, random gain and masks; `roll` also shifts in a circle, which is only fair where order says nothing."""
    cut = crop(logmel, frames, rng)
    if roll:
        cut = cut.roll(int(rng.integers(cut.shape[-1])), dims=-1)
    return mask(cut + float(rng.uniform(-MAX_GAIN_DB, MAX_GAIN_DB)), rng)


def mix(first: Tensor, second: Tensor, balance_db: float) -> Tensor:
    """Two spectrograms `(…, F)` as if heard at once: the louder wins in each cell, the second shifted by `balance_db`."""
    return torch.maximum(first, second + balance_db)
