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

from clap.errors import UserError

SPEAK_EVERY_S = 30
"""Seconds between two lines of progress within an epoch."""


def save_state(path: Path, step: int, model: nn.Module, optimizer: Any, schedule: Any, **more: Any) -> None:
    """Write what a run needs to go on, through a temporary name: a run that is killed meanwhile finds the state before it.

    `more` is plain data for `read_state`. Raises UserError when the disk is full; what stood under `path` is then still there.
    """
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), **more}
    partial = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer turns the disk's refusal into the latter
        reason = error.strerror if isinstance(error, OSError) else _refusal(error)
        partial.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written ({reason}); the one before is kept: make room and run the same again.") from error


def _refusal(error: BaseException) -> str:
    """The disk's own words behind an error of torch's writer; raises the error where the disk said nothing."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, OSError):
        return str(cause.strerror)
    raise error


def read_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, in memory; empty where there is nothing. Raises UserError for a file that is something else."""
    if not path.exists():
        return {}
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damage shows itself in many ways, a random byte being an instruction to the unpickler
        raise UserError(f"{path} is no training state ({type(error).__name__}); remove it to begin anew, or give another --out.") from error


def restore(state: dict[str, Any], model: nn.Module, optimizer: Any, schedule: Any) -> int:
    """Put a state that was read where it belongs; the step to go on from, 0 for an empty state."""
    if not state:
        return 0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return int(state["step"])


def load_state(path: Path, model: nn.Module, optimizer: Any, schedule: Any) -> int:
    """Restore a run, if there is one; the step to go on from, 0 for a fresh start."""
    return restore(read_state(path), model, optimizer, schedule)


class Progress:
    """Averages of what was added since the last report, with time spent and left of a run from `start` to `total`."""

    def __init__(self, path: Path, start: int, total: int) -> None:
        self.path, self.start, self.total = path, float(start), total
        self.started = self.begun = time.monotonic()
        self.values: dict[str, list[float]] = defaultdict(list)

    def add(self, **values: float) -> None:
        """Add one step's figures."""
        for name, value in values.items():
            self.values[name].append(value)

    def report(self, step: int, **extra: Any) -> dict[str, Any]:
        """Write and print the averages at `step` and start anew; raises UserError when the disk is full."""
        seconds = time.monotonic() - self.started
        pace = (time.monotonic() - self.begun) / (step - self.start) if step > self.start else 0.0
        left = pace * (self.total - step)
        means = {name: sum(values) / len(values) for name, values in self.values.items()}
        row = {"step": step, "of": self.total, **means, **extra, "seconds": round(seconds, 1), "seconds_left": round(left)}
        self._write(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        self.values.clear()
        return row

    def _write(self, row: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
        except OSError as error:
            raise UserError(f"{self.path} could not be written ({error.strerror}); make room and run the same again.") from error


class Journal(Progress):
    """Progress by epochs, with lines in between, TensorBoard files in the log's folder, and time counted over restarts.

    A run of `total` epochs of `steps` batches goes on from batch `step` of `epoch`, both counted from 0; `earlier` is what
    `kept` gave, empty for a fresh run. Rows after `epoch`, which will be written again, are taken out of the log.
    """

    def __init__(self, path: Path, epoch: int, step: int, total: int, steps: int, earlier: dict[str, Any]) -> None:
        super().__init__(path, epoch, total)
        self.start, self.steps = epoch + min(1.0, step / steps), steps
        self.values.update(earlier.get("values", {}))
        self.seconds_before = float(earlier.get("seconds", 0.0))
        self.started -= self.seconds_before
        self.spoke = self.begun
        self.clips = 0
        self.board = _tensorboard(path.parent, epoch * steps + step)
        _drop_rows_after(path, epoch)

    def kept(self) -> dict[str, Any]:
        """What a run needs to go on with the same log."""
        return {"values": dict(self.values), "seconds": time.monotonic() - self.started}

    def step(self, epoch: int, batch: int, clips: int, rate: float, loss: float) -> None:
        """One batch of a running epoch is done, counted from 0, with so many clips at this learning rate."""
        self.add(loss=loss)
        self.clips += clips
        if self.board:
            for name, value in (("loss", loss), ("learning rate", rate), ("clips a second", self.clips_per_second())):
                self.board.add_scalar(f"training/{name}", value, epoch * self.steps + batch)
        if time.monotonic() - self.spoke >= SPEAK_EVERY_S:
            self.spoke = time.monotonic()
            print(self.line(epoch, batch, loss), file=sys.stderr, flush=True)

    def clips_per_second(self) -> float:
        """Since this process began."""
        return self.clips / max(time.monotonic() - self.begun, 1e-9)

    def line(self, epoch: int, batch: int, loss: float) -> str:
        """Where the run is, how fast, and how long it will still take."""
        done = epoch + min(1.0, (batch + 1) / self.steps)
        left_s = (time.monotonic() - self.begun) / max(done - self.start, 1e-9) * (self.total - done)
        place = f"epoch {epoch + 1}/{self.total}, batch {batch + 1}/{self.steps}"
        return f"{place}, loss {loss:.4f}, {self.clips_per_second():.1f} clips/s, {left_s / 60:.0f} min left"

    def end_epoch(self, epoch: int, **figures: float) -> dict[str, Any]:
        """The report after an epoch, counted from 0."""
        row = self.report(epoch + 1, **figures, clips_per_second=round(self.clips_per_second(), 1))
        if self.board:
            for name, value in figures.items():
                self.board.add_scalar(f"validation/{name}", value, epoch + 1)
            self.board.flush()
        return row


def _tensorboard(folder: Path, step: int) -> Any:
    """A writer of TensorBoard files; None, said in one line, where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("TensorBoard is not installed, so its files are not written; log.jsonl has every epoch.", file=sys.stderr, flush=True)
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step)


def _drop_rows_after(path: Path, step: int) -> None:
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        partial = path.with_suffix(".part")
        partial.write_text("".join(kept), encoding="utf-8")
        partial.replace(path)
