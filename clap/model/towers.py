"""The towers of a CLAP: each an encoder under the name `model`, with what the other half of the program asks of it.

Which class stands behind a configuration is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from clap.config import BertConfig, CedConfig, SonarConfig, SonarSpeechConfig
from clap.errors import UserError
from clap.languages import CODES
from clap.model import sonar
from clap.model.ced import Ced
from clap.weights import TOKENIZER, WORD_PIECES


class AudioTower(Protocol):
    """Clips in, vectors of `dim` out, with gradient. `model` is the encoder under its released parameter names."""

    model: nn.Module
    dim: int

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Mono 16 kHz waveforms, each `(T,)`, any length from 0.1 s -> `(N, dim)`; in evaluation none depends on the others."""
        ...

    def encode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Spectrograms as CED takes them, `(N, 64, F)` in dB -> `(N, dim)`; raises UserError in a tower that takes waveforms only."""
        ...


class TextTower(Protocol):
    """Captions in, vectors of `dim` out, with gradient; `languages` are the FLORES-200 codes it takes.

    The tokenizer is what `load_text_tokenizer` gives for the same configuration.
    """

    model: nn.Module
    dim: int
    max_tokens: int
    languages: tuple[str, ...]

    def tokenize(self, tokenizer: Any, texts: Sequence[str], language: str) -> tuple[list[Tensor], int]:
        """Token ids of each text, int64 `(S_i,)`, cut to `max_tokens`, and how many texts were cut."""
        ...

    def encode(self, ids: Sequence[Tensor]) -> Tensor:
        """Token sequences, each `(S_i,)` -> `(N, dim)`."""
        ...


class CedTower(nn.Module):
    """CED. It trains from spectrograms or waveforms, with patch dropout and stochastic depth where its configuration has them."""

    def __init__(self, config: CedConfig) -> None:
        super().__init__()
        self.model, self.dim = Ced(config), config.embed_dim

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """See AudioTower."""
        return self.model.encode_waveforms(waveforms)

    def encode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """See AudioTower; F is at most one chunk."""
        return self.model.encode_spectrogram(spectrogram)


class SonarTower(nn.Module):
    """SONAR's text encoder: the mean over all tokens, the language's among them."""

    languages = CODES

    def __init__(self, config: SonarConfig) -> None:
        super().__init__()
        self.model, self.dim = sonar.build_encoder(config), config.model_dim
        self.max_tokens = sonar.max_tokens(self.model)

    def tokenize(self, tokenizer: Any, texts: Sequence[str], language: str) -> tuple[list[Tensor], int]:
        """See TextTower; cut at the end, as sonar-space's pipeline cuts."""
        return sonar.truncate(sonar.tokenize(tokenizer, texts, language), self.max_tokens)

    def encode(self, ids: Sequence[Tensor]) -> Tensor:
        """See TextTower."""
        return sonar.encode_tokens(self.model, ids)


def build_audio_tower(config: CedConfig | SonarSpeechConfig) -> AudioTower:
    """The audio tower of a configuration, with fresh weights."""
    if isinstance(config, CedConfig):
        return CedTower(config)
    from clap.model.speech import SpeechTower

    return SpeechTower(config)


def build_text_tower(config: SonarConfig | BertConfig) -> TextTower:
    """The text tower of a configuration, with fresh weights; raises UserError when the package it needs is missing."""
    if isinstance(config, SonarConfig):
        return SonarTower(config)
    from clap.model.bert import BertTower

    return BertTower(config)


TOKENIZER_FILES = {SonarConfig: (TOKENIZER,), BertConfig: WORD_PIECES}
"""Where a checkpoint folder keeps its tokenizer; the first of them that is there counts."""


def text_tokenizer_file(config: SonarConfig | BertConfig, folder: Path) -> Path:
    """The tokenizer's file in a checkpoint folder; raises UserError naming the files it may be."""
    names = TOKENIZER_FILES[type(config)]
    for path in (folder / name for name in names):
        if path.is_file():
            return path
    raise UserError(f"Checkpoint {folder.name!r} lacks its {' or '.join(names)}; fetch it again.")


def load_text_tokenizer(config: SonarConfig | BertConfig, folder: Path) -> Any:
    """The tokenizer of a checkpoint folder for the text tower of `config`; raises UserError when it is missing or does not fit."""
    path = text_tokenizer_file(config, folder)
    if isinstance(config, SonarConfig):
        return sonar.load_tokenizer(path, config.token_languages)
    from clap.model.bert import load_tokenizer

    return load_tokenizer(path, config)


def text_languages(config: SonarConfig | BertConfig) -> tuple[str, ...]:
    """The languages that the text tower of a configuration reads."""
    if isinstance(config, SonarConfig):
        return SonarTower.languages
    from clap.model.bert import BertTower

    return BertTower.languages


def require_languages(languages: Sequence[str], known: Sequence[str]) -> None:
    """Raise UserError when a checkpoint is said to be of languages that its text tower does not read."""
    other = [code for code in languages if code not in known]
    if other:
        raise UserError(f"The text encoder does not read {', '.join(other)}; it reads {', '.join(known)}: name those with --languages.")
