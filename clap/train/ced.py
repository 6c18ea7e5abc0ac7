"""Train CED-compact as an audio tagger on real and synthesised clips: the audio tower's start."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clap.audio import load
from clap.checkpoints import save_weights
from clap.config import CedConfig
from clap.data.esc50 import VALIDATION_FOLD, load_esc50
from clap.data.lexicon import load_lexicon
from clap.data.records import Clip, read_jsonl
from clap.model.ced import Ced
from clap.presets import ced_compact
from clap.train.augment import augment_logmel, mix, pack
from clap.train.prepare import REAL_FOLDS, REAL_LICENCES
from clap.train.state import Progress, load_state, save_state

CROP_FRAMES = 496
"""Just under five seconds, a whole number of patches."""
MIX_UNTIL = 0.8
"""Share of the training during which half of the batches are mixed."""


@dataclass(frozen=True)
class CedTraining:
    """AdamW, one cycle; a share `pool_share` of each epoch's clips is synthesised."""

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    label_smoothing: float = 0.1
    pool_share: float = 0.35
    seed: int = 0


@dataclass(frozen=True)
class Tagged:
    """Packed spectrograms `(64, F)` in dB and their targets `(N, classes)`, rows summing to one."""

    logmels: list[Tensor]
    targets: Tensor


def tagged(ced: Ced, clips: Sequence[Clip], classes: Sequence[str]) -> Tagged:
    """Read and pack clips; a clip of several events is tagged with each, evenly."""
    targets = torch.zeros(len(clips), len(classes))
    for row, clip in enumerate(clips):
        for event in clip.events:
            targets[row, classes.index(event["class"])] = 1
    return Tagged(pack(ced, [load(clip.path) for clip in clips]), targets / targets.sum(dim=1, keepdim=True))


def fixed_length(logmel: Tensor) -> Tensor:
    """A spectrogram `(64, F)` repeated up to the crop's length."""
    return logmel.repeat(1, math.ceil(CROP_FRAMES / logmel.shape[-1]))[:, :CROP_FRAMES] if logmel.shape[-1] < CROP_FRAMES else logmel


def train_batch(data: Tagged, rows: np.ndarray, rng: np.random.Generator, mixing: bool) -> tuple[Tensor, Tensor]:
    """Augmented spectrograms `(B, 64, F)` and targets; with `mixing`, in half of the calls, pairs at a random balance."""
    spectrograms = torch.stack([augment_logmel(fixed_length(data.logmels[row].float()), rng, CROP_FRAMES, roll=True) for row in rows])
    targets = data.targets[rows]
    if not mixing or rng.random() < 0.5:
        return spectrograms, targets
    other = torch.from_numpy(rng.permutation(len(rows)))
    balance = float(rng.uniform(-6, 6))
    return mix(spectrograms, spectrograms[other], balance), (targets + targets[other]) / 2


@torch.inference_mode()
def accuracy(ced: Ced, data: Tagged) -> float:
    """How often the likeliest class is the clip's."""
    ced.eval()
    hits = 0
    for start in range(0, len(data.logmels), 50):
        batch = torch.stack([fixed_length(item.float())[:, :CROP_FRAMES] for item in data.logmels[start : start + 50]])
        hits += int((ced.tag(batch).argmax(dim=1) == data.targets[start : start + 50].argmax(dim=1)).sum())
    return hits / len(data.logmels)


def epoch_rows(real: int, pool: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """All real rows and enough of the pool's to make up their share, shuffled."""
    extra = min(pool, round(real * share / (1 - share)))
    return rng.permutation(np.concatenate([np.arange(real), real + rng.choice(pool, size=extra, replace=False)]))


def fit(ced: Ced, data: Tagged, real: int, validation: Tagged, plan: CedTraining, out: Path) -> Path:
    """Train on `data`, whose first `real` rows are recordings; go on from `out/last.pt`; write `out/model.safetensors`."""
    optimizer = torch.optim.AdamW(ced.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    pool = len(data.logmels) - real
    batches = -(-len(epoch_rows(real, pool, plan.pool_share, np.random.default_rng(0))) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=plan.epochs * batches)
    start = load_state(out / "last.pt", ced, optimizer, schedule)
    progress = Progress(out / "log.jsonl", start, plan.epochs)
    for epoch in range(start, plan.epochs):
        torch.manual_seed(plan.seed * 1000 + epoch)
        rng = np.random.default_rng([plan.seed, epoch])
        rows = epoch_rows(real, pool, plan.pool_share, rng)
        ced.train()
        for first in range(0, len(rows), plan.batch):
            spectrograms, targets = train_batch(data, rows[first : first + plan.batch], rng, epoch < MIX_UNTIL * plan.epochs)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = ced.tag(spectrograms)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=plan.label_smoothing)
            loss.backward()
            nn.utils.clip_grad_norm_(ced.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.add(loss=loss.item())
        progress.report(epoch + 1, validation_accuracy=accuracy(ced, validation))
        save_state(out / "last.pt", epoch + 1, ced, optimizer, schedule)
    return save_weights(out / "model.safetensors", ced.state_dict(), ced.config)


def train(esc50: Path, pool: Path | None, out: Path, plan: CedTraining, config: CedConfig | None = None) -> Path:
    """Train on ESC-50 folds 1-3 (CC0 and CC-BY clips) and the synthesised pool; accuracy is on fold 4, never trained on."""
    torch.manual_seed(plan.seed)
    ced, classes = Ced(config or ced_compact()), load_lexicon().class_names
    real = load_esc50(esc50, REAL_FOLDS, REAL_LICENCES).clips
    synthetic = read_jsonl(pool / "clips.jsonl", Clip) if pool else []
    print(f"{len(real)} recordings, {len(synthetic)} synthesised clips", file=sys.stderr, flush=True)
    data = tagged(ced, [*real, *synthetic], classes)
    return fit(ced, data, len(real), tagged(ced, load_esc50(esc50, (VALIDATION_FOLD,)).clips, classes), plan, out)


def add_parser(commands: Any) -> None:
    """The `ced` subcommand of `python -m clap.train`."""
    parser: argparse.ArgumentParser = commands.add_parser("ced", help="train CED-compact as an audio tagger")
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--pool", type=Path, help="folder made by python -m clap.synth pool")
    parser.add_argument("--out", type=Path, default=Path("runs/ced"))
    parser.add_argument("--epochs", type=int, default=CedTraining.epochs)
    parser.add_argument("--seed", type=int, default=CedTraining.seed)
    parser.set_defaults(run=lambda a: train(a.esc50, a.pool, a.out, CedTraining(epochs=a.epochs, seed=a.seed)))
