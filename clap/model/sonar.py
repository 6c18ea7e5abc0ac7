"""SONAR text encoder and decoder through sonar-space and fairseq2, and the tokenizer they share.

Any width goes through the same builders: the released `basic` architecture and the compact one differ in numbers only.
sonar-space is imported when a model is built, not when this module is: the import takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clap.config import SonarConfig
from clap.errors import UserError
from clap.languages import CODES, ENGLISH

TOKENIZER_PAD = 0
"""The id that fills a batch. (The released model's `pad_idx`, 1, only offsets its positions.)"""
CONTROL_TOKENS = 3
"""NLLB's <MINED_DATA>, <MMT_BT_DATA> and <SMT_BT_DATA>, which follow the language tokens."""


def language_list(name: str) -> list[str]:
    """The languages whose tokens follow the vocabulary, in the order of their ids: "eight" are ours, "nllb" those of SONAR's card."""
    if name == "eight":
        return list(CODES)
    if name != "nllb":
        raise UserError(f"Unknown list of language tokens {name!r}; the lists are eight, nllb.")
    import sonar  # noqa: F401 - registers the cards
    from fairseq2.assets import get_asset_store

    return get_asset_store().retrieve_card(RELEASED_ENCODER).field("tokenizer_config").value["_set_"]["langs"]


def load_tokenizer(path: Path, token_languages: str = "eight") -> Any:
    """NLLB tokenizer over a SentencePiece model: source `__lang__ … </s>`, target `</s> __lang__ … </s>`; see `language_list`.

    Raises UserError for a file that is no SentencePiece model.
    """
    from fairseq2.data.tokenizers import TokenizerModelError
    from fairseq2.models.nllb import NllbTokenizerConfig, load_nllb_tokenizer

    config = NllbTokenizerConfig(langs=language_list(token_languages), default_lang=ENGLISH)
    try:
        return load_nllb_tokenizer(Path(path), config)
    except TokenizerModelError as error:
        raise UserError(f"{Path(path).name} is no SentencePiece model; fetch it again.") from error


def build_encoder(config: SonarConfig) -> nn.Module:
    """A SONAR text encoder with fresh weights, built by sonar-space."""
    from sonar.models.sonar_text import SonarTextEncoderConfig, SonarTextEncoderFactory

    return SonarTextEncoderFactory(SonarTextEncoderConfig(pooling="mean", _from_fairseq=True, **_shared(config))).create_model()


def build_decoder(config: SonarConfig) -> nn.Module:
    """A SONAR text decoder with fresh weights, built by sonar-space."""
    from sonar.models.sonar_text import SonarTextDecoderConfig, SonarTextDecoderFactory

    return SonarTextDecoderFactory(SonarTextDecoderConfig(**_decoder_fields(config))).create_model()


RELEASED_ENCODER, RELEASED_DECODER = "text_sonar_basic_encoder", "text_sonar_basic_decoder"
"""sonar-space's own cards of the released weights (CC-BY-NC)."""


def load_released(card: str = RELEASED_ENCODER) -> tuple[nn.Module, Any]:
    """The released SONAR text encoder or decoder and its tokenizer, by card; downloaded once into fairseq2's cache.

    Raises UserError when there is no such card or it cannot be downloaded.
    """
    import sonar  # noqa: F401 - registers the cards
    from fairseq2.assets import AssetDownloadError
    from fairseq2.data.tokenizers import TokenizerNotKnownError, load_tokenizer
    from fairseq2.models import ModelNotKnownError, load_model

    try:
        return load_model(card, device=torch.device("cpu")), load_tokenizer(card)
    except (ModelNotKnownError, TokenizerNotKnownError) as error:
        raise UserError(f"sonar-space knows no card {card!r}; the released ones are {RELEASED_ENCODER} and {RELEASED_DECODER}.") from error
    except AssetDownloadError as error:
        raise UserError(f"The released SONAR weights of {card!r} cannot be downloaded: {error}") from error


def _shared(config: SonarConfig) -> dict[str, Any]:
    from fairseq2.data.tokenizers import VocabularyInfo

    vocabulary = VocabularyInfo(size=config.vocab_size, unk_idx=1, bos_idx=2, eos_idx=3, pad_idx=config.pad_idx)
    return {
        "model_dim": config.model_dim, "max_seq_len": config.max_seq_len, "vocab_info": vocabulary,
        "num_encoder_layers": config.num_encoder_layers, "num_decoder_layers": config.num_decoder_layers,
        "num_encoder_attn_heads": config.num_heads, "num_decoder_attn_heads": config.num_heads,
        "ffn_inner_dim": config.ffn_inner_dim,
        "emb_dropout_p": config.dropout, "attention_dropout_p": config.dropout, "activation_dropout_p": config.dropout,
    }  # fmt: skip


def _decoder_fields(config: SonarConfig) -> dict[str, Any]:
    plain = {
        "activation_fn": "ReLU", "no_scale_embedding": False, "no_token_positional_embeddings": False,
        "learned_pos": False, "normalize_before": False, "input_dim": config.model_dim,
    }  # fmt: skip
    return {**_shared(config), **plain}


def max_tokens(encoder: nn.Module) -> int:
    """The longest source, in tokens, that a SONAR encoder takes; sonar-space cuts there, and so do we."""
    return int(encoder.encoder_frontend.pos_encoder.max_seq_len)


def tokenize(tokenizer: Any, texts: Sequence[str], language: str, mode: str = "source") -> list[Tensor]:
    """Token ids of each text, int64 `(S_i,)`, with the language token that `mode` ("source" or "target") asks for."""
    encode = tokenizer.create_encoder(lang=language, mode=mode)
    return [encode(text) for text in texts]


def truncate(ids: Sequence[Tensor], limit: int) -> tuple[list[Tensor], int]:
    """Each sequence cut to `limit` tokens as sonar-space's pipeline cuts, and how many were longer."""
    return [sequence[:limit] for sequence in ids], sum(len(sequence) > limit for sequence in ids)


def pad(ids: Sequence[Tensor]) -> tuple[Tensor, list[int]]:
    """Sequences as one `(N, S)` batch, padded with the tokenizer's pad id, and their lengths."""
    lengths = [len(sequence) for sequence in ids]
    return nn.utils.rnn.pad_sequence(list(ids), batch_first=True, padding_value=TOKENIZER_PAD), lengths


def encode_tokens(encoder: nn.Module, ids: Sequence[Tensor]) -> Tensor:
    """Sentence embeddings `(N, model_dim)` of token sequences: the mean over all tokens, special ones included."""
    from fairseq2.nn import BatchLayout

    batch, lengths = pad(ids)
    batch = batch.to(next(encoder.parameters()).device)
    return encoder(batch, BatchLayout.of(batch, seq_lens=lengths)).sentence_embeddings


def decode_logits(decoder: nn.Module, sentences: Tensor, ids: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Teacher-forced logits `(N, S-1, vocabulary)` given sentence embeddings `(N, D)`, and the targets `(N, S-1)`."""
    from fairseq2.nn import BatchLayout

    batch, lengths = pad(ids)
    batch = batch.to(sentences.device)
    inputs = batch[:, :-1]
    layout = BatchLayout.of(inputs, seq_lens=[length - 1 for length in lengths])
    source = sentences.unsqueeze(1)
    return decoder(source, BatchLayout.of(source), inputs, layout), batch[:, 1:]


@torch.inference_mode()
def translate(
    encoder: nn.Module, decoder: nn.Module, tokenizer: Any, texts: Sequence[str], source: str, target: str,
    batch_size: int = 32, beam_size: int = 5,
) -> list[str]:  # fmt: skip
    """Translate texts with sonar-space's own pipeline: through the sentence embedding, by beam search."""
    from sonar.inference_pipelines.text import TextToTextModelPipeline

    pipeline = TextToTextModelPipeline(encoder, decoder, tokenizer)
    return pipeline.predict(list(texts), source, target, batch_size=batch_size, beam_size=beam_size, max_seq_len=64)


@torch.inference_mode()
def similarities(
    encoder: nn.Module, tokenizer: Any, texts: Sequence[str], source: str, translations: Sequence[str], target: str
) -> list[float]:
    """Cosine of the sentence embeddings of each text and its translation: how much of its meaning came through."""
    limit, cosines = max_tokens(encoder), []
    for text, translation in zip(texts, translations, strict=True):
        ids, _ = truncate([*tokenize(tokenizer, [text], source), *tokenize(tokenizer, [translation], target)], limit)
        cosines.append(float(torch.cosine_similarity(*encode_tokens(encoder, ids), dim=0)))
    return cosines
