"""Other audio–text systems as Encoders, each through its own maintained package, which nothing else here imports.

The packages are extras (`requirements-extras.txt`). A system takes waveforms and captions as every Encoder does: what it
needs of sample rate, length and language is its adapter's business.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from clap.errors import UserError

if TYPE_CHECKING:
    from clap.embed import Encoder

MODULES = {"laion-clap": "laion", "ms-clap": "msclap", "glap": "glap"}
"""The kinds of systems and the modules with their `load(name, source)`."""


def load(kind: str, name: str, source: str) -> Encoder:
    """The system of a kind as an Encoder called `name`, on the CPU.

    `source` is a local folder or file, else what the system's package knows: a hub id for "laion-clap", the version
    "2022" or "2023" for "ms-clap", "glap" for "glap". What lies here is taken first; what does not is fetched by the
    package into its own cache. Raises UserError for an unknown kind or source, a package that is not installed, weights
    that cannot be fetched and weights that are none of this system's.
    """
    if kind not in MODULES:
        raise UserError(f"Unknown kind of system {kind!r}; the kinds are {', '.join(MODULES)}.")
    return import_module(f"clap.systems.{MODULES[kind]}").load(name, source)
