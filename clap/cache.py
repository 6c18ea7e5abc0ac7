"""Where files are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where embeddings and downloads are kept: `$CLAP_CACHE`, else `$XDG_CACHE_HOME/clap`, else `~/.cache/clap`."""
    if os.environ.get("CLAP_CACHE"):
        return Path(os.environ["CLAP_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clap"


def checkpoints_folder() -> Path:
    """Where fetched checkpoints and one's own catalogue lie: `$CLAP_CHECKPOINTS`, else `checkpoints` in the cache folder."""
    return Path(os.environ.get("CLAP_CHECKPOINTS") or cache_folder() / "checkpoints")
