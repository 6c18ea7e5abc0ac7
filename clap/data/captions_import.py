"""Captions written elsewhere: `python -m clap captions import FILE --dataset NAME --language CODE --provenance WHO --out FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clap.data.folder import check_caption, read_csv
from clap.data.records import PROVENANCES, Caption, Dataset, read_json_lines, refuse_keys, write_jsonl
from clap.data.translate import caption_file, require_folder, say, tell_provenance
from clap.errors import UserError
from clap.languages import ENGLISH, require_code

NEEDED = ("clip", "text")
KNOWN = (*NEEDED, "translator", "source_caption")


def read_captions(path: Path, dataset: Dataset, language: str, provenance: str) -> list[Caption]:
    """The captions of a CSV or JSONL, a row each: the id of a clip of `dataset`, a text and, where wanted, translator and source_caption.

    Raises UserError for another kind of file, missing and unknown columns, an unknown clip or source caption, an empty text,
    a text that a clip has twice, and a file without rows.
    """
    sources = {caption.id: caption.clip for caption in dataset.captions}
    clips = {clip.id for clip in dataset.clips}
    texts: dict[str, list[str]] = {}
    captions = []
    for where, row in _rows(path):
        clip, text, source = row["clip"], row["text"], row.get("source_caption", "")
        before = texts.setdefault(clip, [])
        _check(where, clip in clips, f"{dataset.name} has no clip {clip!r}.")
        _check(where, not source or sources.get(source) == clip, f"{source!r} is no caption of {clip!r} in {dataset.name}.")
        _check(where, text not in before, f"{clip!r} has this caption twice; take one out.")
        before.append(text)
        name = f"{clip}-{language}-{provenance}-{len(before)}"
        captions.append(check_caption(where, Caption(name, clip, language, text, provenance, row.get("translator", ""), source)))
    if not captions:
        raise UserError(f"{path.name} holds no captions.")
    return captions


def _check(where: str, holds: bool, otherwise: str) -> None:
    if not holds:
        raise UserError(f"{where}: {otherwise}")


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    if not path.is_file() or path.suffix.lower() not in (".csv", ".jsonl"):
        raise UserError(f"{str(path)!r} is no CSV or JSONL file; name one with the columns {', '.join(NEEDED)}.")
    if path.suffix.lower() == ".csv":
        return read_csv(path, NEEDED, KNOWN)
    rows = list(read_json_lines(path))
    for where, row in rows:
        refuse_keys(where, row, KNOWN, NEEDED)
        other = [key for key, value in row.items() if not isinstance(value, str)]
        if other:
            raise UserError(f"{where}: {other[0]} must be a text, got {row[other[0]]!r}.")
    return rows


def import_captions(path: Path, dataset: Dataset, language: str, provenance: str, folder: Path) -> list[Caption]:
    """Write the captions of `path` to caption_file, where the loader of `dataset` finds them when `folder` is the data set's.

    Raises UserError as read_captions does, for an unknown language or provenance, and when the file is there or cannot be written.
    """
    require_code(language)
    require_folder(folder)
    out = caption_file(folder, language, dataset.name)
    if out.exists():
        raise UserError(f"{str(out)!r} is there already; remove it, or give another --out.")
    captions = read_captions(path, dataset, language, provenance)
    try:
        write_jsonl(out, captions)
    except OSError as error:
        raise UserError(f"{str(out)!r} cannot be written ({error.strerror}).") from error
    return captions


def _import(args: argparse.Namespace) -> None:
    from clap.data.datasets import load_dataset
    from clap.data.folder import METADATA

    dataset = load_dataset(args.dataset, args.root, METADATA)
    captions = import_captions(args.file, dataset, args.language, args.provenance, args.out)
    english = dataset.captions_in(ENGLISH)
    say(f"{_counted(captions)} added in {args.language}; {dataset.name} has {_counted(english)} in English")
    tell_provenance(dataset, (args.language,), args.provenance)


def _counted(captions: Sequence[Caption]) -> str:
    return f"{len(captions):,} captions of {len({caption.clip for caption in captions}):,} clips"


def add_parser(commands: Any) -> None:
    """The `captions import` subcommand of `python -m clap`."""
    group = commands.add_parser("captions", help="captions written elsewhere").add_subparsers(required=True, metavar="COMMAND")
    parser = group.add_parser("import", help="add captions from a CSV or JSONL to a data set")
    parser.add_argument("file", type=Path, metavar="FILE", help="rows with clip and text, perhaps translator and source_caption")
    parser.add_argument("--dataset", required=True, metavar="NAME", help="a name from `python -m clap datasets`, or the path of one's own")
    parser.add_argument("--language", required=True, metavar="CODE", help="FLORES-200 code such as fra_Latn")
    parser.add_argument("--provenance", required=True, choices=PROVENANCES, help="who wrote them")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="gets captions.CODE.DATASET.jsonl; best the data set's")
    parser.add_argument("--root", type=Path, help="folder that holds the data sets, default $CLAP_DATA")
    parser.set_defaults(run=_import)
