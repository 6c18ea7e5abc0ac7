"""SONAR's speech encoder as an audio tower, built by sonar-space (Duquenne et al. 2023; the paper's Table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from clap.audio import SAMPLE_RATE_HZ
from clap.config import SonarSpeechConfig
from clap.errors import UserError
from clap.model.batching import equal_length_batches

MELS = 80
INT16_SCALE = 2.0**15
"""w2v-BERT's filterbank was fed samples of 16-bit range."""
STRIDE = 2
"""Frames that the encoder takes as one position."""
PAD_IDX, BOS_IDX = 1, 2
POOLER_POSITIONS = 1024
BATCH_FRAMES = 48_000
"""Frames encoded at once: sixteen chunks of half a minute."""


def build_encoder(config: SonarSpeechConfig) -> nn.Module:
    """A SONAR speech encoder with fresh weights, built by sonar-space."""
    from fairseq2.models.transformer import TransformerNormOrder
    from sonar.models.sonar_speech import SonarSpeechEncoderConfig, SonarSpeechEncoderFactory

    whole = SonarSpeechEncoderConfig(
        w2v2_encoder_config=_conformer(config), final_dropout_p=config.dropout, model_dim=config.model_dim,
        max_seq_len=POOLER_POSITIONS, pad_idx=PAD_IDX, bos_idx=BOS_IDX, num_decoder_layers=config.num_pooler_layers,
        num_decoder_attn_heads=config.num_heads, decoder_norm_order=TransformerNormOrder.POST,
        ffn_inner_dim=config.ffn_inner_dim, dropout_p=config.dropout,
    )  # fmt: skip
    return SonarSpeechEncoderFactory(whole).create_model()


def _conformer(config: SonarSpeechConfig) -> Any:
    """w2v-BERT's encoder configuration in fairseq2, at the width and depth asked for."""
    from fairseq2.models.w2vbert import W2VBertConfig

    return replace(
        W2VBertConfig().w2v2_config.encoder_config, model_dim=config.model_dim, num_encoder_layers=config.num_encoder_layers,
        num_encoder_attn_heads=config.num_heads, ffn_inner_dim=config.ffn_inner_dim,
        depthwise_conv_kernel_size=config.conv_kernel, max_seq_len=-(-config.chunk_frames // STRIDE),
    )  # fmt: skip


@cache
def _converter() -> Any:
    from fairseq2.data.audio import WaveformToFbankConverter

    return WaveformToFbankConverter(num_mel_bins=MELS, waveform_scale=INT16_SCALE, channel_last=True, standardize=True)


def fbank(waveform: Tensor) -> Tensor:
    """One waveform `(T,)`, mono at 16 kHz, from 0.1 s -> log-mel frames `(F, 80)`, one per 10 ms, as sonar-space's pipeline makes them.

    Each band is brought to mean 0 and variance 1 over the clip; one that never changes, as in silence, becomes 0. No gradient.
    """
    samples = waveform.detach().float().cpu()[:, None]
    frames = _converter()({"waveform": samples, "sample_rate": float(SAMPLE_RATE_HZ)})["fbank"]
    return frames.nan_to_num(0.0, 0.0, 0.0).to(waveform.device)


class SpeechTower(nn.Module):
    """SONAR's speech encoder; `model` is sonar-space's own module under its parameter names.

    A clip longer than `chunk_frames` is cut into as few chunks as that allows, equal in length to a frame; its embedding is the mean
    over them. It trains from waveforms only, through `encode_waveforms`, with the dropout of its configuration. Chunks of one length
    go through together, so in training the conformer's batch norm sees the clips of a batch that are equally long: crop them alike.
    """

    def __init__(self, config: SonarSpeechConfig) -> None:
        super().__init__()
        self.model, self.dim = build_encoder(config), config.model_dim
        self.chunk_frames = config.chunk_frames

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Mono 16 kHz waveforms, each `(T,)`, any length from 0.1 s -> `(N, dim)`; in evaluation none depends on the others."""
        weight = next(self.parameters())
        cut = [self.chunks(fbank(waveform)) for waveform in waveforms]
        vectors = self.encode_chunks([chunk.to(weight) for chunks in cut for chunk in chunks])
        return torch.stack([own.mean(dim=0) for own in vectors.split([len(chunks) for chunks in cut])])

    def chunks(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Frames `(F, 80)` -> consecutive chunks of at most `chunk_frames`."""
        return frames.tensor_split(-(-len(frames) // self.chunk_frames))

    def encode_chunks(self, chunks: Sequence[Tensor]) -> Tensor:
        """Chunks, each `(F_i, 80)` -> `(N, dim)`, in batches of one length and thus without padding."""
        from fairseq2.nn import BatchLayout

        order, vectors = [], []
        for rows in equal_length_batches(chunks, BATCH_FRAMES):
            batch = torch.stack([chunks[row] for row in rows])
            vectors.append(self.model(batch, BatchLayout.of(batch)).sentence_embeddings)
            order += rows
        return torch.cat(vectors)[torch.tensor(order).argsort()]

    def encode_spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Always raises UserError: this encoder has its own filterbank, of 80 bands standardised over the clip."""
        raise UserError("SONAR's speech encoder takes no spectrograms of CED's; give it waveforms, in training as well.")
