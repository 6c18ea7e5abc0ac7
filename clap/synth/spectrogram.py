"""Pictures of sounds: log-mel spectrograms in a grid, for looking at what was rendered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import signal

WINDOW_S, HOP_S, MELS, RANGE_DB = 0.032, 0.008, 80, 70.0
SECOND_PX = 60
"""Width in pixels of one second."""


def _mel(frequency_hz: np.ndarray | float) -> np.ndarray:
    return 2595 * np.log10(1 + np.asarray(frequency_hz) / 700)


def mel_filters(rate_hz: int, bins: int) -> np.ndarray:
    """Triangular filters (MELS, bins) from 30 Hz to half the rate (at most 16 kHz)."""
    edges = np.linspace(_mel(30), _mel(min(rate_hz / 2, 16_000)), MELS + 2)
    place = _mel(np.linspace(0, rate_hz / 2, bins))
    rise = (place - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - place) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rise, fall))


def log_mel(waveform: np.ndarray, rate_hz: int) -> np.ndarray:
    """Log-mel power in dB under its maximum, (MELS, frames) in [-RANGE_DB, 0]."""
    window = int(WINDOW_S * rate_hz)
    _, _, spectrum = signal.stft(waveform, rate_hz, nperseg=window, noverlap=window - int(HOP_S * rate_hz), nfft=2 * window)
    power = mel_filters(rate_hz, spectrum.shape[0]) @ np.abs(spectrum) ** 2
    decibel = 10 * np.log10(power + 1e-12)
    return np.clip(decibel - decibel.max(), -RANGE_DB, 0)


def picture(waveform: np.ndarray, rate_hz: int) -> Image.Image:
    """One spectrogram, low frequencies at the bottom, SECOND_PX pixels a second and 120 high."""
    level = np.flipud(1 + log_mel(waveform, rate_hz) / RANGE_DB)
    colour = np.stack([level, level**2, np.sin(np.pi * level) * 0.6 + 0.1], axis=-1)
    width = max(2, round(len(waveform) / rate_hz * SECOND_PX))
    return Image.fromarray((255 * np.clip(colour, 0, 1)).astype(np.uint8)).resize((width, 120))


def save_grid(path: Path, titled: Sequence[tuple[str, np.ndarray, int]], columns: int = 3) -> None:
    """Write a PNG with the spectrograms of (title, waveform (T,), rate in Hz)."""
    pictures = [(title, picture(waveform, rate_hz)) for title, waveform, rate_hz in titled]
    width = max(image.width for _, image in pictures) + 10
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * 145), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (title, image) in enumerate(pictures):
        corner = (number % columns * width, number // columns * 145)
        draw.text((corner[0] + 2, corner[1] + 4), title, fill="black")
        sheet.paste(image, (corner[0], corner[1] + 20))
    sheet.save(path)
