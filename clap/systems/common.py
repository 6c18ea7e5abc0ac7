"""What the adapters share: clips in windows, the language check, a fingerprint of the weights, what a package may raise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path, PosixPath
from pickle import UnpicklingError
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from clap.audio import SAMPLE_RATE_HZ
from clap.errors import UserError
from clap.languages import get_language
from clap.model.batching import equal_length_batches
from clap.model.interop import read_pickle
from clap.weights import fingerprint

if TYPE_CHECKING:
    from torch import Tensor, nn

TEXT_BATCH_TOKENS = 4096
INSTALL = "pip install -r requirements-extras.txt"
UNREADABLE = (OSError, ValueError, RuntimeError, LookupError, TypeError, EOFError, UnpicklingError)
"""What packages raise for weights that are missing, cannot be fetched, are cut short or belong to something else."""


class Adapter(ABC):
    """A system's model as an Encoder; `truncated` counts captions cut at its length since it was made.

    A subclass gives `title`, `languages` (FLORES-200 codes), `max_tokens` and the two methods that end the class. `rate_hz`
    is the sample rate it takes, `window_seconds` the longest stretch that it takes whole (None: any). A longer clip is cut into
    consecutive windows, each embedded as if it were a clip, and their vectors are averaged by duration and re-normalised.
    """

    title: str
    languages: tuple[str, ...]
    max_tokens: int

    def __init__(self, name: str, model: nn.Module, dim: int, rate_hz: int, window_seconds: float | None) -> None:
        self.name, self.model, self.dim = name, model.eval(), dim
        self.rate_hz, self.window_seconds = rate_hz, window_seconds
        self.fingerprint = fingerprint(model)
        self.truncated = 0

    def embed_audio(self, waveforms: Sequence[np.ndarray]) -> np.ndarray:
        """Waveforms, each mono float32 `(T,)` at 16 kHz -> `(N, D)` float32 of unit norm, each encoded on its own."""
        import torch

        rows = np.zeros((len(waveforms), self.dim), np.float32)
        with torch.inference_mode():
            for row, waveform in zip(rows, waveforms, strict=True):
                row[:] = self._embed_clip(np.asarray(waveform, np.float32))
        return rows

    def embed_text(self, captions: Sequence[str], language: str) -> np.ndarray:
        """Captions of one language, as they are written -> `(N, D)` float32 of unit norm; UserError for a language not in `languages`."""
        import torch

        self._require(language)
        if not captions:
            return np.zeros((0, self.dim), np.float32)
        with torch.inference_mode():
            return unit(self.embed_captions(captions, language).float().numpy())

    def _require(self, language: str) -> None:
        if language not in self.languages:
            known = ", ".join(f"{get_language(code).name} ({code})" for code in self.languages)
            wanted = get_language(language).name
            raise UserError(f"{self.title} knows {known} only, not {wanted} ({language}); choose another checkpoint.")

    def _embed_clip(self, waveform: np.ndarray) -> np.ndarray:
        step = round(self.window_seconds * SAMPLE_RATE_HZ) if self.window_seconds else len(waveform)
        windows = [waveform[start : start + step] for start in range(0, len(waveform), step)]
        vectors = [unit(self.embed_window(resampled(window, self.rate_hz)).float().numpy()) for window in windows]
        return unit(np.average(vectors, axis=0, weights=[len(window) for window in windows]))

    def _embed_tokens(self, rows: Sequence[list[int]], encode: Callable[[dict[str, Tensor]], Tensor]) -> Tensor:
        """Token ids of each caption, cut to `max_tokens` with their last token kept, through a transformers model -> `(N, D)`."""
        import torch

        self.truncated += sum(len(row) > self.max_tokens for row in rows)
        cut = [row if len(row) <= self.max_tokens else [*row[: self.max_tokens - 1], row[-1]] for row in rows]
        vectors = torch.zeros(len(cut), self.dim)
        for batch in equal_length_batches(cut, TEXT_BATCH_TOKENS):
            ids = torch.tensor([cut[position] for position in batch])
            vectors[batch] = encode({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        return vectors

    @abstractmethod
    def embed_window(self, samples: np.ndarray) -> Tensor:
        """Samples `(T,)` at `rate_hz`, at most one window -> `(D,)`, the same each time."""

    @abstractmethod
    def embed_captions(self, captions: Sequence[str], language: str) -> Tensor:
        """Captions of a language that the system knows -> `(N, D)`, none depending on the others."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `(..., D)` scaled to unit norm."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def resampled(waveform: np.ndarray, rate_hz: int) -> np.ndarray:
    """A waveform `(T,)` of 16 kHz at `rate_hz`."""
    import torch
    from torchaudio.functional import resample

    return resample(torch.from_numpy(np.ascontiguousarray(waveform)), SAMPLE_RATE_HZ, rate_hz).numpy()


def load_package(package: str, title: str, install: str = INSTALL) -> ModuleType:
    """A system's package; raises UserError with the command that installs it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise UserError(f"{title} needs the package {package}, which cannot be imported ({error}); run {install}.") from error


def unreadable(title: str, source: str | Path, error: Exception) -> UserError:
    """One sentence for what a package raised while it loaded `source`."""
    reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
    return UserError(f"{title} cannot be loaded from {source} ({reason}); name a folder that holds it, or load it once with a network.")


def require_learned(model: nn.Module, missing: set[str], title: str, source: str | Path) -> None:
    """Raise UserError where a parameter or a running statistic is `missing` from the weights, so that chance would have filled it.

    Frozen parameters and other buffers are computed when a model is made; releases leave some out.
    """
    learned = {key for key, value in model.named_parameters() if value.requires_grad}
    learned |= {key for key, _ in model.named_buffers() if "running_" in key}
    lacking = sorted(learned & missing)
    if lacking:
        raise UserError(f"{source} lacks {len(lacking)} weights of {title}, the first {lacking[0]}; fetch it again.")


def read_checkpoint(path: Path, title: str) -> dict[str, Any]:
    """A checkpoint written by torch.save, tensors and plain data only, memory-mapped; raises UserError for anything else."""
    try:
        found = read_pickle(path, (PosixPath,))  # training configurations hold folders
    except UserError as error:
        raise UserError(f"{title} cannot be loaded: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("model"), dict):
        raise UserError(f'{path.name} is no checkpoint of {title}: it holds no weights under "model".')
    return found
