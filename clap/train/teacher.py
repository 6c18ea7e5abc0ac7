"""Convolutional teachers for CED-compact: CED learns from an ensemble that hears the same disturbed clip as it does
(Dinkel et al. 2024, "CED: Consistent ensemble distillation for audio tagging", section 2).

Convolutions learn more from a thousand clips than a transformer does; the released CED was distilled from larger models.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from clap.errors import UserError
from clap.model.ced import InitNorm

N_MELS = 64
DROPOUT = 0.3


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two 3x3 convolutions that halve both axes, beside an average-pooled shortcut: `(B, C, F, T) -> (B, C', F/2, T/2)`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_convolution(inputs, outputs, 2), nn.ReLU(), _convolution(outputs, outputs))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.branch(x) + self.shortcut(x))


class Teacher(nn.Module):
    """A small residual network over the log-mel spectrogram; mean over frequency, then mean plus maximum over time."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.width, self.classes = width, classes
        self.init_bn = InitNorm(N_MELS)
        self.stem = nn.Sequential(nn.Conv2d(1, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(Residual(width, 2 * width), Residual(2 * width, 4 * width), Residual(4 * width, 8 * width))
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(8 * width, classes))

    def tag(self, logmel: Tensor) -> Tensor:
        """Log-mel `(B, 64, F)` in dB -> class logits `(B, classes)`."""
        image = self.init_bn(logmel).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        by_time = self.stages(self.stem(image)).mean(dim=2)
        return self.head(by_time.mean(dim=-1) + by_time.amax(dim=-1))


@torch.no_grad()
def soft_targets(teachers: Sequence[Teacher], logmel: Tensor) -> Tensor:
    """The mean of the teachers' class probabilities for log-mel `(B, 64, F)` -> `(B, classes)`."""
    with torch.autocast("cpu", torch.bfloat16):
        probabilities = [teacher.tag(logmel).float().softmax(dim=-1) for teacher in teachers]
    return torch.stack(probabilities).mean(dim=0)


def load_teacher(folder: Path, classes: Sequence[str]) -> Teacher:
    """A trained teacher from `folder/model.safetensors`, ready to judge; raises UserError when it knows other classes."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{folder} holds no model.safetensors; train it with `python -m clap.train teacher`.")
    with safe_open(path, "pt") as file:
        about = file.metadata()
    if json.loads(about["classes"]) != list(classes):
        raise UserError(f"The teacher in {folder} was trained on other classes than the lexicon's; train it again.")
    teacher = Teacher(json.loads(about["config"])["width"], len(classes))
    teacher.load_state_dict(load_file(path))
    return teacher.eval().to(memory_format=torch.channels_last)
