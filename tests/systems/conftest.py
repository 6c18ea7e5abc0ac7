"""What every adapter must do, asked of tiny or random models of the packages' own classes."""

import random

import numpy as np
import pytest

from clap.embed import Encoder
from clap.languages import ENGLISH

CAPTIONS = ["a dog barks", "rain", "rain falls while a dog barks and a bell rings"]


def noise(seconds: float, seed: int) -> np.ndarray:
    """White noise of 16 kHz with a loudness that changes."""
    count = round(16_000 * seconds)
    return (np.random.default_rng(seed).normal(size=count) * np.linspace(0.02, 0.2, count)).astype(np.float32)


def seed_all(seed: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def assert_unit(vectors, count: int, dim: int) -> None:
    assert vectors.shape == (count, dim) and vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def check_audio(encoder, long_seconds: float) -> None:
    """Shapes, no chance, no dependence on the batch, nothing equal that sounds different."""
    clips = [noise(0.1, 1), noise(long_seconds, 2), noise(1.7, 3)]
    seed_all(1)
    together = encoder.embed_audio(clips)
    seed_all(2)
    assert np.array_equal(encoder.embed_audio(clips), together)
    assert_unit(together, len(clips), encoder.dim)
    alone = np.concatenate([encoder.embed_audio([clip]) for clip in clips])
    assert np.array_equal(alone, together)
    assert np.unique(together.round(5), axis=0).shape == together.shape
    assert encoder.embed_audio([]).shape == (0, encoder.dim)


def check_text(encoder, language: str = ENGLISH) -> None:
    """As for audio; equal up to the order of additions."""
    together = encoder.embed_text(CAPTIONS, language)
    assert_unit(together, len(CAPTIONS), encoder.dim)
    alone = np.concatenate([encoder.embed_text([caption], language) for caption in CAPTIONS])
    assert np.allclose(alone, together, atol=1e-6) and np.allclose(encoder.embed_text(CAPTIONS[::-1], language), together[::-1], atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-4
    assert encoder.embed_text([], language).shape == (0, encoder.dim)
    assert encoder.truncated == 0


def check_windows(encoder) -> None:
    """A clip of a window and a quarter is four parts its first window and one part the rest; a sample more changes next to nothing."""
    whole, step = noise(encoder.window_seconds * 1.25, 5), round(16_000 * encoder.window_seconds)
    first, rest = encoder.embed_audio([whole[:step], whole[step:]])
    mean = 0.8 * first + 0.2 * rest
    assert np.allclose(encoder.embed_audio([whole])[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert not np.allclose(first, rest, atol=1e-4)
    barely = encoder.embed_audio([whole[: step + 1]])[0]
    assert np.allclose(barely, first, atol=1e-4)


def check_encoder(encoder, name: str, long_seconds: float) -> None:
    """Everything above that holds for each system."""
    assert isinstance(encoder, Encoder) and encoder.name == name and len(encoder.fingerprint) == 64
    check_audio(encoder, long_seconds)
    check_text(encoder)


@pytest.fixture
def checks():
    """The checks above."""
    from types import SimpleNamespace

    return SimpleNamespace(encoder=check_encoder, windows=check_windows, text=check_text, noise=noise)
