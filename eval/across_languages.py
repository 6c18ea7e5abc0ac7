"""One checkpoint across the languages of a data set: do translations find the same clips, what does a wrong tag cost, which
way of asking works. Makes, saves and reads the study that `python -m eval consistency` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import clap
from clap.data.records import Caption, Dataset
from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.consistency import clip_ranks, embedding_gap, off_diagonal_mean, overlap_matrix, rank_variance
from eval.embeddings import Embedder
from eval.metrics import summarize
from eval.protocols import DUPLICATE_AWARE, read
from eval.qrels import TEXT_TO_AUDIO, Qrels, groups_of, wording
from eval.results import write_text
from eval.retrieval import full_ranks, judge, languages_of, ranks_of, similarity, sorted_captions, sorted_clips
from eval.styles import STYLES, has_styles, style_queries

SCHEMA_VERSION = 1
SHOWN = ("R@1", "mAP@10")

Matrix = list[list[float]]


@dataclass(frozen=True)
class Study:
    """What one checkpoint makes of parallel captions, text to audio; L languages in the order of `languages`.

    - `rank_variance`: mean over the queries of the variance, over the languages, of the rank of the query's own clip.
    - `overlap`: `(L, L)` mean rank-biased overlap (p = 0.9, extrapolated) of the lists two languages get; `overlap_mean` off the diagonal.
    - `gap`: `(L, L)` distance between the means of two languages' captions, in the captions' spread; `gap_mean` off the diagonal.
    - `tags`: metric -> `(L, L)` figures of captions of the row's language embedded under the tag of the column's; duplicate-aware.
    - `styles`: style -> language -> R@1, mAP@10, number of queries, qrels hash; duplicate-aware. Empty where none can be made.
    - `clips`: clip id -> mean rank in each language, the clip that differs most first.
    - `wording`: language -> hash of its captions' texts. `doctor`: what clap.doctor found, None when it was not asked.
    """

    checkpoint: str
    fingerprint: str
    dataset: str
    split: str
    code_version: str
    created: str
    doctor: Mapping[str, Any] | None
    languages: tuple[str, ...]
    wording: Mapping[str, str]
    pool_size: int
    queries: int
    rank_variance: float
    overlap_mean: float
    overlap: Matrix
    gap_mean: float
    gap: Matrix
    tags: Mapping[str, Matrix]
    styles: Mapping[str, Mapping[str, Mapping[str, Any]]]
    clips: Mapping[str, list[float]]


def study(embedder: Embedder, dataset: Dataset, doctor: Mapping[str, Any] | None = None) -> Study:
    """Embed, rank and compare; raises UserError for fewer than two languages and for captions that are not parallel."""
    languages, clips = tuple(languages_of(dataset)), sorted_clips(dataset)
    parallel = parallel_captions(dataset, languages)
    clip_vectors = embedder.clips(clips)
    tagged = _tagged_vectors(embedder, parallel)
    vectors = np.stack([tagged[code, code] for code in languages])
    ids, owners = [clip.id for clip in clips], [caption.clip for caption in parallel[languages[0]]]
    embedder.report(f"{embedder.encoder.name}: ranking {len(owners)} queries in {len(languages)} languages")
    ranks = np.stack([full_ranks(similarity(v, clip_vectors), [c.id for c in parallel[code]], ids) for code, v in zip(languages, vectors)])
    own = ranks[:, np.arange(len(owners)), [ids.index(clip) for clip in owners]]
    overlap, gap = overlap_matrix(ranks), embedding_gap(vectors)
    return Study(
        checkpoint=embedder.encoder.name,
        fingerprint=embedder.encoder.fingerprint,
        dataset=dataset.name,
        split="+".join(sorted({clip.split for clip in clips})),
        code_version=clap.__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        doctor=doctor,
        languages=languages,
        wording={code: wording(parallel[code]) for code in languages},
        pool_size=len(clips),
        queries=len(owners),
        rank_variance=float(rank_variance(own).mean()),
        overlap_mean=off_diagonal_mean(overlap),
        overlap=overlap.tolist(),
        gap_mean=off_diagonal_mean(gap),
        gap=gap.tolist(),
        tags=_tag_matrices(dataset, parallel, tagged, clip_vectors),
        styles=style_grid(embedder, dataset, languages),
        clips=clip_ranks(own, owners),
    )


def parallel_captions(dataset: Dataset, languages: Sequence[str]) -> dict[str, list[Caption]]:
    """Language -> captions, the n-th of a clip in one language being the translation of the n-th in another.

    The order is that of the ids, clip by clip. Raises UserError when there are fewer than two languages, and for a clip
    that has more captions in one language than in another.
    """
    if len(languages) < 2:
        raise UserError(f"Consistency compares languages, and data set {dataset.name!r} has captions in {len(languages)}.")
    found = {code: sorted(sorted_captions(dataset, code), key=lambda caption: caption.clip) for code in languages}
    first = [caption.clip for caption in found[languages[0]]]
    for code in languages[1:]:
        owners = [caption.clip for caption in found[code]]
        if owners != first:
            odd = next(clip for clip in sorted({*first, *owners}) if first.count(clip) != owners.count(clip))
            names = f"{get_language(languages[0]).name} and {get_language(code).name}"
            raise UserError(f"Clip {odd!r} has not the same number of captions in {names}, so they are not translations of one another.")
    return found


def _tagged_vectors(embedder: Embedder, parallel: Mapping[str, list[Caption]]) -> dict[tuple[str, str], np.ndarray]:
    """(Language, tag) -> `(Q, D)` vectors of the captions of a language, read as another."""
    texts = {code: [caption.text for caption in captions] for code, captions in parallel.items()}
    return {(code, tag): embedder.texts(texts[code], tag) for code in parallel for tag in parallel}


def _tag_matrices(
    dataset: Dataset, parallel: Mapping[str, list[Caption]], tagged: Mapping[tuple[str, str], np.ndarray], clip_vectors: np.ndarray
) -> dict[str, Matrix]:
    figures = {}
    for (code, tag), vectors in tagged.items():
        ids = [caption.id for caption in parallel[code]]
        qrels = Qrels.of_dataset(dataset, code).grouped(groups_of(parallel[code]))
        ranks = ranks_of(similarity(vectors, clip_vectors), ids, qrels)
        figures[code, tag] = summarize(ranks[TEXT_TO_AUDIO])
    return {name: [[figures[code, tag][name] for tag in parallel] for code in parallel] for name in SHOWN}


def style_grid(embedder: Embedder, dataset: Dataset, languages: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Style -> language -> figures, text to audio and duplicate-aware; empty, and told, for a data set that tells no sounds."""
    if not has_styles(dataset):
        embedder.report(f"{dataset.name}: no styles of query, because its clips' sounds are not told or have a single caption")
        return {}
    return {style: _figures_of_style(embedder, style_queries(dataset, style), languages) for style in STYLES}


def _figures_of_style(embedder: Embedder, queries: Dataset, languages: Sequence[str]) -> dict[str, dict[str, Any]]:
    results = [r for r in read(judge(embedder, queries, languages), DUPLICATE_AWARE) if r.direction == TEXT_TO_AUDIO]
    return {r.language: {**{name: r.metrics[name] for name in SHOWN}, "queries": r.queries, "qrels": r.qrels} for r in results}


def save_study(found: Study, path: Path) -> None:
    """Write a study as JSON, through a temporary name; UserError when that is impossible."""
    rows = {"schema_version": SCHEMA_VERSION, **asdict(found)}
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}" for key, value in rows.items()]
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def load_study(path: Path) -> Study:
    """Read a study; raises UserError naming the file and the field that is missing, unknown or of another shape."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return _study(rows)
    except UserError as error:
        raise UserError(f"Study {path.name!r}: {error}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"Study {path.name!r} cannot be read ({error}); make it again with `python -m eval consistency`.") from error


def _study(rows: Any) -> Study:
    names = ["schema_version", *(f.name for f in fields(Study))]
    if not isinstance(rows, dict) or sorted(rows) != sorted(names):
        raise UserError(f"its keys must be {', '.join(names)}; make it again with `python -m eval consistency`.")
    if rows.pop("schema_version") != SCHEMA_VERSION:
        raise UserError(f"schema_version must be {SCHEMA_VERSION}; make it again with `python -m eval consistency`.")
    for name, kind in {"languages": list, "tags": dict, "styles": dict, "clips": dict}.items():
        if not isinstance(rows[name], kind):
            raise UserError(f"{name} must be of type {kind.__name__}, got {type(rows[name]).__name__}.")
    languages = tuple(rows["languages"])
    if len(languages) < 2 or set(languages) - set(CODES):
        raise UserError(f"languages must be two or more of {', '.join(CODES)}, got {', '.join(map(str, languages))}.")
    matrices = {"overlap": rows["overlap"], "gap": rows["gap"], **{f"tags.{name}": rows["tags"].get(name) for name in SHOWN}}
    for name, matrix in matrices.items():
        _check_matrix(matrix, len(languages), name)
    for name in ("rank_variance", "overlap_mean", "gap_mean"):
        _check_number(rows[name], name)
    for style, by_language in rows["styles"].items():
        for code in languages:
            for name in SHOWN:
                _check_number(by_language.get(code, {}).get(name), f"styles.{style}.{code}.{name}")
    for clip, ranks in rows["clips"].items():
        _check_row(ranks, len(languages), f"clips.{clip}")
    return Study(**{**rows, "languages": languages})


def _check_matrix(matrix: Any, size: int, where: str) -> None:
    if not isinstance(matrix, list) or len(matrix) != size:
        raise UserError(f"{where} must have a row for each of the {size} languages.")
    for number, row in enumerate(matrix):
        _check_row(row, size, f"{where}[{number}]")


def _check_row(row: Any, size: int, where: str) -> None:
    if not isinstance(row, list) or len(row) != size:
        raise UserError(f"{where} must have a number for each of the {size} languages.")
    for value in row:
        _check_number(value, where)


def _check_number(value: Any, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{where} must be a finite number, got {value!r}.")
