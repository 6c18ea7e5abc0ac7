"""How an audio tower is fed in training: by log-mel spectrograms where its encoder makes them, else by waveforms."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clap.audio import HOP, SAMPLE_RATE_HZ
from clap.model.ced import Ced
from clap.model.clap import Clap
from clap.train.augment import augment_logmel, crop, pack

SILENCE_DB = -100.0
MIN_SAMPLES = SAMPLE_RATE_HZ // 10


class Hearing(Protocol):
    """What is kept of a clip, how it is disturbed anew each time, and how a group of clips goes through the model.

    `limit` is the most that is heard of a clip at once, in frames or samples.
    """

    limit: int

    def keep(self, waveform: np.ndarray) -> Tensor:
        """What stays in memory of a waveform `(T,)`; time is the last axis."""
        ...

    def length(self, seconds: float) -> int:
        """About how long what is kept of that many seconds is, on its last axis."""
        ...

    def disturb(self, kept: Tensor, rng: np.random.Generator) -> Tensor:
        """A random stretch of at most `limit`, augmented."""
        ...

    def group(self, clips: Sequence[Tensor], length: int) -> Any:
        """Clips that are encoded together, padded to `length` or the longest where the tower needs it."""
        ...

    def encode(self, model: Clap, group: Any) -> Tensor:
        """A group of N clips -> `(N, D)`, N = 0 included."""
        ...


class Spectrograms:
    """For CED: log-mel spectrograms `(64, F)` in dB, cropped to its chunk, with random gain and masks."""

    def __init__(self, ced: Ced) -> None:
        self.limit, self.bands = ced.config.target_frames, ced.config.n_mels
        self._front_end = Ced(replace(ced.config, embed_dim=1, depth=0, num_heads=1, outputdim=1))
        self._front_end.front_end = deepcopy(ced.front_end)

    def keep(self, waveform: np.ndarray) -> Tensor:
        """See Hearing; float16."""
        return pack(self._front_end, [waveform])[0]

    def length(self, seconds: float) -> int:
        """See Hearing; frames."""
        return 1 + int(seconds * SAMPLE_RATE_HZ) // HOP

    def disturb(self, kept: Tensor, rng: np.random.Generator) -> Tensor:
        """See Hearing."""
        return augment_logmel(kept.float(), rng, self.limit)

    def group(self, clips: Sequence[Tensor], length: int) -> Tensor:
        """`(N, 64, F)`, padded with silence."""
        longest = max([length, *(clip.shape[-1] for clip in clips)])
        padded = [F.pad(clip, (0, longest - clip.shape[-1]), value=SILENCE_DB) for clip in clips]
        return torch.stack(padded) if padded else torch.zeros(0, self.bands, longest)

    def encode(self, model: Clap, group: Tensor) -> Tensor:
        """See Hearing."""
        return model.encode_spectrogram(group.to(model.temperature.device))


class Waveforms:
    """For a tower with a filterbank of its own: waveforms `(T,)`, cropped to its chunk."""

    def __init__(self, chunk_frames: int) -> None:
        self.limit = chunk_frames * HOP

    def keep(self, waveform: np.ndarray) -> Tensor:
        """See Hearing; float16 holds 16-bit sound to -66 dB of each sample, float32 all of it, so it is float32."""
        return torch.from_numpy(np.ascontiguousarray(waveform, np.float32))

    def length(self, seconds: float) -> int:
        """See Hearing; samples."""
        return int(seconds * SAMPLE_RATE_HZ)

    def disturb(self, kept: Tensor, rng: np.random.Generator) -> Tensor:
        """See Hearing; no gain, because such a filterbank is standardised over the clip."""
        return crop(kept[None], self.limit, rng)[0]

    def group(self, clips: Sequence[Tensor], length: int) -> list[Tensor]:
        """The waveforms as they are: the tower itself brings those of one length together."""
        return list(clips)

    def encode(self, model: Clap, group: Sequence[Tensor]) -> Tensor:
        """See Hearing; an empty group goes as a silence whose row is dropped, so that every parameter has a gradient."""
        clips = list(group) or [torch.zeros(MIN_SAMPLES)]
        return model.encode_waveforms([clip.to(model.temperature.device) for clip in clips])[: len(group)]


def hearing_of(model: Clap) -> Hearing:
    """By what the model's audio tower can do."""
    encoder = model.audio_encoder.model
    return Spectrograms(encoder) if hasattr(encoder, "logmel") else Waveforms(model.audio_encoder.chunk_frames)
