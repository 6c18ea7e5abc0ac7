"""Command line: `python -m eval run | consistency | verify | table | compare | export`; results are JSON (eval.results)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clap.cache import cache_folder
from clap.command_line import Parser, check_destination, positive, run
from clap.data.records import Dataset
from clap.errors import UserError
from clap.languages import CODES, get_language
from eval.embeddings import BATCH, Embedder
from eval.protocols import PROTOCOLS, Protocol, get_protocol, read
from eval.qrels import DIRECTIONS
from eval.results import Result, RunRecord, load, load_for_table, save
from eval.verify import differences, result_files

if TYPE_CHECKING:
    from clap.embed import Encoder

FORMATS = ("csv", "latex", "trec", "mteb")
SHOWN_DIFFERENCES = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 when a verification differs, 2 for what the caller got wrong."""
    return run(_parser(), lambda options: options.command(options), arguments)


def _parser() -> Parser:
    parser = Parser(prog="python -m eval", description="Judge a checkpoint by retrieval, in both directions and each language.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    judge = _judging(commands, "run", "judge a checkpoint on a data set and write the result")
    judge.add_argument("--languages", nargs="+", metavar="CODE", help=f"of {', '.join(CODES)}; all that the data set has by default")
    judge.set_defaults(command=_run)
    across = _judging(commands, "consistency", "compare the languages of one checkpoint: ranks, tags, styles of query")
    across.set_defaults(command=_consistency)
    verify = commands.add_parser("verify", help="recompute results, one's own or somebody's, and say what differs")
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="results, or folders of them")
    _add_data(verify)
    verify.set_defaults(command=_verify)
    table = commands.add_parser("table", help="print results as a Markdown table a direction, in percent with 95 %% intervals")
    table.add_argument("files", nargs="+", type=Path, metavar="FILE")
    table.add_argument("--protocol", choices=tuple(PROTOCOLS), help="how to read the ranks; the results' own by default")
    table.set_defaults(command=_table)
    contest = commands.add_parser("compare", help="paired tests of two checkpoints, per language and direction, with Holm's correction")
    contest.add_argument("first", type=Path, metavar="FILE")
    contest.add_argument("second", type=Path, metavar="FILE")
    contest.add_argument("--protocol", choices=tuple(PROTOCOLS), help="how to read the ranks; the results' own by default")
    contest.add_argument("--json", action="store_true", help="one JSON object a line, with intervals, p-values and effect sizes")
    contest.set_defaults(command=_compare)
    export = commands.add_parser("export", help="write a result for other tools")
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument("--format", required=True, choices=FORMATS, help="trec and mteb write a folder; trec makes the rankings again")
    export.add_argument("--out", required=True, type=Path, metavar="PATH")
    _add_data(export)
    export.set_defaults(command=_export)
    return parser


def _judging(commands: argparse._SubParsersAction, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text)
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="as listed by `python -m clap checkpoints`")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="such as gallery-test or esc50-fold4")
    parser.add_argument("--batch", type=positive, default=BATCH, metavar="N", help=f"clips or captions at a time, {BATCH} by default")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="what is found, as JSON")
    _add_data(parser)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    told = "the folder with data sets that are not shipped, such as esc50; $CLAP_DATA by default"
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=told)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _dataset(name: str, data: Path | None) -> Dataset:
    from clap.data.datasets import load_dataset

    dataset = load_dataset(name, data)
    others = sorted({caption.language for caption in dataset.captions} - set(CODES))
    if others:
        _report(f"{name}: captions in {', '.join(others)} are left out; checkpoints are judged in {', '.join(CODES)}")
    return dataset


def _embedder(encoder: Encoder, batch: int = BATCH, cache: Path | None = None) -> Embedder:
    from clap.audio import load as load_waveform

    return Embedder(encoder, load_waveform, _report, batch, cache)


def _encoder(checkpoint: str) -> Encoder:
    from clap.checkpoints import load_encoder

    return load_encoder(checkpoint)


def _examined(encoder: Encoder, languages: Sequence[str]) -> dict[str, Any]:
    """What the doctor says of an encoder; a checkpoint that fails is a UserError, so that it enters no table."""
    from clap.doctor import require_healthy

    _report(f"{encoder.name}: examining the checkpoint")
    return require_healthy(encoder, languages).to_json()


def _run(options: argparse.Namespace) -> int:
    """Writes the record to --out and prints one JSON object a line: language, direction, pool size, queries and metrics."""
    from eval.retrieval import checked_qrels, judge, languages_of

    languages = list(dict.fromkeys(get_language(code).code for code in options.languages or ()))
    check_destination(options.out)
    dataset = _dataset(options.dataset, options.data)
    encoder, chosen = _encoder(options.checkpoint), languages or languages_of(dataset)
    for language in chosen:
        checked_qrels(dataset, language)
    embedder = _embedder(encoder, options.batch, cache_folder())
    record = judge(embedder, dataset, chosen, _examined(encoder, chosen))
    save(record, options.out)
    for result in read(record):
        print(json.dumps(_summary(record, result)))
    return 0


def _compare(options: argparse.Namespace) -> int:
    """Prints one verdict a line; a tie is called a tie."""
    from eval.compare import compare, verdict_sentence

    protocol = get_protocol(options.protocol) if options.protocol else None
    for found in compare(load(options.first), load(options.second), protocol=protocol):
        print(json.dumps(asdict(found)) if options.json else verdict_sentence(found))
    return 0


def _summary(record: RunRecord, result: Result) -> dict:
    rounded = {name: round(value, 4) for name, value in result.metrics.items()}
    where = {"checkpoint": record.checkpoint, "dataset": record.dataset, "language": result.language, "direction": result.direction}
    truth = {"protocol": record.protocol, "pool_size": result.pool_size, "queries": result.queries, "qrels": result.qrels}
    return {**where, **truth, **rounded}


def _consistency(options: argparse.Namespace) -> int:
    """Writes the study to --out and prints what it comes to, as one JSON object."""
    from eval.across_languages import save_study, study
    from eval.retrieval import languages_of

    check_destination(options.out)
    dataset, encoder = _dataset(options.dataset, options.data), _encoder(options.checkpoint)
    found = study(_embedder(encoder, options.batch, cache_folder()), dataset, _examined(encoder, languages_of(dataset)))
    save_study(found, options.out)
    names = ("checkpoint", "dataset", "pool_size", "queries", "rank_variance", "overlap_mean", "gap_mean")
    print(json.dumps({name: getattr(found, name) for name in names}))
    return 0


def _export(options: argparse.Namespace) -> int:
    from eval import export

    record = load_for_table(options.file)
    if options.format == "trec":
        embedder = _embedder(_encoder(record.checkpoint), cache=cache_folder())
        export.write_trec(record, options.out, embedder, _dataset(record.dataset, options.data))
    else:
        {"csv": export.write_csv, "latex": export.write_latex, "mteb": export.write_mteb}[options.format](record, options.out)
    return 0


def _table(options: argparse.Namespace) -> int:
    """Prints the tables of the dashboard as Markdown; results that may not be compared are refused with the reason."""
    found = [load_for_table(file) for file in options.files]
    records = {record.checkpoint: record for record in found}
    if len(records) < len(found):
        raise UserError("Two of the files are of one checkpoint; give one file for each.")
    protocol = PROTOCOLS.get(options.protocol)
    print("\n\n".join(markdown(records, direction, protocol) for direction in DIRECTIONS))
    return 0


def markdown(records: dict[str, RunRecord], direction: str, protocol: Protocol | None = None) -> str:
    """R@1 and mAP@10 of one direction, a row per language, by a protocol; raises UserError when the records cannot be compared."""
    from eval.dashboard import tables

    rows = tables.choose(tables.tidy(records, protocol), direction, list(records))
    refused = tables.refusal(rows)
    if refused:
        raise UserError(refused)
    shown = tables.readable(records, rows, direction, ("R@1", "mAP@10")).set_index("language")
    head = [direction.replace("_", " ").capitalize(), *shown.columns]
    lines = [[get_language(code).name, *cells] for code, *cells in shown.itertuples()]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def _verify(options: argparse.Namespace) -> int:
    return max([_verify_one(file, options.data) for file in result_files(options.files)])


def _verify_one(file: Path, data: Path | None) -> int:
    """1 when a fresh run, without kept embeddings, differs from a file; says in what."""
    from eval.retrieval import judge

    given = load(file)
    dataset = _dataset(given.dataset, data)
    found = differences(given, judge(_embedder(_encoder(given.checkpoint)), dataset, given.languages))
    queries = sum(result.queries for result in given.results)
    if not found:
        print(f"{file.name}: the ranks of all {queries} queries are the same.")
        return 0
    for line in found[:SHOWN_DIFFERENCES]:
        print(line)
    hidden = f", of which {SHOWN_DIFFERENCES} are shown" if len(found) > SHOWN_DIFFERENCES else ""
    print(f"{file.name}: {len(found)} differences in {queries} queries{hidden}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
