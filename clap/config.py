"""Configurations: frozen, typed, and carried inside every checkpoint. Unknown keys are refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from clap.errors import UserError

Config = TypeVar("Config")


@dataclass(frozen=True)
class CedConfig:
    """CED (Dinkel et al. 2024): a vision transformer over 16x16 patches of a 64-band log-mel spectrogram.

    `target_frames` is the chunk length in frames of 10 ms; the dropouts act in training only (paper, section 3.2).
    """

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    mlp_ratio: float = 4.0
    target_frames: int = 1012
    n_mels: int = 64
    patch: int = 16
    outputdim: int = 527
    drop_path: float = 0.0
    time_patch_dropout: float = 0.0
    freq_patch_dropout: float = 0.0
    pooling: str = "mean"


@dataclass(frozen=True)
class SonarConfig:
    """SONAR's text encoder and decoder (Duquenne et al. 2023), in the terms of sonar-space's own configurations.

    `vocab_size` counts SentencePiece pieces, the pad symbol, the language tokens and NLLB's three control tokens.
    `pad_idx` is the one SONAR counts positions with: 1 in the released model, whose tokenizer nevertheless pads with 0.
    `max_seq_len` is in tokens, before the offset that fairseq's positions add.
    """

    model_dim: int = 1024
    num_encoder_layers: int = 24
    num_decoder_layers: int = 24
    num_heads: int = 16
    ffn_inner_dim: int = 8192
    max_seq_len: int = 512
    vocab_size: int = 256206
    pad_idx: int = 1
    dropout: float = 0.1


@dataclass(frozen=True)
class ClapConfig:
    """Two towers, two projections into `joint_dim`, one temperature (paper, section 2)."""

    audio: CedConfig = field(default_factory=CedConfig)
    text: SonarConfig = field(default_factory=SonarConfig)
    joint_dim: int = 1024
    temperature: float = 0.07


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON data."""
    return asdict(config)


def from_dict(kind: type[Config], data: dict[str, Any]) -> Config:
    """A configuration of `kind` from plain data; raises UserError on unknown keys, with the list of valid ones."""
    hints = get_type_hints(kind)
    valid = [f.name for f in fields(kind)]
    unknown = sorted(set(data) - set(valid))
    if unknown:
        raise UserError(f"{kind.__name__} has no {', '.join(map(repr, unknown))}; its keys are {', '.join(valid)}.")
    values = {key: from_dict(hints[key], value) if is_dataclass(hints[key]) else value for key, value in data.items()}
    return kind(**values)
