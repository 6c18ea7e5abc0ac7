"""Configurations: frozen, typed, and carried inside every checkpoint. Unknown keys are refused.

A tower's configuration names its `kind`, which stored data carries beside its values; CLAP takes either kind of each tower.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from clap.errors import UserError

Config = TypeVar("Config")


@dataclass(frozen=True)
class CedConfig:
    """CED (Dinkel et al. 2024): a vision transformer over 16x16 patches of a 64-band log-mel spectrogram.

    `target_frames` is the chunk length in frames of 10 ms; the dropouts act in training only (paper, section 3.2).
    """

    kind: ClassVar[str] = "ced"
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
class SonarSpeechConfig:
    """SONAR's speech encoder (Duquenne et al. 2023): w2v-BERT's conformer under a decoder that pools it into one vector.

    The defaults are sonar-space's `english`; its other languages have six pooler layers. `num_heads`, `ffn_inner_dim` serve both parts.
    `chunk_frames`, in frames of 10 ms, is what the conformer sees at once: 30 s, the longest clip of Clotho.
    """

    kind: ClassVar[str] = "sonar-speech"
    model_dim: int = 1024
    num_encoder_layers: int = 24
    num_pooler_layers: int = 3
    num_heads: int = 16
    ffn_inner_dim: int = 4096
    conv_kernel: int = 31
    chunk_frames: int = 3000
    dropout: float = 0.1


@dataclass(frozen=True)
class SonarConfig:
    """SONAR's text encoder and decoder (Duquenne et al. 2023), in the terms of sonar-space's own configurations.

    `vocab_size` counts SentencePiece pieces, the pad symbol, the language tokens and NLLB's three control tokens.
    `pad_idx` is the one SONAR counts positions with: 1 in the released model, whose tokenizer nevertheless pads with 0.
    `max_seq_len` is in tokens, before the offset that fairseq's positions add.
    `token_languages` names the list that the tokenizer's language tokens follow: the "eight", or "nllb", the released SONAR's 202.
    """

    kind: ClassVar[str] = "sonar"
    model_dim: int = 1024
    num_encoder_layers: int = 24
    num_decoder_layers: int = 24
    num_heads: int = 16
    ffn_inner_dim: int = 8192
    max_seq_len: int = 512
    vocab_size: int = 256206
    pad_idx: int = 1
    dropout: float = 0.1
    token_languages: str = "eight"


@dataclass(frozen=True)
class BertConfig:
    """BERT (Devlin et al. 2019) over lower-cased English; the defaults are `bert-base-uncased`. `max_seq_len` is in tokens."""

    kind: ClassVar[str] = "bert"
    model_dim: int = 768
    num_layers: int = 12
    num_heads: int = 12
    ffn_inner_dim: int = 3072
    max_seq_len: int = 512
    vocab_size: int = 30522
    dropout: float = 0.1


@dataclass(frozen=True)
class ClapConfig:
    """Two towers, two projections into `joint_dim`, one temperature (paper, section 2)."""

    audio: CedConfig | SonarSpeechConfig = field(default_factory=CedConfig)
    text: SonarConfig | BertConfig = field(default_factory=SonarConfig)
    joint_dim: int = 1024
    temperature: float = 0.07


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON data; the towers in it carry their `kind`."""
    values = {item.name: getattr(config, item.name) for item in fields(config)}
    return {key: {"kind": value.kind, **to_dict(value)} if is_dataclass(value) else value for key, value in values.items()}


def from_dict(kind: type[Config], data: dict[str, Any]) -> Config:
    """A configuration of `kind` from plain data; raises UserError on unknown keys and kinds of tower, with the list of valid ones."""
    hints = get_type_hints(kind)
    valid = [item.name for item in fields(kind)]
    unknown = sorted(set(data) - set(valid))
    if unknown:
        raise UserError(f"{kind.__name__} has no {', '.join(map(repr, unknown))}; its keys are {', '.join(valid)}.")
    towers = {key for key in data if get_args(hints[key])}
    wrong = wrong_types(hints, {key: value for key, value in data.items() if key not in towers})
    if wrong:
        raise UserError(f"{kind.__name__}: {wrong}.")
    return kind(**{key: _tower(key, get_args(hints[key]), value) if key in towers else value for key, value in data.items()})


def wrong_types(hints: dict[str, Any], values: dict[str, Any]) -> str | None:
    """What is wrong with plain data whose entries must have the simple types of `hints` (a whole number will do for a float)."""
    for key, value in values.items():
        allowed = (int, float) if hints[key] is float else hints[key]
        if not isinstance(value, allowed) or (isinstance(value, bool) and hints[key] is not bool):
            return f"{key} must be of type {getattr(hints[key], '__name__', hints[key])}, got {value!r}"
    return None


def _tower(name: str, choices: tuple[type, ...], data: dict[str, Any]) -> Any:
    """One of `choices` by the data's `kind`; data without one, as the first checkpoints have, is of the first."""
    if not isinstance(data, dict):
        raise UserError(f"ClapConfig: {name} must be a tower's configuration, got {data!r}.")
    kinds = {choice.kind: choice for choice in choices}
    kind = data.get("kind", choices[0].kind)
    if kind not in kinds:
        raise UserError(f"ClapConfig has no {name} tower of kind {kind!r}; the kinds are {', '.join(kinds)}.")
    return from_dict(kinds[kind], {key: value for key, value in data.items() if key != "kind"})
