"""Any data set as WebDataset shards: `python -m clap pack DATASET --out DIR --shard-size N`."""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from clap.audio import SAMPLE_RATE_HZ, load
from clap.command_line import positive
from clap.data.records import Caption, Clip, Dataset
from clap.data.shards import INDEX
from clap.errors import UserError

FULL_SCALE = 32_768


def write_shards(dataset: Dataset, out: Path, shard_size: int, report: Callable[[str], None] = lambda line: None) -> int:
    """Write a data set as shards of `shard_size` clips into the new folder `out`; the number of clips clipped at full scale.

    Audio becomes FLAC of 16 bits at 16 kHz. `out` appears when it is complete. Raises UserError when it exists, for audio
    that cannot be read and for a disk that is full.
    """
    if out.exists() or not out.parent.is_dir():
        raise UserError(f"{str(out)!r} {'exists' if out.exists() else 'lies in no existing folder'}; name a new folder in an existing one.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            made = Path(scratch) / "shards"
            made.mkdir()
            loud = _write(dataset, made, shard_size, report)
            made.rename(out)
            return loud
    except OSError as error:
        raise UserError(f"The shards cannot be written to {str(out)!r}: {error.strerror}.") from error


def _write(dataset: Dataset, folder: Path, shard_size: int, report: Callable[[str], None]) -> int:
    import webdataset

    captions: dict[str, list[Caption]] = {}
    for caption in dataset.captions:
        captions.setdefault(caption.clip, []).append(caption)
    shards: dict[str, int] = {}
    loud = 0
    pattern = str(folder).replace("%", "%%") + "/%06d.tar"
    with webdataset.ShardWriter(pattern, maxcount=shard_size, maxsize=np.inf, verbose=0, mtime=0) as writer:
        for number, clip in enumerate(dataset.clips, 1):
            waveform = load(clip.path)
            loud += bool(np.abs(waveform).max() > 1)
            writer.write({"__key__": shard_key(clip.id), "flac": _flac(waveform), "json": _told(clip, captions.get(clip.id, ()))})
            shards[Path(writer.fname).name] = writer.count
            if number % shard_size == 0 or number == len(dataset.clips):
                report(f"{number}/{len(dataset.clips)} clips")
    index = {"dataset": dataset.name, "clips": len(dataset.clips), "captions": len(dataset.captions), "shards": shards}
    (folder / INDEX).write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return loud


def shard_key(clip_id: str) -> str:
    """A clip's id as a name within a shard, where a dot ends the key and a slash would make a folder."""
    return quote(clip_id, safe=" ").replace(".", "%2E")


def _flac(waveform: np.ndarray) -> bytes:
    import soundfile

    samples = np.clip(np.rint(waveform * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _told(clip: Clip, captions: Sequence[Caption]) -> bytes:
    """The json of a clip: ML-CLAP's captions by language, and beside them id, provenance, licence, source and split."""
    texts: dict[str, list[str]] = {}
    provenance: dict[str, list[str]] = {}
    for caption in captions:
        texts.setdefault(caption.language, []).append(caption.text)
        provenance.setdefault(caption.language, []).append(caption.provenance)
    told = {"captions": texts, "provenance": provenance, "id": clip.id, "licence": clip.licence, "source": clip.source, "split": clip.split}
    return json.dumps(told, ensure_ascii=False).encode()


def _pack(args: argparse.Namespace) -> None:
    from clap.data.datasets import load_dataset

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    dataset = load_dataset(args.dataset, args.root)
    loud = write_shards(dataset, args.out, args.shard_size, say)
    if loud:
        say(f"{loud} clips go beyond full scale and were clipped there")
    say(f"{len(dataset.clips)} clips with {len(dataset.captions)} captions in {args.out}")


def add_parser(commands: Any) -> None:
    """The `pack` subcommand of `python -m clap`."""
    parser = commands.add_parser("pack", help="write a data set as WebDataset shards")
    parser.add_argument(
        "dataset", metavar="DATASET", help="a name from `python -m clap datasets`, or the path of a folder, a CSV or a JSONL"
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--shard-size", type=positive, default=1000, metavar="N", help="clips a shard, default 1000")
    parser.add_argument("--root", type=Path, help="folder that holds the data sets, default $CLAP_DATA")
    parser.set_defaults(run=_pack)
