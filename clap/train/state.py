"""Training state on disk, and progress: one JSON line a report, the same on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import nn


def save_state(path: Path, step: int, model: nn.Module, optimizer: Any, schedule: Any) -> None:
    """Write what a run needs to go on, through a temporary name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def load_state(path: Path, model: nn.Module, optimizer: Any, schedule: Any) -> int:
    """Restore a run, if there is one; the step to go on from, 0 for a fresh start."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"])


class Progress:
    """Averages of what was added since the last report, with time spent and left of a run from `start` to `total`."""

    def __init__(self, path: Path, start: int, total: int) -> None:
        self.path, self.start, self.total, self.started = path, start, total, time.monotonic()
        self.values: dict[str, list[float]] = defaultdict(list)

    def add(self, **values: float) -> None:
        """Add one step's figures."""
        for name, value in values.items():
            self.values[name].append(value)

    def report(self, step: int, **extra: Any) -> dict[str, Any]:
        """Write and print the averages at `step` and start anew."""
        seconds = time.monotonic() - self.started
        left = seconds / max(1, step - self.start) * (self.total - step)
        means = {name: sum(values) / len(values) for name, values in self.values.items()}
        row = {"step": step, "of": self.total, **means, **extra, "seconds": round(seconds, 1), "seconds_left": round(left)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), file=sys.stderr, flush=True)
        self.values.clear()
        return row
