"""What the command lines share: one sentence for a wrong call, output that is not lost, and the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from clap.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}; see `{self.prog} --help`.")


def positive(text: str) -> int:
    """A whole number of at least 1, as an argument's type."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def check_destination(path: Path) -> None:
    """Raise UserError when no file can be written to `path`, before anything is computed for it: a missing folder, or a folder itself."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise UserError(f"{str(path)!r} {reason}; name a file in an existing folder.")


def run(parser: Parser, command: Callable[[argparse.Namespace], int | None], arguments: Sequence[str] | None) -> int:
    """Parse and run; the command's status, 0 when it gives none, and 2 with one sentence for what the caller got wrong."""
    try:
        status = command(parser.parse_args(arguments))
        sys.stdout.flush()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        sys.stdout = None
        return 0
    return status or 0
