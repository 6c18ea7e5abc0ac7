"""Train CED-compact, and the teachers it is distilled from, as audio taggers on real and synthesised clips: the audio tower's start."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from clap.audio import HOP, SAMPLE_RATE_HZ, load
from clap.config import CedConfig, to_dict
from clap.data.esc50 import VALIDATION_FOLD, load_esc50
from clap.data.lexicon import load_lexicon
from clap.data.records import Clip, read_jsonl
from clap.errors import UserError
from clap.model.ced import Ced
from clap.presets import ced_compact
from clap.train.augment import augment_logmel, mix, pack
from clap.train.prepare import REAL_FOLDS, REAL_LICENCES
from clap.train.state import Progress, load_state, save_state
from clap.train.teacher import Teacher, load_teacher, soft_targets
from clap.weights import WEIGHTS, load_strictly, load_weights

CROP_FRAMES = 496
"""Just under five seconds, a whole number of patches."""
HEARD_SECONDS = 0.5
"""An event is heard in a stretch that holds this much of it, or half of it."""
PATCH_DROPOUT = 0.25
"""Share of the patches' columns left out in training."""
WARMUP = 0.15
"""Share of the training during which the learning rate rises."""
MIX_UNTIL = 0.8
"""Share of the training during which half of the batches are mixed."""


@dataclass(frozen=True)
class CedTraining:
    """AdamW, one cycle; a share `pool_share` of each epoch's clips is synthesised.

    Where there are teachers, their judgement has `teacher_weight` in the targets, and labels are not smoothed.
    """

    epochs: int = 40
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    label_smoothing: float = 0.1
    pool_share: float = 0.35
    teacher_weight: float = 0.7
    seed: int = 0


@dataclass(frozen=True)
class Tagged:
    """Packed spectrograms `(64, F)` in dB, F at most the crop, and their targets `(N, classes)`, rows summing to one."""

    logmels: list[Tensor]
    targets: Tensor
    classes: tuple[str, ...] = ()


def heard(clip: Clip, start_s: float, end_s: float, classes: Sequence[str]) -> Tensor:
    """Which classes are heard between two times of a clip, evenly: `(classes,)`, all zero when none is. Raises UserError."""
    target = torch.zeros(len(classes))
    for event in clip.events:
        if event["class"] not in classes:
            raise UserError(f"Clip {clip.id!r} holds the class {event['class']!r}, which is not one of the {len(classes)} of the lexicon.")
        overlap_s = min(event["end_s"], end_s) - max(event["start_s"], start_s)
        if overlap_s >= min(HEARD_SECONDS, (event["end_s"] - event["start_s"]) / 2):
            target[classes.index(event["class"])] = 1
    return target / target.sum().clamp(min=1)


def stretches(clip: Clip, logmel: Tensor, classes: Sequence[str]) -> Iterator[tuple[Tensor, Tensor]]:
    """A clip's consecutive stretches of one crop, each with what is heard in it; those without an event are left out."""
    seconds = CROP_FRAMES * HOP / SAMPLE_RATE_HZ
    for number, piece in enumerate(logmel.split(CROP_FRAMES, dim=-1)):
        target = heard(clip, number * seconds, (number + 1) * seconds, classes)
        if target.any():
            yield piece, target


def tagged(ced: Ced, clips: Sequence[Clip], classes: Sequence[str]) -> Tagged:
    """Read and pack clips, cut into stretches; raises UserError for an unknown class or an unreadable file."""
    packed = zip(clips, pack(ced, (load(clip.path) for clip in clips)), strict=True)
    rows = [row for clip, logmel in packed for row in stretches(clip, logmel, classes)]
    targets = torch.stack([target for _, target in rows]) if rows else torch.zeros(0, len(classes))
    return Tagged([logmel for logmel, _ in rows], targets, tuple(classes))


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


def tagging_loss(
    model: Ced | Teacher, spectrograms: Tensor, targets: Tensor, plan: CedTraining, teachers: Sequence[Teacher] = ()
) -> Tensor:
    """Cross-entropy of a batch `(B, 64, F)` with targets `(B, classes)`; teachers judge the very same disturbed spectrograms."""
    smoothing = plan.label_smoothing
    if teachers:
        soft = soft_targets(teachers, spectrograms)
        targets, smoothing = plan.teacher_weight * soft + (1 - plan.teacher_weight) * targets, 0.0
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.tag(spectrograms)
    return F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)


@torch.inference_mode()
def accuracy(ced: Ced | Teacher, data: Tagged) -> float:
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


def fit(
    ced: Ced | Teacher, data: Tagged, real: int, validation: Tagged, plan: CedTraining, out: Path, teachers: Sequence[Teacher] = ()
) -> Path:
    """Train on `data`, whose first `real` rows are recordings; go on from `out/last.pt`; write `out/model.safetensors`."""
    optimizer = torch.optim.AdamW(ced.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    pool = len(data.logmels) - real
    batches = -(-len(epoch_rows(real, pool, plan.pool_share, np.random.default_rng(0))) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=plan.epochs * batches, pct_start=WARMUP)
    start = load_state(out / "last.pt", ced, optimizer, schedule)
    if schedule.total_steps != plan.epochs * batches:
        steps = f"{schedule.total_steps} steps, not {plan.epochs * batches}"
        raise UserError(f"{out} holds a run of other epochs or clips ({steps}); give another --out.")
    progress = Progress(out / "log.jsonl", start, plan.epochs)
    for epoch in range(start, plan.epochs):
        torch.manual_seed(plan.seed * 1000 + epoch)
        rng = np.random.default_rng([plan.seed, epoch])
        rows = epoch_rows(real, pool, plan.pool_share, rng)
        ced.train()
        for first in range(0, len(rows), plan.batch):
            spectrograms, targets = train_batch(data, rows[first : first + plan.batch], rng, epoch < MIX_UNTIL * plan.epochs)
            optimizer.zero_grad()
            loss = tagging_loss(ced, spectrograms, targets, plan, teachers)
            loss.backward()
            nn.utils.clip_grad_norm_(ced.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.add(loss=loss.item())
        progress.report(epoch + 1, validation_accuracy=accuracy(ced, validation))
        save_state(out / "last.pt", epoch + 1, ced, optimizer, schedule)
    return save_tagger(out / "model.safetensors", ced, data.classes)


def save_tagger(path: Path, ced: Ced | Teacher, classes: Sequence[str]) -> Path:
    """Write the weights as safetensors, with the configuration and the classes' names in order, through a temporary name."""
    partial = path.with_suffix(".part")
    config = {"width": ced.width} if isinstance(ced, Teacher) else to_dict(ced.config)
    metadata = {"config": json.dumps(config), "classes": json.dumps(list(classes))}
    save_file({key: value.contiguous().clone() for key, value in ced.state_dict().items()}, partial, metadata)
    partial.replace(path)
    return path


@dataclass(frozen=True)
class TaggingData:
    """What taggers learn from, how many of its first rows are recordings, and the recordings they are judged on."""

    data: Tagged
    real: int
    held: Tagged


def tagging_data(esc50: Path, pool: Path | None) -> TaggingData:
    """ESC-50 folds 1-3 (CC0 and CC-BY clips) and the synthesised pool; accuracy is on fold 4, never trained on."""
    ced, classes = Ced(ced_compact()), load_lexicon().class_names
    real = tagged(ced, load_esc50(esc50, REAL_FOLDS, REAL_LICENCES).clips, classes)
    made = tagged(ced, read_jsonl(pool / "clips.jsonl", Clip) if pool else [], classes)
    held = tagged(ced, load_esc50(esc50, (VALIDATION_FOLD,)).clips, classes)
    print(f"crops of {CROP_FRAMES} frames: {len(real.logmels)} recorded, {len(made.logmels)} synthesised", file=sys.stderr, flush=True)
    both = Tagged(real.logmels + made.logmels, torch.cat([real.targets, made.targets]), real.classes)
    return TaggingData(both, len(real.logmels), held)


def train(made: TaggingData, out: Path, plan: CedTraining, teachers: Sequence[Path] = (), start: Path | None = None) -> Path:
    """Train CED-compact, from the weights of an earlier run in `start`, distilled from the teachers in the folders `teachers`."""
    torch.manual_seed(plan.seed)
    ced = Ced(replace(ced_compact(), time_patch_dropout=PATCH_DROPOUT))
    if start:
        load_strictly(ced, load_weights(start / WEIGHTS, CedConfig)[0], start.name)
    loaded = [load_teacher(folder, made.data.classes) for folder in teachers]
    return fit(ced, made.data, made.real, made.held, plan, out, loaded)


def train_teacher(made: TaggingData, out: Path, plan: CedTraining, width: int) -> Path:
    """Train one teacher of a given width; another seed gives another member of the ensemble."""
    torch.manual_seed(plan.seed)
    teacher = Teacher(width, len(made.data.classes)).to(memory_format=torch.channels_last)
    return fit(teacher, made.data, made.real, made.held, plan, out)


def add_parser(commands: Any) -> None:
    """The `teacher` and `ced` subcommands of `python -m clap.train`."""
    teacher = _parser(commands, "teacher", "train a convolutional teacher of CED-compact", Path("runs/teacher"), 100)
    teacher.add_argument("--width", type=int, default=32, help="channels after the stem")
    teacher.set_defaults(
        run=lambda a: train_teacher(tagging_data(a.esc50, a.pool), a.out, CedTraining(epochs=a.epochs, seed=a.seed), a.width)
    )
    ced = _parser(commands, "ced", "train CED-compact as an audio tagger", Path("runs/ced"), CedTraining.epochs)
    ced.add_argument("--teachers", type=Path, nargs="*", default=[], metavar="FOLDER", help="made by the teacher command")
    ced.add_argument("--start", type=Path, metavar="FOLDER", help="an earlier run, whose weights this one starts from")
    ced.set_defaults(
        run=lambda a: train(tagging_data(a.esc50, a.pool), a.out, CedTraining(epochs=a.epochs, seed=a.seed), a.teachers, a.start)
    )


def _parser(commands: Any, name: str, about: str, out: Path, epochs: int) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about)
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--pool", type=Path, help="folder made by python -m clap.synth pool")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--seed", type=int, default=CedTraining.seed)
    return parser
