"""WebDataset shards in ML-CLAP's format: `<key>.flac` with `<key>.json`, the latter {"captions": {"eng_Latn": [...], ...}}.

Shards are read as streams through the webdataset library, each by one worker of one node; `write_shards` makes them of any
data set. Training: `read_shards` -> `caption_pairs` -> `batches`, together `read_batches`, run by `iterate`.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap.audio import from_samples
from clap.data.language_enhancement import Pair
from clap.data.records import HELD_SPLITS
from clap.errors import UserError
from clap.languages import ENGLISH, require_code

if TYPE_CHECKING:
    from webdataset import DataPipeline

AUDIO_KINDS = ("flac", "wav", "mp3", "ogg")
INDEX = "shards.json"
"""What write_shards lays beside its shards: how many clips each holds, so that a lost one is seen."""
TAR_END = bytes(1024)
GZIP_START = b"\x1f\x8b"


@dataclass(frozen=True, eq=False)
class Sample:
    """One clip of a shard: its id, its waveform `(T,)`, its captions by language, and its split where the shard tells it."""

    id: str
    waveform: np.ndarray
    captions: dict[str, tuple[str, ...]]
    split: str = ""


@dataclass(frozen=True, eq=False)
class HeardPair(Pair):
    """One training pair that carries the clip's waveform `(T,)`."""

    waveform: np.ndarray


def shard_files(place: Path | Sequence[Path]) -> list[Path]:
    """The shards of a folder in order of name, or those given. UserError when there are none, one is lost or was cut short."""
    paths = list(place) if not isinstance(place, Path) else sorted([*place.glob("*.tar"), *place.glob("*.tar.gz")])
    if isinstance(place, Path) and (place / INDEX).is_file():
        paths = [place / name for name in json.loads((place / INDEX).read_text())["shards"]]
    if not paths:
        raise UserError(f"{place} holds no shards; they end in .tar or .tar.gz, and `python -m clap pack` writes them.")
    for path in paths:
        _require_whole(path)
    return paths


def _require_whole(path: Path) -> None:
    """A tar ends in 1,024 zero bytes, without which a cut between two files could not be told; gzip has a checksum of its own."""
    if not path.is_file():
        raise UserError(f"There is no shard {path}; fetch it or pack the data set again.")
    with path.open("rb") as file:
        if file.read(2) == GZIP_START:
            return
        file.seek(max(0, path.stat().st_size - len(TAR_END)))
        if file.read() != TAR_END:
            raise UserError(f"Shard {path.name} was cut short; fetch it or pack the data set again.")


def read_shards(place: Path | Sequence[Path], buffer: int = 0, seed: int = 0, epoch: int = 0) -> DataPipeline:
    """The samples of shards, once each, as a torch IterableDataset of one epoch.

    With a `buffer`, shards are shuffled and then samples in a buffer of that many; both are determined by seed and epoch.
    Each node (RANK of WORLD_SIZE, or torch.distributed) and each DataLoader worker reads its own shards; UserError for fewer
    shards than nodes, and while reading for a damaged shard, a sample without audio or captions, and an unknown language.
    """
    import webdataset
    from webdataset.utils import pytorch_worker_info

    paths, nodes = shard_files(place), pytorch_worker_info()[1]
    if len(paths) < nodes:
        raise UserError(f"{len(paths)} shards cannot be split over {nodes} nodes; pack with a smaller --shard-size.")
    if buffer:
        random.Random(f"{seed} {epoch}").shuffle(paths)
    shuffled = partial(_shuffled, size=buffer, seed=seed, epoch=epoch) if buffer else None
    return webdataset.DataPipeline(
        partial(iter, paths), webdataset.split_by_node, webdataset.split_by_worker, _read_samples, shuffled
    )  # fmt: skip


def _random(*key: object) -> random.Random:
    """A generator of random numbers for a key, another one in each worker of each node."""
    from webdataset.utils import pytorch_worker_info

    rank, _, worker, _ = pytorch_worker_info()
    return random.Random(" ".join(map(str, (*key, rank, worker))))


def _shuffled(samples: Iterator[Sample], size: int, seed: int, epoch: int) -> Iterator[Sample]:
    import webdataset

    return webdataset.shuffle(size, initial=size, rng=_random(seed, epoch, "samples"))(samples)


def _read_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    from webdataset.tariterators import group_by_keys, tar_file_expander

    for path in paths:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP_START
            raw.seek(0)
            source = {"url": path.name, "stream": gzip.GzipFile(fileobj=raw) if zipped else raw}
            yield from _decoded(path.name, group_by_keys(tar_file_expander([source])))


def _decoded(shard: str, items: Iterator[dict[str, Any]]) -> Iterator[Sample]:
    last = "its first sample"
    while True:
        try:
            item = next(items, None)
        except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
            raise UserError(f"Shard {shard} is damaged or cut short after {last}; fetch it or pack the data set again.") from error
        if item is None:
            return
        last = item["__key__"]
        yield _decode(f"Shard {shard}, sample {last}", item)


def _decode(where: str, item: dict[str, Any]) -> Sample:
    kind = next((kind for kind in AUDIO_KINDS if kind in item), None)
    if kind is None or "json" not in item:
        raise UserError(f"{where}: the {'audio' if kind is None else 'json'} is missing; a sample is <key>.flac and <key>.json.")
    told, captions = read_told(where, item["json"])
    return Sample(told.get("id", item["__key__"]), _waveform(where, item[kind]), captions, told.get("split", ""))


def read_told(where: str, text: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:
    """A sample's json, and the captions in it by language; raises UserError for anything else, an unknown language among them."""
    try:
        told = json.loads(text)
        captions = {code: tuple(texts) for code, texts in told["captions"].items() if not isinstance(texts, str)}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f'{where}: its json must be an object like {{"captions": {{"eng_Latn": ["a dog barks"]}}}}.') from error
    _check_captions(where, told["captions"], captions)
    return told, captions


def _check_captions(where: str, told: dict[str, Any], captions: dict[str, tuple[str, ...]]) -> None:
    for code in told:
        try:
            require_code(code)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        if not all(isinstance(text, str) and text.strip() for text in captions.get(code, (None,))):
            raise UserError(f"{where}: the captions in {code} must be a list of texts, none of them empty.")


def _waveform(where: str, encoded: bytes) -> np.ndarray:
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise UserError(f"{where}: its audio cannot be read; pack the data set again.") from error
    return from_samples(samples, rate, where)


def caption_pairs(samples: Iterable[Sample], ratio: float = 0.0, seed: int = 0, epoch: int = 0) -> Iterator[HeardPair]:
    """The training pairs of a stream: one English caption of each clip, and each translated caption with probability `ratio`.

    Clips of HELD_SPLITS are passed over. Over an epoch that is what clap.data.language_enhancement draws when all captions are
    known beforehand. UserError for a clip without an English caption.
    """
    rng = _random(seed, epoch, "captions")
    for sample in samples:
        if sample.split in HELD_SPLITS:
            continue
        if not sample.captions.get(ENGLISH):
            raise UserError(f"Clips without an English caption cannot be trained on: {sample.id}.")
        yield HeardPair(sample.id, rng.choice(sample.captions[ENGLISH]), ENGLISH, sample.waveform)
        for code, texts in sample.captions.items():
            chosen = [text for text in texts if code != ENGLISH and rng.random() < ratio]
            yield from (HeardPair(sample.id, text, code, sample.waveform) for text in chosen)


def batches(
    pairs: Iterable[HeardPair], size: int, by_language: bool = True, pool: int = 16, seed: int = 0, epoch: int = 0
) -> Iterator[list[HeardPair]]:
    """Batches of `size` pairs of similar length and, `by_language`, of one language; no pair is lost, so the last are smaller.

    `pool` batches are read at once, sorted by length, cut and shuffled; what does not fill a batch waits for the next pool.
    """
    rng, waiting = _random(seed, epoch, "batches"), []
    for pair in pairs:
        waiting.append(pair)
        if len(waiting) >= size * pool:
            cut, waiting = _cut(waiting, size, by_language)
            yield from rng.sample(cut, len(cut))
    cut, rest = _cut(waiting, size, by_language)
    cut += _groups(rest, by_language)
    yield from rng.sample(cut, len(cut))


def _groups(pairs: Iterable[HeardPair], by_language: bool) -> list[list[HeardPair]]:
    found: dict[str, list[HeardPair]] = {}
    for pair in pairs:
        found.setdefault(pair.language if by_language else "", []).append(pair)
    return list(found.values())


def _cut(pairs: Sequence[HeardPair], size: int, by_language: bool) -> tuple[list[list[HeardPair]], list[HeardPair]]:
    """Whole batches, each of pairs of similar length, and the pairs that are left over."""
    whole: list[list[HeardPair]] = []
    rest: list[HeardPair] = []
    for group in _groups(pairs, by_language):
        group.sort(key=lambda pair: len(pair.waveform))
        end = len(group) - len(group) % size
        whole += [group[start : start + size] for start in range(0, end, size)]
        rest += group[end:]
    return whole, rest


def read_batches(
    place: Path | Sequence[Path], size: int, ratio: float = 0.0, seed: int = 0, epoch: int = 0, buffer: int = 1000, by_language: bool = True
) -> DataPipeline:
    """One epoch of training batches from shards, as a torch IterableDataset; UserError for a ratio outside [0, 1]."""
    if not 0 <= ratio <= 1:
        raise UserError(f"The mixing ratio must lie between 0 and 1, got {ratio}.")
    pairs = partial(caption_pairs, ratio=ratio, seed=seed, epoch=epoch)
    cut = partial(batches, size=size, by_language=by_language, seed=seed, epoch=epoch)
    return read_shards(place, buffer, seed, epoch).compose(pairs, cut)


def iterate(pipeline: DataPipeline, workers: int = 0) -> Iterator[Any]:
    """What a pipeline yields, read by `workers` processes (0: this one); a worker's UserError arrives as its one sentence."""
    from torch.utils.data import DataLoader

    try:
        yield from DataLoader(pipeline, batch_size=None, num_workers=workers)
    except UserError as error:
        raise UserError(str(error).strip().splitlines()[-1].removeprefix("clap.errors.UserError: ")) from error
