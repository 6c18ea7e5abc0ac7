"""A result for other people's tools: CSV, LaTeX, TREC run and qrels, and JSON in the manner of mteb."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np

from clap.data.records import Dataset
from clap.errors import UserError
from clap.languages import get_language
from eval.dashboard import tables
from eval.embeddings import Embedder
from eval.protocols import MTEB, PROTOCOLS, get_protocol, read, results_by
from eval.qrels import AUDIO_TO_TEXT, DIRECTIONS, TEXT_TO_AUDIO, short_hash
from eval.results import Result, RunRecord, write_text
from eval.retrieval import full_ranks, similarity, sorted_captions, sorted_clips

TREC_DEPTH = 1000
"""The most items that a run names for a query, as trec_eval's default has it."""


def write_csv(record: RunRecord, path: Path) -> None:
    """A row per protocol, language, direction and metric: value, interval, chance, pool size and qrels hash."""
    import pandas as pd

    rows = pd.concat([tables.tidy({record.checkpoint: record}, protocol) for protocol in PROTOCOLS.values()])
    write_text(path, rows.to_csv(index=False))


def write_latex(record: RunRecord, path: Path) -> None:
    """R@1 and mAP@10 in percent, both directions, a row per language, by the record's protocol; needs the package booktabs."""
    write_text(path, latex(record))


def latex(record: RunRecord) -> str:
    """The table of `write_latex`, with what it shows in a comment above."""
    found = {(result.language, result.direction): result for result in read(record)}
    head = ["Language"] + ["R@1", "mAP@10"] * 2
    rows = [[get_language(code).name, *_percents(found, code)] for code in record.languages]
    truth = [f"% {r.language} {r.direction}: {r.queries} queries, pool of {r.pool_size}, qrels {r.qrels}" for r in found.values()]
    return "\n".join([
        f"% {record.checkpoint} ({record.fingerprint[:16]}) on {record.dataset}, split {record.split}, protocol {record.protocol}", *truth,
        r"\begin{tabular}{lrrrr}", r"\toprule",
        r"& \multicolumn{2}{c}{Text to audio} & \multicolumn{2}{c}{Audio to text} \\", r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}",
        _line(head), r"\midrule", *map(_line, rows), r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def _percents(found: dict[tuple[str, str], Result], language: str) -> list[str]:
    return [tables.percent(found[language, d].metrics[name]) for d in (TEXT_TO_AUDIO, AUDIO_TO_TEXT) for name in ("R@1", "mAP@10")]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def write_mteb(record: RunRecord, folder: Path) -> None:
    """A file per direction with mteb's keys, scored by the protocol "mteb"; what mteb measures and we do not is null."""
    for direction in DIRECTIONS:
        write_text(_made(folder) / f"{record.dataset}-{direction}.json", json.dumps(mteb(record, direction), indent=1) + "\n")


def mteb(record: RunRecord, direction: str) -> dict:
    """One direction as a task's result: a split with a subset per language; the main score is the share of right answers in first place."""
    results = [result for result in read(record, MTEB) if result.direction == direction]
    return {
        "task_name": f"{record.dataset}-{direction}",
        "dataset_revision": short_hash((result.qrels, result.wording) for result in results),
        "mteb_version": None,
        "evaluation_time": None,
        "kg_co2_emissions": None,
        "scores": {record.split: [_subset(result) for result in results]},
    }


def _subset(result: Result) -> dict:
    tag = result.language.replace("_", "-")
    recalls = {f"recall_at_{k}": result.metrics[f"R@{k}"] for k in (1, 5, 10, 50)}
    return {"hf_subset": tag, "languages": [tag], "main_score": recalls["recall_at_1"], **recalls, "map_at_10": result.metrics["mAP@10"]}


def write_trec(record: RunRecord, folder: Path, embedder: Embedder, dataset: Dataset) -> None:
    """A run and a qrels file per language and direction, by the record's protocol.

    A record keeps the ranks of right answers only, so the rankings are made again, and refused with a UserError where they are
    not those of the record. The score counts down from the rank, because trec_eval orders by score and breaks ties its own way.
    """
    clips = sorted_clips(dataset)
    vectors = embedder.clips(clips)
    for result in results_by(record, get_protocol(record.protocol)):
        captions = [c for c in sorted_captions(dataset, result.language) if c.id in record.qrels(result.language, result.truth).clips_of]
        scores = similarity(embedder.texts([caption.text for caption in captions], result.language), vectors)
        sides = (scores, [c.id for c in captions], [c.id for c in clips])
        queries, items, ranks = _ranking(result.direction, *sides)
        relevant = record.qrels(result.language, result.truth).relevant(result.direction)
        _check_same(result, relevant, queries, items, ranks)
        name = _made(folder) / f"{record.dataset}.{result.language}.{result.direction}"
        write_text(name.with_name(f"{name.name}.run"), "".join(_run_lines(queries, items, ranks, record.checkpoint)))
        lines = (f"{field(query)} 0 {field(item)} 1\n" for query in sorted(relevant) for item in relevant[query])
        write_text(name.with_name(f"{name.name}.qrels"), "".join(lines))


def _ranking(direction: str, scores: np.ndarray, captions: list[str], clips: list[str]) -> tuple[list[str], list[str], np.ndarray]:
    """Queries, items, and `(Q, P)` ranks of one direction, from scores `(captions, clips)`."""
    queries, items, own = (captions, clips, scores) if direction == TEXT_TO_AUDIO else (clips, captions, scores.T)
    return queries, items, full_ranks(own, queries, items)


def _check_same(result: Result, relevant: dict[str, tuple[str, ...]], queries: list[str], items: list[str], ranks: np.ndarray) -> None:
    column = {item: index for index, item in enumerate(items)}
    for query, row in zip(queries, ranks, strict=True):
        if query not in result.ranks or sorted(int(row[column[item]]) for item in relevant[query]) != result.ranks[query]:
            where = f"{query!r} in {result.language} {result.direction}"
            raise UserError(f"The ranks of {where} are not those of the result; `python -m eval verify` tells more.")


def _run_lines(queries: list[str], items: list[str], ranks: np.ndarray, tag: str) -> Iterator[str]:
    for query, row in zip(queries, ranks, strict=True):
        for position in np.argsort(row)[:TREC_DEPTH]:
            yield f"{field(query)} Q0 {field(items[position])} {row[position]} {len(items) + 1 - row[position]} {field(tag)}\n"


def field(name: str) -> str:
    """A name as one field of TREC's files, which blanks separate: those, and the percent sign, percent-encoded."""
    return re.sub(r"[\s%]", lambda found: quote(found[0], safe=""), name)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"Folder {str(folder)!r} cannot be made: {error.strerror}; name one in an existing folder.") from error
    return folder
