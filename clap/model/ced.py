"""CED, the audio encoder: a vision transformer over log-mel patches (Dinkel et al. 2024, "CED: Consistent ensemble
distillation for audio tagging"), under the parameter names of the released weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.functional import spectrogram
from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

from clap.audio import HOP, SAMPLE_RATE_HZ
from clap.config import CedConfig

N_FFT = 512
TOP_DB = 120.0
FLOOR_POWER = 1e-10
FRAMES_PER_BLOCK = 6000
"""Frames of the short-time Fourier transform held in memory at once: one minute."""
CHUNKS_PER_BATCH = 16


class InitNorm(nn.Sequential):
    """Batch norm over the mel axis of `(B, 64, F)`; the released weights call it `init_bn.1`."""

    def __init__(self, n_mels: int) -> None:
        super().__init__(nn.Identity(), nn.BatchNorm2d(n_mels, momentum=0.01), nn.Identity())

    def forward(self, logmel: Tensor) -> Tensor:
        return self[1](logmel.unsqueeze(-1)).squeeze(-1)


class Attention(nn.Module):
    """Multi-head self-attention over `(B, P, D)` with one fused projection."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide {dim} dimensions")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, patches, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, patches, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, patches, dim))


class Mlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """A pre-norm transformer layer; in training each residual branch is dropped for a share `drop` of the clips."""

    def __init__(self, config: CedConfig, drop: float) -> None:
        super().__init__()
        dim = config.embed_dim
        self.drop = drop
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, config.num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.sometimes(self.attn(self.norm1(x)))
        return x + self.sometimes(self.mlp(self.norm2(x)))

    def sometimes(self, branch: Tensor) -> Tensor:
        """Stochastic depth."""
        if not self.training or self.drop == 0:
            return branch
        keep = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop
        return branch * keep / (1 - self.drop)


class PatchEmbed(nn.Module):
    """Non-overlapping patches: `(B, 1, 64, F) -> (B, D, 4, F // 16)`."""

    def __init__(self, config: CedConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, config.embed_dim, config.patch, config.patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


def keep_some(x: Tensor, dim: int, dropout: float) -> Tensor:
    """Patch dropout: a random subset of rows or columns of patches, in order, the same for the whole batch."""
    size = x.shape[dim]
    kept = torch.randperm(size, device=x.device)[: max(1, round(size * (1 - dropout)))].sort().values
    return x.index_select(dim, kept)


def resize_time_positions(embedding: Tensor, columns: int) -> Tensor:
    """Time position embedding `(1, D, 1, C) -> (1, D, 1, columns)`, as the original resizes it for another chunk length.

    A shorter one is the beginning; a longer one is interpolated linearly, each column at its middle.
    """
    if columns <= embedding.shape[-1]:
        return embedding[..., :columns]
    return F.interpolate(embedding.float(), size=(1, columns), mode="bilinear", align_corners=False)


class Ced(nn.Module):
    """CED with its log-mel front end and its tagging head.

    A clip longer than one chunk of `target_frames` frames is cut into consecutive chunks of the batch-normed
    spectrogram, the last one filled up with zeros; its embedding is the mean over its chunks.
    """

    def __init__(self, config: CedConfig) -> None:
        super().__init__()
        self.config = config
        mel = MelSpectrogram(SAMPLE_RATE_HZ, n_fft=N_FFT, hop_length=HOP, f_min=0, f_max=SAMPLE_RATE_HZ / 2, n_mels=config.n_mels)
        self.front_end = nn.Sequential(mel, AmplitudeToDB(top_db=TOP_DB))
        self.init_bn = InitNorm(config.n_mels)
        self.patch_embed = PatchEmbed(config)
        columns = config.target_frames // config.patch
        self.time_pos_embed = nn.Parameter(torch.randn(1, config.embed_dim, 1, columns) * 0.02)
        self.freq_pos_embed = nn.Parameter(torch.randn(1, config.embed_dim, config.n_mels // config.patch, 1) * 0.02)
        drops = torch.linspace(0, config.drop_path, config.depth).tolist()
        self.blocks = nn.Sequential(*[Block(config, drop) for drop in drops])
        self.norm = nn.LayerNorm(config.embed_dim, eps=1e-6)
        self.outputlayer = nn.Sequential(nn.LayerNorm(config.embed_dim), nn.Linear(config.embed_dim, config.outputdim))

    def logmel(self, waveform: Tensor) -> Tensor:
        """One waveform `(T,)`, mono at 16 kHz, at least 257 samples -> log-mel `(64, 1 + T // 160)` in dB.

        Equal to the whole front end on the whole clip, but the Fourier transform runs a minute at a time.
        """
        mel = self.front_end[0]
        padded = F.pad(waveform[None], (N_FFT // 2, N_FFT // 2), mode="reflect")[0]
        step, length = FRAMES_PER_BLOCK * HOP, padded.shape[-1]
        starts = range(0, length - N_FFT + 1, step)
        window = mel.spectrogram.window
        pieces = (padded[start : start + step + N_FFT - HOP] for start in starts)
        powers = [mel.mel_scale(spectrogram(piece, 0, window, N_FFT, HOP, N_FFT, 2.0, False, center=False)) for piece in pieces]
        decibels = 10 * torch.log10(torch.cat(powers, dim=-1).clamp(min=FLOOR_POWER))
        return decibels.clamp(min=float(decibels.max()) - TOP_DB)

    def encode_patches(self, normed: Tensor) -> Tensor:
        """Batch-normed log-mel `(B, 64, F)`, F at most one chunk -> `(B, D)`: mean over the patches' outputs."""
        if normed.shape[-1] < self.config.patch:
            normed = F.pad(normed, (0, self.config.patch - normed.shape[-1]))
        x = self.patch_embed(normed.unsqueeze(1))
        x = x + self.time_pos_embed[..., : x.shape[-1]] + self.freq_pos_embed
        if self.training:
            x = keep_some(keep_some(x, 2, self.config.freq_patch_dropout), 3, self.config.time_patch_dropout)
        return self.norm(self.blocks(x.flatten(2).transpose(1, 2))).mean(dim=1)

    def encode_spectrogram(self, logmel: Tensor) -> Tensor:
        """Log-mel `(B, 64, F)` in dB, F at most one chunk -> `(B, D)`."""
        return self.encode_patches(self.init_bn(logmel))

    def encode_waveform(self, waveform: Tensor) -> Tensor:
        """One waveform `(T,)`, mono at 16 kHz, any length from 0.1 s -> `(D,)`."""
        normed = self.init_bn(self.logmel(waveform)[None])[0]
        size = self.config.target_frames
        if normed.shape[-1] <= size:
            return self.encode_patches(normed[None])[0]
        filled = F.pad(normed, (0, -normed.shape[-1] % size))
        chunks = filled.unfold(-1, size, size).transpose(0, 1)
        return torch.cat([self.encode_patches(batch) for batch in chunks.split(CHUNKS_PER_BATCH)]).mean(dim=0)

    def encode_waveforms(self, waveforms: Sequence[Tensor]) -> Tensor:
        """Waveforms, each `(T,)` -> `(N, D)`; each is encoded on its own, so none depends on the others."""
        return torch.stack([self.encode_waveform(waveform) for waveform in waveforms])

    def tag(self, logmel: Tensor) -> Tensor:
        """Log-mel `(B, 64, F)` in dB -> class logits `(B, outputdim)`."""
        return self.outputlayer(self.encode_spectrogram(logmel))
