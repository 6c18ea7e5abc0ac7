"""Audio files and recordings as waveforms: mono float32 `(T,)` at 16 kHz. Importing this module loads no torch."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np

from clap.errors import UserError

SAMPLE_RATE_HZ = 16_000
HOP = 160
"""Samples from one spectrogram frame to the next: 10 ms."""
MIN_SECONDS = 0.1
MAX_SECONDS = 3600
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000
RATE_STEP_HZ = 25
"""Rates are rounded to this, 0.16 % at 8 kHz: the resampling kernel of a rate that shares no factor with 16 kHz fills gigabytes."""
BLOCK_SECONDS = 60
LOUDEST = 1e6
"""Beyond it the power spectrum overflows; full scale is 1."""
SILENCE = 1e-4
"""A clip whose every sample lies below this (-80 dBFS) is silent."""
FFMPEG_FORMATS = "aac,ac3,aiff,amr,ape,asf,au,avi,caf,flac,flv,m4a,matroska,mov,mp3,mp4,mpeg,mpegts,ogg,tta,w64,wav,webm,wv"
"""No playlists: those would have ffmpeg open other files than the one given."""
FFMPEG_SECONDS = 120


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
            _refuse_rate(file.samplerate, path.name)
            _refuse_length(file.frames / file.samplerate, path.name, max_seconds)
            blocks = file.blocks(BLOCK_SECONDS * SAMPLE_RATE_HZ, dtype="float32", always_2d=True)
            return np.concatenate([block.mean(axis=1) for block in blocks]), file.samplerate
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name such as "a.raw", for which soundfile wants to be told the format
        return _read_with_ffmpeg(path, max_seconds)


def _read_with_ffmpeg(path: Path, max_seconds: float) -> tuple[np.ndarray, int]:
    import soundfile

    if not path.stat().st_size:
        raise UserError(f"{path.name} is an empty file.")
    if shutil.which("ffmpeg") is None:
        raise UserError(f"{path.name} is not a WAV, FLAC, MP3 or OGG file; for other formats install ffmpeg.")
    refuse = ["-protocol_whitelist", "file", "-format_whitelist", FFMPEG_FORMATS]
    command = ["ffmpeg", "-v", "error", "-nostdin", *refuse, "-i", f"file:{path}", "-vn", "-t", str(max_seconds + 1),
               "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "wav", "-c:a", "pcm_s16le", "-"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=FFMPEG_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{path.name} takes longer than {FFMPEG_SECONDS // 60} minutes to read; convert it to WAV first.") from error
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


def _refuse_rate(rate_hz: int, name: str) -> None:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise UserError(f"{name} has a sample rate of {rate_hz} Hz; from {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be read.")


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
    _refuse_rate(rate_hz, name)
    _refuse_length(len(samples) / rate_hz, name, max_seconds)
    if np.issubdtype(samples.dtype, np.integer):
        samples = _full_scale(samples)
    waveform = samples.astype(np.float32)
    waveform = waveform.mean(axis=1) if waveform.ndim == 2 else waveform
    if not np.isfinite(waveform).all():
        raise UserError(f"{name} holds samples that are not numbers; record or convert it again.")
    if np.abs(waveform).max() > LOUDEST:
        raise UserError(f"{name} holds samples above {LOUDEST:g}, full scale being 1; record or convert it again.")
    return _resample(np.ascontiguousarray(waveform), RATE_STEP_HZ * round(rate_hz / RATE_STEP_HZ))


def _full_scale(samples: np.ndarray) -> np.ndarray:
    """Integers, signed or not, as floats from -1 to 1."""
    info = np.iinfo(samples.dtype)
    middle = np.float32((info.max + info.min + 1) // 2)
    return (samples - middle) / (info.max - middle)


def _resample(waveform: np.ndarray, rate_hz: int) -> np.ndarray:
    """A waveform at `rate_hz`, at 16 kHz, block by block: with a second of its neighbours, each is as in the whole."""
    if rate_hz == SAMPLE_RATE_HZ:
        return waveform
    import torch
    from torchaudio.functional import resample

    pieces = []
    for start in range(0, len(waveform), BLOCK_SECONDS * rate_hz):
        stretch = waveform[max(0, start - rate_hz) : start + (BLOCK_SECONDS + 1) * rate_hz]
        piece = resample(torch.from_numpy(stretch), rate_hz, SAMPLE_RATE_HZ).numpy()
        pieces.append(piece[SAMPLE_RATE_HZ if start else 0 :][: BLOCK_SECONDS * SAMPLE_RATE_HZ])
    return np.concatenate(pieces)


def require_sound(waveform: np.ndarray, name: str = "The recording") -> np.ndarray:
    """The waveform itself, unless it is silent: a query must hold a sound. Raises UserError."""
    if np.abs(waveform).max() < SILENCE:
        raise UserError(f"{name} is silent; check the microphone or choose another file.")
    return waveform
