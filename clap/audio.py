"""Audio files and recordings as waveforms: mono float32 `(T,)` at 16 kHz. Importing this module loads no torch."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np

from clap.errors import UserError

SAMPLE_RATE_HZ = 16_000
MIN_SECONDS = 0.1
MAX_SECONDS = 3600
SILENCE = 1e-4
"""A clip whose every sample lies below this (-80 dBFS) is silent."""


def load(path: Path | str, max_seconds: float = MAX_SECONDS) -> np.ndarray:
    """Read an audio file; WAV, FLAC, MP3 and OGG through libsndfile, what it does not know through ffmpeg where installed.

    Raises UserError, one sentence, for a missing file, one that is not audio, an empty, too short or too long one, and
    for samples that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path.name}.")
    samples, rate = _read(path, max_seconds)
    return from_samples(samples, rate, path.name, max_seconds)


def _read(path: Path, max_seconds: float) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            _refuse_length(file.frames / file.samplerate, path.name, max_seconds)
            return file.read(dtype="float32"), file.samplerate
    except soundfile.LibsndfileError:
        return _read_with_ffmpeg(path, max_seconds)


def _read_with_ffmpeg(path: Path, max_seconds: float) -> tuple[np.ndarray, int]:
    import soundfile

    if not path.stat().st_size:
        raise UserError(f"{path.name} is an empty file.")
    if shutil.which("ffmpeg") is None:
        raise UserError(f"{path.name} is not a WAV, FLAC, MP3 or OGG file; for other formats install ffmpeg.")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-protocol_whitelist", "file", "-i", f"file:{path}", "-vn",
               "-t", str(max_seconds + 1), "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "wav", "-c:a", "pcm_s16le", "-"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or len(done.stdout) <= 44:
        raise UserError(f"{path.name} holds no audio that can be read; use WAV, FLAC, MP3, OGG, M4A or WebM.")
    return soundfile.read(io.BytesIO(_whole_header(done.stdout)), dtype="float32")


def _whole_header(wav: bytes) -> bytes:
    """A WAV from a pipe with the sizes that ffmpeg could not write there."""
    start = wav.index(b"data") + 8
    sizes = ((4, len(wav) - 8), (start - 4, len(wav) - start))
    whole = bytearray(wav)
    for position, size in sizes:
        whole[position : position + 4] = size.to_bytes(4, "little")
    return bytes(whole)


def _refuse_length(seconds: float, name: str, max_seconds: float) -> None:
    if seconds == 0:
        raise UserError(f"{name} holds no samples.")
    if seconds < MIN_SECONDS:
        raise UserError(f"{name} is {seconds * 1000:.0f} ms long; at least {MIN_SECONDS * 1000:.0f} ms are needed.")
    if seconds > max_seconds:
        raise UserError(f"{name} is {seconds / 60:.1f} minutes long; at most {max_seconds / 60:g} minutes can be read.")


def from_samples(samples: np.ndarray, rate_hz: int, name: str = "The recording", max_seconds: float = MAX_SECONDS) -> np.ndarray:
    """Samples `(T,)` or `(T, channels)`, integer or float, at any rate -> the waveform; errors as for `load`."""
    samples = np.asarray(samples)
    _refuse_length(len(samples) / rate_hz, name, max_seconds)
    if np.issubdtype(samples.dtype, np.integer):
        samples = samples / np.float32(np.iinfo(samples.dtype).max)
    waveform = samples.astype(np.float32)
    waveform = waveform.mean(axis=1) if waveform.ndim == 2 else waveform
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} holds samples that are not numbers; record or convert it again.")
    return _resample(waveform, rate_hz)


def _resample(waveform: np.ndarray, rate_hz: int) -> np.ndarray:
    if rate_hz == SAMPLE_RATE_HZ:
        return np.ascontiguousarray(waveform)
    import torch
    from torchaudio.functional import resample

    return resample(torch.from_numpy(np.ascontiguousarray(waveform)), rate_hz, SAMPLE_RATE_HZ).numpy()


def require_sound(waveform: np.ndarray, name: str = "The recording") -> np.ndarray:
    """The waveform itself, unless it is silent: a query must hold a sound. Raises UserError."""
    if np.abs(waveform).max() < SILENCE:
        raise UserError(f"{name} is silent; check the microphone or choose another file.")
    return waveform
