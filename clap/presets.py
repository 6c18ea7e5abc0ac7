"""Presets: functions that return a configuration, each a small change of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clap.config import BertConfig, CedConfig, ClapConfig, SonarConfig, SonarSpeechConfig
from clap.errors import UserError


def ced_base() -> CedConfig:
    """CED-Base, 86 M parameters: the paper's audio encoder."""
    return CedConfig()


def ced_small() -> CedConfig:
    """CED-Small, 22 M parameters."""
    return replace(ced_base(), embed_dim=384, num_heads=6)


def ced_mini() -> CedConfig:
    """CED-Mini, 10 M parameters."""
    return replace(ced_base(), embed_dim=256, num_heads=4)


def ced_tiny() -> CedConfig:
    """CED-Tiny, 5.5 M parameters."""
    return replace(ced_base(), embed_dim=192, num_heads=3)


def ced_compact() -> CedConfig:
    """CED-Tiny with half the layers: learns from about two thousand clips on one CPU core in under an hour."""
    return replace(ced_tiny(), depth=6, outputdim=64, drop_path=0.1)


def sonar_basic() -> SonarConfig:
    """The released SONAR text encoder and decoder."""
    return SonarConfig(token_languages="nllb")


def sonar_compact() -> SonarConfig:
    """SONAR's architecture at small width, for a vocabulary of 6,000 pieces and the eight languages."""
    return SonarConfig(
        model_dim=192, num_encoder_layers=4, num_decoder_layers=3, num_heads=3, ffn_inner_dim=768,
        max_seq_len=128, vocab_size=6000 + 1 + 8 + 3, pad_idx=0, dropout=0.0,
    )  # fmt: skip


def sonar_speech() -> SonarSpeechConfig:
    """SONAR's English speech encoder, 658 M parameters."""
    return SonarSpeechConfig()


def bert_base() -> BertConfig:
    """The encoder of bert-base-uncased, 109 M parameters."""
    return BertConfig()


def ml_clap() -> ClapConfig:
    """The paper's model: CED-Base and SONAR, 25 % patch dropout in time and frequency (section 3.2)."""
    audio = replace(ced_base(), time_patch_dropout=0.25, freq_patch_dropout=0.25)
    return ClapConfig(audio=audio, text=sonar_basic())


def sonar_se_clap() -> ClapConfig:
    """The paper's Table 1, row SONAR-SE: a speech encoder listens instead of CED.

    The paper does not say which language's; this is the English one, the language of its captions.
    """
    return replace(ml_clap(), audio=sonar_speech())


def ced_bert() -> ClapConfig:
    """The paper's Table 3, row CED+BERT: BERT reads instead of SONAR, so it knows English only.

    Section 4.4 has it use the BERT-based text encoder of HTSAT-BERT (WavCaps, Mei et al. 2024), whose published code takes
    bert-base-uncased and its last hidden state at [CLS], without BERT's own pooler: so does this preset.
    That code also cuts captions at 30 tokens, of which the paper says nothing; here BERT's own limit holds.
    """
    return replace(ml_clap(), text=bert_base())


def compact() -> ClapConfig:
    """The model the repository carries: the same two towers at small width."""
    audio = replace(ced_compact(), time_patch_dropout=0.25, freq_patch_dropout=0.25)
    return ClapConfig(audio=audio, text=sonar_compact(), joint_dim=256)


PRESETS: dict[str, Callable[[], object]] = {
    "ced-base": ced_base, "ced-small": ced_small, "ced-mini": ced_mini, "ced-tiny": ced_tiny, "ced-compact": ced_compact,
    "sonar-basic": sonar_basic, "sonar-compact": sonar_compact, "sonar-speech": sonar_speech, "bert-base": bert_base,
    "ml-clap": ml_clap, "sonar-se-clap": sonar_se_clap, "ced-bert": ced_bert, "compact": compact,
}  # fmt: skip


def preset(name: str) -> object:
    """The configuration of a named preset; raises UserError with the list of names."""
    if name not in PRESETS:
        raise UserError(f"Unknown preset {name!r}; the presets are {', '.join(PRESETS)}.")
    return PRESETS[name]()
