"""Vectors of one encoder: embedded a batch at a time, checked, and kept on disk under what they were made from."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clap.data.records import Clip
from clap.embed import Encoder
from clap.errors import UserError
from clap.languages import get_language

BATCH = 16
"""Clips or captions that an encoder is given at a time: bounds memory, changes no vector."""
REPORT_EVERY_S = 5.0

LoadWaveform = Callable[[Path], np.ndarray]
Report = Callable[[str], None]


def silent(_: str) -> None:
    """A report to nobody."""
    return None


@dataclass(frozen=True)
class Embedder:
    """Embeds clips and texts with one encoder.

    `load_waveform` turns a clip's path into mono float32 `(T,)` at 16 kHz; `report` is told of progress. With a folder in
    `cache`, vectors are kept there under the hash of the weights and of the clips' or captions' content.
    """

    encoder: Encoder
    load_waveform: LoadWaveform
    report: Report = silent
    batch: int = BATCH
    cache: Path | None = None

    def clips(self, clips: Sequence[Clip]) -> np.ndarray:
        """`(C, D)` vectors of clips, in their order."""
        return self._kept(
            "clips", lambda: _clips_key(clips), clips, lambda part: self.encoder.embed_audio([self.load_waveform(c.path) for c in part])
        )

    def texts(self, texts: Sequence[str], language: str) -> np.ndarray:
        """`(N, D)` vectors of texts under the tag of a language, as written; equal texts are embedded once."""
        unique = list(dict.fromkeys(texts))
        vectors = self._kept(
            f"texts read as {get_language(language).name}",
            lambda: _hash([language, *unique]),
            unique,
            lambda part: self.encoder.embed_text(part, language),
        )
        row = {text: index for index, text in enumerate(unique)}
        return vectors[[row[text] for text in texts]]

    def _kept(self, what: str, key: Callable[[], str], items: Sequence, embed: Callable[[Sequence], np.ndarray]) -> np.ndarray:
        path = self.cache and self.cache / f"eval-{self.encoder.fingerprint[:16]}-{key()}.npz"
        vectors, cut = (path and self._read(path)) or self._embed(what, items, embed)
        if cut:
            self.report(f"{self.encoder.name}: {cut} {what} were longer than the text encoder takes and were cut")
        if path and not path.exists():
            self._write(path, vectors, cut)
        return vectors

    def _embed(self, what: str, items: Sequence, embed: Callable[[Sequence], np.ndarray]) -> tuple[np.ndarray, int]:
        """The checked vectors of items, and how many captions the encoder cut; UserError when it breaks its contract."""
        parts, before = [], getattr(self.encoder, "truncated", 0)
        self.report(f"{self.encoder.name}: {len(items)} {what}")
        told = time.monotonic()
        for start in range(0, len(items), self.batch):
            if time.monotonic() - told > REPORT_EVERY_S:
                self.report(f"{self.encoder.name}: {start} of {len(items)} {what}")
                told = time.monotonic()
            parts.append(embed(items[start : start + self.batch]))
        vectors, name = np.concatenate(parts), self.encoder.name
        if vectors.shape != (len(items), self.encoder.dim):
            raise UserError(f"Encoder {name!r} gave vectors of shape {vectors.shape}, not {(len(items), self.encoder.dim)}.")
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
            raise UserError(f"Encoder {name!r} gave vectors that are not finite and of unit norm; its checkpoint may be broken.")
        return vectors, getattr(self.encoder, "truncated", 0) - before

    def _read(self, path: Path) -> tuple[np.ndarray, int] | None:
        if not path.exists():
            return None
        try:
            with np.load(path) as kept:
                return kept["vectors"], int(kept["cut"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            self.report(f"{path} cannot be read ({error}); embedding again.")
            path.unlink(missing_ok=True)
            return None

    def _write(self, path: Path, vectors: np.ndarray, cut: int) -> None:
        partial = path.with_suffix(".part.npz")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(partial, vectors=vectors, cut=cut)
            partial.replace(path)
        except OSError as error:
            self.report(f"Embeddings are not kept for the next run: {error}.")


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _clips_key(clips: Sequence[Clip]) -> str:
    """A hash of the clips' ids and the bytes of their files, in order."""
    return _hash([part for clip in clips for part in (clip.id, hashlib.sha256(clip.path.read_bytes()).hexdigest())])
