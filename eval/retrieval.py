"""Judge an Encoder on a data set: embed each clip once, each caption in its language, and rank exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

import clap
from clap.data.records import Caption, Clip, Dataset
from clap.embed import Encoder
from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.embeddings import Embedder, LoadWaveform, Report, silent
from eval.metrics import rank_all, summarize
from eval.protocols import PAPER, suitable
from eval.qrels import AUDIO_TO_TEXT, CAPTIONS, TEXT_TO_AUDIO, TEXTS, Groups, Qrels, groups_of, wording
from eval.results import Result, RunRecord


def evaluate(
    encoder: Encoder,
    dataset: Dataset,
    languages: Sequence[str],
    load_waveform: LoadWaveform,
    report: Report = silent,
    doctor: Mapping[str, Any] | None = None,
) -> RunRecord:
    """`judge` with an Embedder that keeps nothing."""
    return judge(Embedder(encoder, load_waveform, report), dataset, languages, doctor)


def judge(embedder: Embedder, dataset: Dataset, languages: Sequence[str], doctor: Mapping[str, Any] | None = None) -> RunRecord:
    """Rank every caption against every clip and the reverse, in each language; and every text once where captions share one.

    Captions go to the encoder as written; `doctor` is the diagnosis to record with the result. Raises UserError for a
    language without captions, a clip without a caption in a language, an empty caption, and vectors that are not finite and
    of unit norm.
    """
    qrels = {language: checked_qrels(dataset, language) for language in languages}
    groups = {language: groups_of(dataset.captions_in(language)) for language in languages}
    clips = sorted_clips(dataset)
    clip_vectors = embedder.clips(clips)
    results: list[Result] = []
    for language in languages:
        results += _judge(embedder, dataset, qrels[language], groups[language], language, clip_vectors)
    return RunRecord(
        checkpoint=embedder.encoder.name,
        fingerprint=embedder.encoder.fingerprint,
        dataset=dataset.name,
        split="+".join(sorted({clip.split for clip in clips})),
        protocol=next((suitable(qrels[code].grouped(groups[code])) for code in languages), PAPER).name,
        code_version=clap.__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        doctor=doctor,
        captions={language: dict(q.captions) for language, q in qrels.items()},
        groups={language: found for language, found in groups.items() if found},
        results=tuple(results),
    )


def sorted_clips(dataset: Dataset) -> list[Clip]:
    """The clips in order of id: that of every row of vectors and of scores."""
    return sorted(dataset.clips, key=lambda clip: clip.id)


def sorted_captions(dataset: Dataset, language: str) -> list[Caption]:
    """The captions of a language in order of id."""
    return sorted(dataset.captions_in(language), key=lambda caption: caption.id)


def languages_of(dataset: Dataset) -> list[str]:
    """The languages that the data set has captions in, in the order of clap.languages."""
    present = {caption.language for caption in dataset.captions}
    return [code for code in CODES if code in present]


def checked_qrels(dataset: Dataset, language: str) -> Qrels:
    """The qrels of a language; UserError, naming data set and language, for captions that are missing or empty."""
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


def _judge(embedder: Embedder, dataset: Dataset, qrels: Qrels, groups: Groups, language: str, clip_vectors: np.ndarray) -> list[Result]:
    """Both directions of one language, from the vectors `(C, D)` of the clips in the order of their ids."""
    captions = sorted_captions(dataset, language)
    scores = similarity(embedder.texts([caption.text for caption in captions], language), clip_vectors)
    ids, said = [caption.id for caption in captions], wording(captions)
    provenance = tuple(sorted({caption.provenance for caption in captions}))
    results = []
    for truth, own in {CAPTIONS: qrels, **({TEXTS: qrels.grouped(groups)} if groups else {})}.items():
        for direction, ranks in ranks_of(scores, ids, own).items():
            found = (own.pool_size(direction), len(ranks), own.hash, said, summarize(ranks), ranks)
            results.append(Result(language, direction, truth, provenance, *found))
    return results


def ranks_of(scores: np.ndarray, captions: Sequence[str], qrels: Qrels) -> dict[str, dict[str, list[int]]]:
    """Direction -> query -> ranks, from the scores `(Q, C)` of `captions` against the clips in order of id.

    Captions that `qrels` does not know, because another says the same text for them, take no part.
    """
    rows = [row for row, caption in enumerate(captions) if caption in qrels.clips_of]
    queries, clips, scores = [captions[row] for row in rows], sorted(qrels.captions), scores[rows]
    return {
        TEXT_TO_AUDIO: rank_all(scores, queries, clips, qrels.relevant(TEXT_TO_AUDIO)),
        AUDIO_TO_TEXT: rank_all(scores.T, clips, queries, qrels.relevant(AUDIO_TO_TEXT)),
    }


def similarity(captions: np.ndarray, clips: np.ndarray) -> np.ndarray:
    """Cosine of unit vectors, `(Q, D)` and `(C, D)` -> `(Q, C)` float32.

    Summed in float64 and rounded to float32, so that equal vectors tie wherever they stand in the matrix.
    """
    return (captions.astype(np.float64) @ clips.astype(np.float64).T).astype(np.float32)


def full_ranks(scores: np.ndarray, queries: Sequence[str], items: Sequence[str]) -> np.ndarray:
    """`(Q, P)` 1-based ranks of every item for every query, from `scores` `(Q, P)`, by the tie rule of eval.metrics."""
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, len(items) + 1)[None, :], axis=1)
    for query, row, own in zip(queries, scores, ranks, strict=True):
        _, score_of, counts = np.unique(row, return_inverse=True, return_counts=True)
        for item in np.flatnonzero(counts[score_of] > 1):
            own[item] = rank_all(row[None], [query], items, {query: (items[item],)})[query][0]
    return ranks
