"""The training command line: `python -m clap.train sonar | ced | clap | publish | credits`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from clap.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training; 0 when it worked, 2 for what the caller got wrong."""
    import torch

    from clap.train import ced, clap, publish, sonar

    root = argparse.ArgumentParser(prog="python -m clap.train", description="Train the compact models.")
    root.add_argument("--threads", type=int, default=1, help="torch threads; one is fastest where two cores share one")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for module in (sonar, ced, clap, publish):
        module.add_parser(commands)
    publish.add_credits_parser(commands)
    args = root.parse_args(arguments)
    torch.set_num_threads(args.threads)
    try:
        args.run(args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
