"""CLAP: two towers, two projections, one space (paper, section 2), and the Encoder made of it.

Parameter names are those of the released ML-CLAP checkpoints: `audio_encoder.model.*`, `text_encoder.model.*`,
`audio_proj.{0,2}.*`, `text_proj.{0,2}.*`, `temperature`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clap.config import ClapConfig
from clap.languages import get_language
from clap.model import sonar
from clap.model.ced import Ced
from clap.text import normalize_caption

TEXT_BATCH_TOKENS = 4096


class Tower(nn.Module):
    """An encoder under the name `model`, as the released state dict has it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def projection(input_dim: int, joint_dim: int) -> nn.Sequential:
    """Linear, ReLU, Linear: `(N, input_dim) -> (N, joint_dim)`."""
    return nn.Sequential(nn.Linear(input_dim, joint_dim), nn.ReLU(), nn.Linear(joint_dim, joint_dim))


class Clap(nn.Module):
    """CED and SONAR with their projections into one space; `encode_*` take tensors, give unit-norm `(N, D)` and keep gradients."""

    def __init__(self, config: ClapConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = Tower(Ced(config.audio))
        self.text_encoder = Tower(sonar.build_encoder(config.text))
        self.audio_proj = projection(config.audio.embed_dim, config.joint_dim)
        self.text_proj = projection(config.text.model_dim, config.joint_dim)
        self.register_buffer("temperature", torch.tensor(config.temperature))

    def encode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Log-mel spectrograms `(N, 64, F)` in dB, F at most one chunk -> `(N, D)`."""
        return F.normalize(self.audio_proj(self.audio_encoder.model.encode_spectrogram(spectrogram)), dim=-1)

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Mono 16 kHz waveforms, each `(T,)`, any length from 0.1 s -> `(N, D)`."""
        return F.normalize(self.audio_proj(self.audio_encoder.model.encode_waveforms(waveforms)), dim=-1)

    def encode_tokens(self, ids: Sequence[Tensor]) -> Tensor:
        """Token sequences, each `(S,)` with its language token -> `(N, D)`."""
        return F.normalize(self.text_proj(sonar.encode_tokens(self.text_encoder.model, ids)), dim=-1)


def equal_length_batches(ids: Sequence[Tensor]) -> list[list[int]]:
    """Positions of sequences in batches without padding, so that no caption sees another's length."""
    by_length: dict[int, list[int]] = {}
    for position, sequence in enumerate(ids):
        by_length.setdefault(len(sequence), []).append(position)
    batches = []
    for length, positions in by_length.items():
        step = max(1, TEXT_BATCH_TOKENS // length)
        batches += [positions[start : start + step] for start in range(0, len(positions), step)]
    return batches


class ClapEncoder:
    """The Encoder of a CLAP model. `truncated` counts captions cut at the text encoder's length since it was made."""

    def __init__(self, name: str, fingerprint: str, loaded: tuple[Clap, Any]) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.model, self.tokenizer = loaded
        self.dim = self.model.config.joint_dim
        self.truncated = 0

    @torch.inference_mode()
    def embed_audio(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Waveforms, each mono float32 `(T,)` at 16 kHz -> `(N, D)` float32 of unit norm, each encoded on its own."""
        if not len(waveforms):
            return np.zeros((0, self.dim), np.float32)
        rows = [self.model.encode_waveforms([torch.from_numpy(np.ascontiguousarray(w, np.float32))]) for w in waveforms]
        return torch.cat(rows).float().numpy()

    @torch.inference_mode()
    def embed_text(self, captions: Sequence[str], language: str) -> np.ndarray:
        """Captions of one language -> `(N, D)` float32 of unit norm; normalised, tokenised and cut as SONAR does."""
        get_language(language)
        ids = sonar.tokenize(self.tokenizer, [normalize_caption(caption) for caption in captions], language)
        ids, cut = sonar.truncate(ids, sonar.max_tokens(self.model.text_encoder.model))
        self.truncated += cut
        vectors = torch.zeros(len(ids), self.dim)
        for batch in equal_length_batches(ids):
            vectors[batch] = self.model.encode_tokens([ids[position] for position in batch]).float()
        return vectors.numpy()
