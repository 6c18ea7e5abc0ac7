"""The command line: `python -m clap search`, and the commands that `--help` lists.

Data goes to standard output, progress to standard error; what the caller got wrong is one sentence and exit status 2.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clap.command_line import Parser, check_destination, positive, run
from clap.errors import UserError

DEFAULT_CHECKPOINT = "compact-mixture-le"


def say(message: str) -> None:
    """One line of progress on standard error."""
    print(message, file=sys.stderr, flush=True)


def search(args: argparse.Namespace) -> None:
    """Rank the gallery for a text query, one hit a line."""
    from clap.checkpoints import load_encoder
    from clap.data.datasets import load_dataset
    from clap.search import Searcher, query_language, require_query

    require_query(args.query)
    language = query_language(args.query, args.language)
    searcher = Searcher(load_encoder(args.checkpoint), load_dataset("gallery"))
    say(f"{args.checkpoint}, query in {language}")
    before, hits = searcher.encoder.truncated, searcher.by_text(args.query, language, args.top)
    if searcher.encoder.truncated > before:
        say("The query is longer than the text encoder takes; only its beginning was read.")
    for hit in hits:
        row = {"rank": hit.rank, "clip": hit.clip.id, "score": round(float(hit.score), 4), "caption": hit.caption}
        print(json.dumps(row, ensure_ascii=False) if args.json else "{rank:>3}  {score:.3f}  {clip}  {caption}".format(**row))


def save_embeddings(out: Path, names: Sequence[str], embeddings: Any) -> None:
    """Write `names` (N,) and `embeddings` (N, D) float32 to an .npz file through a temporary name."""
    import numpy as np

    partial = out.with_name(out.name + ".part")
    with partial.open("wb") as file:
        np.savez(file, names=np.array(names), embeddings=embeddings)
    partial.replace(out)
    say(f"{len(names)} embeddings of {embeddings.shape[1]} dimensions in {out}")


def embed_audio(args: argparse.Namespace) -> None:
    """Embed audio files, in the order given; a file that cannot be read stops the run before anything is written."""
    import numpy as np

    from clap.audio import load
    from clap.checkpoints import load_encoder

    check_destination(args.out)
    encoder = load_encoder(args.checkpoint)
    rows = []
    for number, path in enumerate(args.files, 1):
        rows.append(encoder.embed_audio([load(path)]))
        say(f"{number}/{len(args.files)} {path}")
    save_embeddings(args.out, [str(path) for path in args.files], np.concatenate(rows))


def embed_text(args: argparse.Namespace) -> None:
    """Embed the lines of standard input as captions of one language, in order."""
    from clap.checkpoints import load_encoder
    from clap.languages import get_language

    get_language(args.language)
    check_destination(args.out)
    try:
        lines = [line.rstrip("\r\n") for line in sys.stdin]
    except UnicodeDecodeError as error:
        raise UserError("Standard input is not UTF-8 text; convert it first.") from error
    empty = [number for number, line in enumerate(lines, 1) if not line.strip()]
    if empty or not lines:
        where = f"line {empty[0]} is empty" if empty else "got none"
        raise UserError(f"Standard input must hold one caption a line; {where}.")
    encoder = load_encoder(args.checkpoint)
    embeddings = encoder.embed_text(lines, args.language)
    if encoder.truncated:
        say(f"{encoder.truncated} captions were longer than the text encoder takes and were cut")
    save_embeddings(args.out, lines, embeddings)


def parser() -> Parser:
    """The parser of all commands."""
    from clap import checkpoints_command, doctor
    from clap.data import captions_import, cards, pack, translate
    from clap.model import interop

    root = Parser(prog="python -m clap", description="Multilingual audio-text retrieval.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=(run.__doc__ or "").splitlines()[0])
        made.set_defaults(run=run)
        made.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, help=f"default {DEFAULT_CHECKPOINT}")
        return made

    one = command("search", search)
    one.add_argument("query")
    one.add_argument("--language", help="FLORES-200 code such as fra_Latn; detected when left out")
    one.add_argument("--top", type=positive, default=10)
    one.add_argument("--json", action="store_true", help="one JSON object a line")
    two = command("embed-audio", embed_audio)
    two.add_argument("files", nargs="+", type=Path, metavar="FILE")
    two.add_argument("--out", type=Path, required=True)
    three = command("embed-text", embed_text)
    three.add_argument("--language", required=True)
    three.add_argument("--out", type=Path, required=True)
    for module in (checkpoints_command, cards, doctor, interop, pack, translate, captions_import):
        module.add_parser(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it worked, 2 for what the caller got wrong."""
    return run(parser(), lambda args: args.run(args), arguments)


if __name__ == "__main__":
    sys.exit(main())
