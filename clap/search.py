"""Searcher: text to clips, audio to clips and audio to captions, over one data set with one checkpoint."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clap.audio import load
from clap.cache import cache_folder
from clap.data.records import Caption, Clip, Dataset
from clap.detection import detect_language
from clap.embed import Encoder
from clap.errors import UserError
from clap.index import VectorIndex
from clap.languages import CODES, ENGLISH, get_language

MAX_QUERY_CHARACTERS = 1_000
CLIPS_PER_BATCH = 32


@dataclass(frozen=True)
class Hit:
    """One result: `rank` from 1, `score` the cosine similarity in [-1, 1], the text of a `caption` and its `language`.

    A clip without a caption in the wanted language shows an English one, and without that an empty one.
    """

    rank: int
    clip: Clip
    score: float
    caption: str
    language: str


def require_query(query: str) -> str:
    """`query` without surrounding blanks; raises UserError when it holds no words or too many characters."""
    text = query.encode("utf-8", "replace").decode("utf-8").strip()
    if len(text) > MAX_QUERY_CHARACTERS:
        raise UserError(f"A description may hold {MAX_QUERY_CHARACTERS:,} characters; this one holds {len(text):,}: please shorten it.")
    if not any(character.isalnum() for character in text):
        raise UserError("Please describe a sound in words, for example “a dog barks”.")
    return text


def query_language(query: str, language: str | None) -> str:
    """The FLORES-200 code to read `query` in: `language` when given, else the detected one."""
    return detect_language(query) if language is None else get_language(language).code


class Searcher:
    """Ranks the clips and captions of `dataset` for one `encoder`.

    `audio_embeddings` is `(clips, D)` in the data set's order; `caption_embeddings` maps a language code to `(captions
    of it, D)`. What is not given is computed once per checkpoint and data set and kept in the cache folder.
    """

    def __init__(
        self,
        encoder: Encoder,
        dataset: Dataset,
        audio_embeddings: np.ndarray | None = None,
        caption_embeddings: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.encoder = encoder
        self.dataset = dataset
        self._key = f"{dataset.name}-{dataset_hash(dataset)[:16]}-{encoder.fingerprint[:16]}"
        self._clips = self._clip_index(audio_embeddings)
        self._given = dict(caption_embeddings or {})
        self._captions: dict[str, VectorIndex] = {}
        self._first_caption = _first_captions(dataset)

    def by_text(self, query: str, language: str | None = None, top: int = 10) -> list[Hit]:
        """The clips closest to `query`, captioned in its language; `language` None means detect it."""
        text = require_query(query)
        code = query_language(text, language)
        return self._clip_hits(self.encoder.embed_text([text], code), top, code)

    def by_audio(self, waveform: np.ndarray, top: int = 10, language: str = ENGLISH) -> list[Hit]:
        """The clips that sound closest to `waveform` `(T,)`, mono float32 at 16 kHz, captioned in `language`."""
        return self._clip_hits(self.encoder.embed_audio([waveform]), top, get_language(language).code)

    def captions_for_audio(self, waveform: np.ndarray, language: str = ENGLISH, top: int = 10) -> list[Hit]:
        """The captions of `language` closest to `waveform` `(T,)`; each wording once, with the clip it was written for."""
        return self._caption_hits(self.encoder.embed_audio([waveform]), top, get_language(language).code)

    def clips_and_captions(self, waveform: np.ndarray, top: int = 10, language: str = ENGLISH) -> tuple[list[Hit], list[Hit]]:
        """What `by_audio` and `captions_for_audio` answer, for one run of the audio encoder."""
        vector, code = self.encoder.embed_audio([waveform]), get_language(language).code
        return self._clip_hits(vector, top, code), self._caption_hits(vector, top, code)

    def knows(self, language: str) -> bool:
        """Whether the encoder reads a language; one that names no `languages` reads all eight."""
        return language in getattr(self.encoder, "languages", CODES)

    def prepare(self) -> None:
        """Embed, or read from the cache, the captions of every language the encoder knows, so that no visitor waits for it."""
        for language in CODES:
            if self.knows(language) and self.dataset.captions_in(language):
                self.caption_index(language)

    def caption_index(self, language: str) -> VectorIndex:
        """The index over the captions of one language; made on first use."""
        if language not in self._captions:
            captions = self.dataset.captions_in(language)
            if not captions:
                raise UserError(f"Data set {self.dataset.name!r} has no captions in {get_language(language).name}.")
            given = self._given.get(language)
            names, texts = [caption.id for caption in captions], [caption.text for caption in captions]
            self._captions[language] = self._index(names, given, language, lambda: self.encoder.embed_text(texts, language))
        return self._captions[language]

    def _clip_index(self, embeddings: np.ndarray | None) -> VectorIndex:
        return self._index([clip.id for clip in self.dataset.clips], embeddings, "clips", lambda: embed_clips(self.encoder, self.dataset))

    def _index(self, names: list[str], given: np.ndarray | None, part: str, compute: Callable[[], np.ndarray]) -> VectorIndex:
        if given is not None:
            return VectorIndex(names, given, self.encoder.name, self.encoder.fingerprint)
        return _cached(cache_folder() / f"{self._key}-{part}.npz", self.encoder, names, compute)

    def _clip_hits(self, vectors: np.ndarray, top: int, language: str) -> list[Hit]:
        names, scores = self._clips.search(vectors, top)
        pairs = enumerate(zip(names[0], scores[0]), 1)
        return [_hit(rank, self.dataset.clip(name), float(score), self._caption_of(name, language)) for rank, (name, score) in pairs]

    def _caption_hits(self, vector: np.ndarray, top: int, language: str) -> list[Hit]:
        index = self.caption_index(language)
        by_id = {caption.id: caption for caption in self.dataset.captions_in(language)}
        names, scores = index.search(vector, len(index))
        wordings: dict[str, tuple[Caption, float]] = {}
        for name, score in zip(names[0], scores[0]):
            wordings.setdefault(by_id[name].text, (by_id[name], float(score)))
        best = list(wordings.values())[:top]
        return [_hit(rank, self.dataset.clip(caption.clip), score, caption) for rank, (caption, score) in enumerate(best, 1)]

    def _caption_of(self, clip: str, language: str) -> Caption | None:
        return self._first_caption.get((clip, language)) or self._first_caption.get((clip, ENGLISH))


def embed_clips(encoder: Encoder, dataset: Dataset) -> np.ndarray:
    """`(clips, D)` embeddings of all clips of `dataset`, read from their files a batch at a time."""
    parts = []
    for start in range(0, len(dataset.clips), CLIPS_PER_BATCH):
        batch = dataset.clips[start : start + CLIPS_PER_BATCH]
        parts.append(encoder.embed_audio([load(clip.path) for clip in batch]))
    return np.concatenate(parts)


def dataset_hash(dataset: Dataset) -> str:
    """SHA-256 over the clips' ids and bytes and the captions' ids, languages and texts, in order."""
    digest = hashlib.sha256()
    for clip in dataset.clips:
        digest.update(f"{clip.id}\0{hashlib.sha256(clip.path.read_bytes()).hexdigest()}\n".encode())
    for caption in dataset.captions:
        digest.update(f"{caption.id}\0{caption.language}\0{caption.text}\n".encode())
    return digest.hexdigest()


def _hit(rank: int, clip: Clip, score: float, caption: Caption | None) -> Hit:
    return Hit(rank, clip, score, caption.text if caption else "", caption.language if caption else ENGLISH)


def _first_captions(dataset: Dataset) -> dict[tuple[str, str], Caption]:
    return {(caption.clip, caption.language): caption for caption in reversed(dataset.captions)}


def _cached(path: Path, encoder: Encoder, names: list[str], compute: Callable[[], np.ndarray]) -> VectorIndex:
    if path.exists():
        try:
            return VectorIndex.load(path, encoder)
        except UserError as error:
            print(f"{error} Making it again.", file=sys.stderr)
    index = VectorIndex(names, compute(), encoder.name, encoder.fingerprint)
    try:
        index.save(path)
    except OSError as error:
        print(f"Embeddings are not kept for the next start: {error}.", file=sys.stderr)
    return index
