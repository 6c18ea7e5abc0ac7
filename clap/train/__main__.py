"""The training command line: `python -m clap.train sonar | ced | clap | publish | credits`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from clap.command_line import Parser, positive, run


def _parser() -> Parser:
    from clap.train import ced, clap, publish, sonar

    root = Parser(prog="python -m clap.train", description="Train the compact models.")
    root.add_argument("--threads", type=positive, default=1, help="torch threads; one is fastest where two cores share one")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for module in (sonar, ced, clap, publish):
        module.add_parser(commands)
    publish.add_credits_parser(commands)
    return root


def _train(args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.threads)
    args.run(args)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training; 0 when it worked, 2 for what the caller got wrong."""
    return run(_parser(), _train, arguments)


if __name__ == "__main__":
    sys.exit(main())
