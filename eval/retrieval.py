"""Judge an Encoder on a data set: embed each clip once, each caption in its language, and rank exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import clap
from clap.data.records import Dataset
from clap.embed import Encoder
from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.metrics import rank_all, summarize
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO, Qrels
from eval.results import PROTOCOL, Result, RunRecord

BATCH = 16
"""Clips or captions that an encoder is given at a time: bounds memory, changes no vector."""

LoadWaveform = Callable[[Path], np.ndarray]
Report = Callable[[str], None]


def _silent(_: str) -> None:
    return None


def evaluate(
    encoder: Encoder, dataset: Dataset, languages: Sequence[str], load_waveform: LoadWaveform, report: Report = _silent
) -> RunRecord:
    """Rank every caption against every clip and the reverse, in each language.

    `load_waveform` turns a clip's path into mono float32 `(T,)` at 16 kHz; `report` is told of progress. Captions go to
    the encoder as written. Raises UserError for a language without captions, a clip without a caption in a language, an
    empty caption, and vectors that are not finite and of unit norm.
    """
    qrels = {language: _checked_qrels(dataset, language) for language in languages}
    clips = sorted(dataset.clips, key=lambda clip: clip.id)
    report(f"{encoder.name}: {len(clips)} clips")
    clip_vectors = _embed(encoder, (encoder.embed_audio([load_waveform(c.path) for c in batch]) for batch in _batches(clips)), len(clips))
    results: list[Result] = []
    before = getattr(encoder, "truncated", 0)
    for language in languages:
        report(f"{encoder.name}: captions in {get_language(language).name}")
        results += _judge(encoder, dataset, language, qrels[language], clip_vectors)
    if getattr(encoder, "truncated", 0) > before:
        report(f"{encoder.name}: {encoder.truncated - before} captions were longer than the text encoder takes and were cut")
    return RunRecord(
        checkpoint=encoder.name,
        fingerprint=encoder.fingerprint,
        dataset=dataset.name,
        split="+".join(sorted({clip.split for clip in clips})),
        protocol=PROTOCOL,
        code_version=clap.__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        captions={language: dict(q.captions) for language, q in qrels.items()},
        results=tuple(results),
    )


def languages_of(dataset: Dataset) -> list[str]:
    """The languages that the data set has captions in, in the order of clap.languages."""
    present = {caption.language for caption in dataset.captions}
    return [code for code in CODES if code in present]


def _checked_qrels(dataset: Dataset, language: str) -> Qrels:
    captions = dataset.captions_in(language)
    name = get_language(language).name
    if not captions:
        raise UserError(f"Data set {dataset.name!r} has no captions in {name}; it has {', '.join(languages_of(dataset)) or 'none'}.")
    empty = [caption.id for caption in captions if not caption.text.strip()]
    if empty:
        raise UserError(f"Data set {dataset.name!r} has empty captions in {name}, such as {empty[0]!r}; write or remove them.")
    try:
        return Qrels.of_dataset(dataset, language)
    except UserError as error:
        raise UserError(f"Data set {dataset.name!r} in {name}: {error}") from error


def _judge(encoder: Encoder, dataset: Dataset, language: str, qrels: Qrels, clip_vectors: np.ndarray) -> tuple[Result, Result]:
    """Both directions of one language, from the vectors `(C, D)` of the clips in the order of their ids."""
    captions = sorted(dataset.captions_in(language), key=lambda caption: caption.id)
    batches = _batches([caption.text for caption in captions])
    caption_vectors = _embed(encoder, (encoder.embed_text(batch, language) for batch in batches), len(captions))
    scores = similarity(caption_vectors, clip_vectors)
    provenance = tuple(sorted({caption.provenance for caption in captions}))
    caption_ids, clip_ids = [caption.id for caption in captions], sorted(qrels.captions)
    return (
        _result(language, TEXT_TO_AUDIO, provenance, qrels, rank_all(scores, caption_ids, clip_ids, qrels.relevant(TEXT_TO_AUDIO))),
        _result(language, AUDIO_TO_TEXT, provenance, qrels, rank_all(scores.T, clip_ids, caption_ids, qrels.relevant(AUDIO_TO_TEXT))),
    )


def _result(language: str, direction: str, provenance: tuple[str, ...], qrels: Qrels, ranks: dict[str, list[int]]) -> Result:
    return Result(language, direction, provenance, qrels.pool_size(direction), len(ranks), qrels.hash, summarize(ranks), ranks)


def similarity(captions: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Cosine of unit vectors, `(Q, D)` and `(C, D)` -> `(Q, C)` float32.

    Summed in float64 and rounded to float32, so that equal vectors tie wherever they stand in the matrix.
    """
    return (captions.astype(np.float64) @ clips.astype(np.float64).T).astype(np.float32)


def _batches(items: Sequence) -> Iterator[Sequence]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


def _embed(encoder: Encoder, parts: Iterable[np.ndarray], count: int) -> np.ndarray:
    """The batches' vectors as one `(count, D)` array, checked; raises UserError when an encoder breaks its contract."""
    vectors = np.concatenate(list(parts))
    if vectors.shape != (count, encoder.dim):
        raise UserError(f"Encoder {encoder.name!r} gave vectors of shape {vectors.shape}, not {(count, encoder.dim)}.")
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3):
        raise UserError(f"Encoder {encoder.name!r} gave vectors that are not finite and of unit norm; its checkpoint may be broken.")
    return vectors
