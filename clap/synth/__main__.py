"""`python -m clap.synth`: render the gallery, a pool of training clips, or a sheet of spectrograms of one class."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clap.command_line import Parser, positive, run
from clap.data.records import Clip, read_jsonl
from clap.errors import UserError
from clap.synth.plan import POOL, SPLITS, plan
from clap.synth.render import render_to, write_manifest
from clap.synth.spectrogram import save_grid
from clap.synth.variants import RATE_HZ, catalog


def _gallery(options: argparse.Namespace) -> None:
    """All splits, or one whose records then replace those of that split in the manifest."""
    manifest, kept = options.out / "clips.jsonl", []
    if options.split and manifest.exists():
        kept = [clip for clip in read_jsonl(manifest, Clip) if clip.split != options.split]
    wanted = [options.split] if options.split else list(SPLITS)
    records = render_to(options.out, [clip for split in wanted for clip in plan(split)], ".mp3")
    order = list(SPLITS)
    write_manifest(options.out, sorted(kept + records, key=lambda clip: (order.index(clip.split), clip.id)))


def _pool(options: argparse.Namespace) -> None:
    write_manifest(options.out, render_to(options.out, plan(POOL, options.count), ".flac"))


def _sheet(options: argparse.Namespace) -> None:
    if options.class_name not in catalog():
        raise UserError(f"Unknown class {options.class_name!r}; the classes are {', '.join(catalog())}.")
    rows = []
    for variant in catalog()[options.class_name]:
        duration_s = min(sum(variant.duration_s) / 2, 6.0)
        for take in (0, 1):
            rows.append((f"{variant.name} {take}", variant.render(np.random.default_rng(take), duration_s), RATE_HZ))
    save_grid(options.out, rows, columns=2)


def _parser() -> Parser:
    parser = Parser(prog="python -m clap.synth", description=__doc__)
    commands = parser.add_subparsers(required=True)
    gallery = commands.add_parser("gallery", help="render the clips of the gallery and clips.jsonl")
    gallery.add_argument("--out", type=Path, required=True)
    gallery.add_argument("--split", choices=list(SPLITS))
    gallery.set_defaults(run=_gallery)
    pool = commands.add_parser("pool", help="render clips for training only")
    pool.add_argument("--count", type=positive, required=True)
    pool.add_argument("--out", type=Path, required=True)
    pool.set_defaults(run=_pool)
    sheet = commands.add_parser("sheet", help="draw spectrograms of every variant of a class")
    sheet.add_argument("class_name", metavar="CLASS")
    sheet.add_argument("--out", type=Path, required=True)
    sheet.set_defaults(run=_sheet)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 after one sentence on standard error for what the caller got wrong."""
    return run(_parser(), lambda options: options.run(options), arguments)


if __name__ == "__main__":
    sys.exit(main())
