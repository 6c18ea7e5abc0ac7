"""The contrastive loss (paper, equation 3) and the embedding regulariser."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shared_clip_targets(clip_index: Tensor) -> Tensor:
    """Row-stochastic targets `(N, N)` from the clip of each pair `(N,)`: a row's weight is spread evenly over pairs of its clip."""
    same = (clip_index[:, None] == clip_index[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def info_nce(audio: Tensor, text: Tensor, temperature: float | Tensor, clip_index: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE over unit-norm `audio` and `text` `(N, D)`: the mean of both directions, as the released code takes it.

    The paper's equation 3 prints the sum of the directions, twice this value. With `clip_index` `(N,)` captions of one
    clip are positives of one another, not negatives.
    """
    similarity = audio @ text.T / temperature
    if clip_index is None:
        clip_index = torch.arange(len(audio), device=audio.device)
    targets = shared_clip_targets(clip_index)
    return (F.cross_entropy(similarity, targets) + F.cross_entropy(similarity.T, targets)) / 2


def embedding_regularizer(audio: Tensor, text: Tensor) -> Tensor:
    """The released code's penalty on embeddings `(N, D)`: mean magnitude over Frobenius norm, summed over both sides.

    For unit-norm rows this favours sparse directions; its weight in the released training is 1.
    """
    return sum(side.abs().mean() / side.norm() for side in (audio, text))
