"""Embeddings are made a batch at a time, once for equal content, and kept."""

from __future__ import annotations

import numpy as np
import pytest

from clap.data.records import Clip
from eval.embeddings import Embedder


class Counting:
    """Counts what it is asked; a text's vector is the axis of its length."""

    name, fingerprint, dim, truncated = "counting", "weights", 8, 0

    def __init__(self):
        self.batches = []

    def embed_audio(self, waveforms):
        self.batches.append(len(waveforms))
        return np.eye(8, dtype=np.float32)[[int(w[0]) for w in waveforms]]

    def embed_text(self, captions, language):
        self.batches.append(len(captions))
        self.truncated += sum(len(caption) > 6 for caption in captions)
        return np.eye(8, dtype=np.float32)[[len(caption) for caption in captions]]


@pytest.fixture
def clips(tmp_path):
    for n in range(5):
        (tmp_path / f"{n}.wav").write_bytes(bytes([n]))
    return [Clip(f"c{n}", tmp_path / f"{n}.wav", "test", 1.0, "CC0") for n in range(5)]


def embedder(encoder, tmp_path, said=lambda line: None):
    return Embedder(encoder, lambda path: np.full(4, int(path.stem)), said, 2, tmp_path / "cache")


def test_batches_order_and_the_cache(clips, tmp_path):
    first = Counting()
    vectors = embedder(first, tmp_path).clips(clips)
    assert first.batches == [2, 2, 1] and vectors.argmax(axis=1).tolist() == [0, 1, 2, 3, 4]
    again = Counting()
    np.testing.assert_array_equal(embedder(again, tmp_path).clips(clips), vectors)
    assert again.batches == []
    clips[2].path.write_bytes(b"another sound")
    embedder(again, tmp_path).clips(clips)
    assert again.batches == [2, 2, 1]


def test_equal_texts_are_embedded_once_and_cut_ones_are_told_every_time(tmp_path):
    said, encoder = [], Counting()
    for _ in range(2):
        vectors = embedder(encoder, tmp_path, said.append).texts(["abc", "ab", "abc", "abcdefg"], "eng_Latn")
        assert vectors.argmax(axis=1).tolist() == [3, 2, 3, 7]
    assert sum(encoder.batches) == 3
    assert sum("1 texts read as English were longer" in line for line in said) == 2
    embedder(encoder, tmp_path).texts(["abc"], "fra_Latn")
    assert sum(encoder.batches) == 4


def test_a_broken_cache_is_made_again(tmp_path):
    said, encoder = [], Counting()
    embedder(encoder, tmp_path).texts(["abc"], "eng_Latn")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:40])
    assert embedder(encoder, tmp_path, said.append).texts(["abc"], "eng_Latn").argmax() == 3
    assert "embedding again" in said[0] and encoder.batches == [1, 1]
    assert len(list((tmp_path / "cache").iterdir())) == 1
