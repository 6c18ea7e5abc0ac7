"""Train CLAP: contrast clips with captions, with or without language enhancement (paper, sections 2 and 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from clap.checkpoints import save_weights
from clap.data.language_enhancement import Pair, epoch_pairs
from clap.data.records import Caption
from clap.errors import UserError
from clap.model import sonar
from clap.model.clap import Clap
from clap.model.loss import info_nce
from clap.text import normalize_caption
from clap.train.augment import augment_logmel
from clap.train.state import Progress, load_state, save_state

AUDIO_GROUP = 32
"""Clips of a batch are encoded in groups of similar length, each padded to its longest."""
SILENCE_DB = -100.0

Validation = Callable[[Clap], dict[str, float]]
"""A model -> named figures; the trainer keeps the weights with the best `score` among them."""


@dataclass(frozen=True)
class ClapTraining:
    """`ratio` is the mixing ratio of language enhancement: 0 for the baseline, 0.1 for the paper's mixture LE."""

    ratio: float = 0.0
    epochs: int = 12
    batch: int = 128
    learning_rate: float = 5e-4
    tower_rate: float = 2e-4
    warmup: float = 0.1
    seed: int = 0


def paper_training(ratio: float = 0.0, fine_tune: bool = False) -> ClapTraining:
    """Section 3.3: 20 epochs, batch 128, learning rate 5e-5, or 5e-6 when fine-tuning."""
    rate = 5e-6 if fine_tune else 5e-5
    return ClapTraining(ratio=ratio, epochs=20, batch=128, learning_rate=rate, tower_rate=rate)


@dataclass(frozen=True)
class TrainingData:
    """Log-mel spectrograms `(64, F)` in dB by clip, and all captions, English and translated."""

    spectrograms: dict[str, Tensor]
    captions: tuple[Caption, ...]

    def __post_init__(self) -> None:
        lost = sorted({caption.clip for caption in self.captions} - set(self.spectrograms))
        if lost:
            raise UserError(f"Captions of clips without audio: {', '.join(lost[:5])}.")


def encode_clips(model: Clap, spectrograms: Sequence[Tensor]) -> Tensor:
    """Spectrograms of several lengths -> `(N, D)`, in groups of similar length."""
    order = sorted(range(len(spectrograms)), key=lambda i: spectrograms[i].shape[-1])
    vectors: list[Tensor] = []
    for start in range(0, len(order), AUDIO_GROUP):
        group = [spectrograms[i] for i in order[start : start + AUDIO_GROUP]]
        longest = max(item.shape[-1] for item in group)
        padded = [nn.functional.pad(item, (0, longest - item.shape[-1]), value=SILENCE_DB) for item in group]
        vectors.append(model.encode_spectrogram(torch.stack(padded)))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(vectors)[back]


def batch_loss(model: Clap, tokenizer: Any, data: TrainingData, pairs: Sequence[Pair], rng: np.random.Generator) -> Tensor:
    """InfoNCE of one batch; a clip that stands in it twice is encoded once and shares its captions."""
    clips = list(dict.fromkeys(pair.clip for pair in pairs))
    row = {clip: index for index, clip in enumerate(clips)}
    frames = model.config.audio.target_frames
    audio = encode_clips(model, [augment_logmel(data.spectrograms[clip].float(), rng, frames) for clip in clips])
    ids = [sonar.tokenize(tokenizer, [normalize_caption(pair.text)], pair.language)[0] for pair in pairs]
    ids, _ = sonar.truncate(ids, sonar.max_tokens(model.text_encoder.model))
    index = torch.tensor([row[pair.clip] for pair in pairs])
    return info_nce(audio[index].float(), model.encode_tokens(ids).float(), model.temperature, index)


def parameter_groups(model: Clap, plan: ClapTraining) -> list[dict[str, Any]]:
    """Projections learn at `learning_rate`, the trained towers at `tower_rate`."""
    towers = [*model.audio_encoder.parameters(), *model.text_encoder.parameters()]
    heads = [*model.audio_proj.parameters(), *model.text_proj.parameters()]
    return [{"params": towers, "lr": plan.tower_rate}, {"params": heads, "lr": plan.learning_rate}]


def fit(model: Clap, tokenizer: Any, data: TrainingData, plan: ClapTraining, out: Path, validate: Validation) -> Path:
    """Train, or go on from `out/last.pt`; write the best weights by `validate` to `out/model.safetensors`."""
    rates = [group["lr"] for group in parameter_groups(model, plan)]
    optimizer = torch.optim.Adam(parameter_groups(model, plan))
    per_epoch = -(-len(epoch_pairs(data.captions, plan.ratio, plan.seed, 0)) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=plan.epochs * per_epoch, pct_start=plan.warmup, cycle_momentum=False
    )
    start = load_state(out / "last.pt", model, optimizer, schedule)
    progress = Progress(out / "log.jsonl", plan.epochs)
    best = float("-inf") if not start else float((out / "best").read_text())
    for epoch in range(start, plan.epochs):
        train_epoch(model, tokenizer, data, plan, epoch, optimizer, schedule, progress)
        figures = validate(model.eval())
        progress.report(epoch + 1, **figures)
        if figures["score"] > best:
            best = figures["score"]
            save_weights(out / "model.safetensors", model.state_dict(), model.config, half=True)
        (out / "best").write_text(str(best))
        save_state(out / "last.pt", epoch + 1, model, optimizer, schedule)
    return out / "model.safetensors"


def train_epoch(
    model: Clap, tokenizer: Any, data: TrainingData, plan: ClapTraining, epoch: int, optimizer: Any, schedule: Any, progress: Progress
) -> None:
    """One pass over the epoch's pairs."""
    torch.manual_seed(plan.seed * 1000 + epoch)
    rng = np.random.default_rng([plan.seed, epoch, 1])
    pairs = epoch_pairs(data.captions, plan.ratio, plan.seed, epoch)
    model.train()
    for start in range(0, len(pairs), plan.batch):
        optimizer.zero_grad()
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            loss = batch_loss(model, tokenizer, data, pairs[start : start + plan.batch], rng)
        if not torch.isfinite(loss):
            raise UserError(f"The loss is {loss.item()} in epoch {epoch + 1}, batch {start // plan.batch + 1}; the last good state is kept.")
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.add(loss=loss.item())
