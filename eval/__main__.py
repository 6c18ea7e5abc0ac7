"""Command line: `python -m eval run …` judges a checkpoint, `python -m eval verify FILE` recomputes a committed result."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from clap.command_line import Parser, check_destination, run
from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.qrels import DIRECTIONS
from eval.results import Result, RunRecord, load, save

SHOWN_DIFFERENCES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 when a verification differs, 2 for what the caller got wrong."""
    return run(_parser(), lambda options: options.command(options), arguments)


def _parser() -> Parser:
    parser = Parser(prog="python -m eval", description="Judge a checkpoint by retrieval, in both directions and each language.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    judge = commands.add_parser("run", help="judge a checkpoint on a data set and write the result")
    judge.add_argument("--checkpoint", required=True, metavar="NAME", help="as listed by `python -m clap checkpoints`")
    judge.add_argument("--dataset", required=True, metavar="NAME", help="such as gallery-test")
    judge.add_argument("--languages", nargs="+", metavar="CODE", help=f"of {', '.join(CODES)}; all that the data set has by default")
    judge.add_argument("--out", required=True, type=Path, metavar="FILE", help="the result, as JSON")
    judge.set_defaults(command=_run)
    verify = commands.add_parser("verify", help="recompute a result and compare the rank of every query")
    verify.add_argument("file", type=Path, metavar="FILE")
    verify.set_defaults(command=_verify)
    table = commands.add_parser("table", help="print results as a Markdown table a direction, in percent with 95 % intervals")
    table.add_argument("files", nargs="+", type=Path, metavar="FILE")
    table.set_defaults(command=_table)
    return parser


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _evaluate(checkpoint: str, dataset_name: str, languages: Sequence[str] | None) -> RunRecord:
    from clap.data.datasets import load_dataset

    dataset = load_dataset(dataset_name)
    from clap.audio import load as load_waveform
    from clap.checkpoints import load_encoder
    from eval.retrieval import evaluate, languages_of

    return evaluate(load_encoder(checkpoint), dataset, languages or languages_of(dataset), load_waveform, _report)


def _run(options: argparse.Namespace) -> int:
    """Writes the record to --out and prints one JSON object a line: language, direction, pool size, queries and metrics."""
    languages = list(dict.fromkeys(get_language(code).code for code in options.languages or ()))
    check_destination(options.out)
    record = _evaluate(options.checkpoint, options.dataset, languages)
    save(record, options.out)
    for result in record.results:
        print(json.dumps(_summary(record, result)))
    return 0


def _summary(record: RunRecord, result: Result) -> dict:
    rounded = {name: round(value, 4) for name, value in result.metrics.items()}
    where = {"checkpoint": record.checkpoint, "dataset": record.dataset, "language": result.language, "direction": result.direction}
    return {**where, "pool_size": result.pool_size, "queries": result.queries, **rounded}


def _table(options: argparse.Namespace) -> int:
    """Prints the tables of the dashboard as Markdown; results that may not be compared are refused with the reason."""
    found = [load(file) for file in options.files]
    records = {record.checkpoint: record for record in found}
    if len(records) < len(found):
        raise UserError("Two of the files are of one checkpoint; give one file for each.")
    print("\n\n".join(markdown(records, direction) for direction in DIRECTIONS))
    return 0


def markdown(records: dict[str, RunRecord], direction: str) -> str:
    """R@1 and mAP@10 of one direction, a row per language; raises UserError when the records' pools differ."""
    from eval.dashboard import tables

    rows = tables.choose(tables.tidy(records), direction, list(records))
    refused = tables.refusal(rows)
    if refused:
        raise UserError(refused)
    shown = tables.readable(records, rows, direction, ("R@1", "mAP@10")).set_index("language")
    head = [direction.replace("_", " ").capitalize(), *shown.columns]
    lines = [[get_language(code).name, *cells] for code, *cells in shown.itertuples()]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def differences(committed: RunRecord, fresh: RunRecord) -> list[str]:
    """One sentence for each thing in which two records of one run differ; times and code versions do not count."""
    told = [
        f"{name}: {getattr(committed, name)!r} in the file, {getattr(fresh, name)!r} now"
        for name in ("fingerprint", "split", "protocol")
        if getattr(committed, name) != getattr(fresh, name)
    ]
    now = {(result.language, result.direction): result for result in fresh.results}
    for result in committed.results:
        told += _rank_differences(result, now[result.language, result.direction])
    return told


def _rank_differences(old: Result, new: Result) -> list[str]:
    where = f"{old.language} {old.direction}"
    if old.qrels != new.qrels:
        return [f"{where}: the ground truth changed, qrels {old.qrels} in the file, {new.qrels} now"]
    return [f"{where} {query}: ranks {old.ranks[query]} in the file, {new.ranks[query]} now"
            for query in sorted(old.ranks) if old.ranks[query] != new.ranks[query]]  # fmt: skip


def _verify(options: argparse.Namespace) -> int:
    committed = load(options.file)
    found = differences(committed, _evaluate(committed.checkpoint, committed.dataset, list(committed.captions)))
    queries = sum(result.queries for result in committed.results)
    if not found:
        print(f"{options.file.name}: the ranks of all {queries} queries are the same.")
        return 0
    for line in found[:SHOWN_DIFFERENCES]:
        print(line)
    print(f"{options.file.name}: {len(found)} differences in {queries} queries.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
