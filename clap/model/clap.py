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
from clap.errors import UserError
from clap.languages import get_language
from clap.model.batching import equal_length_batches
from clap.model.towers import build_audio_tower, build_text_tower
from clap.text import normalize_caption

TEXT_BATCH_TOKENS = 4096


def projection(input_dim: int, joint_dim: int) -> nn.Sequential:
    """Linear, ReLU, Linear: `(N, input_dim) -> (N, joint_dim)`."""
    return nn.Sequential(nn.Linear(input_dim, joint_dim), nn.ReLU(), nn.Linear(joint_dim, joint_dim))


class Clap(nn.Module):
    """Two towers with their projections into one space; `encode_*` take tensors, give unit-norm `(N, D)` and keep gradients.

    Every model embeds, and trains, from waveforms and captions; one whose audio tower is CED also from log-mel spectrograms.
    """

    def __init__(self, config: ClapConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = build_audio_tower(config.audio)
        self.text_encoder = build_text_tower(config.text)
        self.audio_proj = projection(self.audio_encoder.dim, config.joint_dim)
        self.text_proj = projection(self.text_encoder.dim, config.joint_dim)
        self.register_buffer("temperature", torch.tensor(config.temperature))

    def encode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Log-mel spectrograms `(N, 64, F)` in dB, F at most one chunk -> `(N, D)`; raises UserError where the tower is not CED."""
        return F.normalize(self.audio_proj(self.audio_encoder.encode_spectrogram(spectrogram)), dim=-1)

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Mono 16 kHz waveforms, each `(T,)`, any length from 0.1 s -> `(N, D)`."""
        return F.normalize(self.audio_proj(self.audio_encoder.encode_waveforms(waveforms)), dim=-1)

    def tokenize(self, tokenizer: Any, captions: Sequence[str], language: str) -> tuple[list[Tensor], int]:
        """Captions of one language -> token ids, each `(S,)`, normalised and cut to the text tower's length, and how many were cut.

        Raises UserError for a language that the text tower does not know.
        """
        known = self.text_encoder.languages
        if language not in known:
            names = ", ".join(f"{get_language(code).name} ({code})" for code in known)
            wanted = get_language(language).name
            raise UserError(f"This checkpoint's text encoder knows {names}, not {wanted} ({language}); choose another checkpoint.")
        return self.text_encoder.tokenize(tokenizer, [normalize_caption(caption) for caption in captions], language)

    def encode_tokens(self, ids: Sequence[Tensor]) -> Tensor:
        """Token sequences, each `(S,)`, as `tokenize` gives them -> `(N, D)`."""
        return F.normalize(self.text_proj(self.text_encoder.encode(ids)), dim=-1)


class ClapEncoder:
    """The Encoder of a CLAP model, of the `languages` (FLORES-200 codes) that its text tower takes.

    `truncated` counts captions cut at the text tower's length since it was made.
    """

    def __init__(self, name: str, fingerprint: str, loaded: tuple[Clap, Any]) -> None:
        self.name, self.fingerprint = name, fingerprint
        self.model, self.tokenizer = loaded
        self.dim = self.model.config.joint_dim
        self.languages = self.model.text_encoder.languages
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
        """Captions of one language -> `(N, D)` float32 of unit norm; raises UserError for a language the model does not know."""
        ids, cut = self.model.tokenize(self.tokenizer, captions, language)
        self.truncated += cut
        vectors = torch.zeros(len(ids), self.dim)
        for batch in equal_length_batches(ids, TEXT_BATCH_TOKENS):
            vectors[batch] = self.model.encode_tokens([ids[position] for position in batch]).float()
        return vectors.numpy()
