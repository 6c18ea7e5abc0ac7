"""Where a training's batches come from: clips in memory or in files, or WebDataset shards; each rank gets its part."""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from clap.audio import load
from clap.data.language_enhancement import Pair, epoch_pairs
from clap.data.records import HELD_SPLITS, Caption, Clip
from clap.data.shards import HeardPair, iterate, read_batches, read_told, shard_files
from clap.errors import UserError
from clap.languages import ENGLISH
from clap.train.hearing import Hearing
from clap.train.prepare import data_hash
from clap.train.presets import ClapTraining


@dataclass(frozen=True)
class Share:
    """Which of how many ranks this one is, and how many processes read for it (0: itself)."""

    rank: int = 0
    ranks: int = 1
    workers: int = 0


@dataclass(frozen=True)
class Batch:
    """One rank's part of a batch: the ids of its clips in the order of their groups, the groups, and its pairs.

    A pair's clip may lie with another rank. All ranks have equally many groups, some of them perhaps empty.
    """

    clips: tuple[str, ...]
    groups: tuple[Any, ...]
    pairs: tuple[Pair, ...]


class Source(Protocol):
    """Batches, epoch by epoch; everything is determined by the settings, the epoch and the number of ranks and workers.

    `digest` is a hash of the data: a run is never continued on other data.
    """

    digest: str

    def steps(self, plan: ClapTraining) -> int:
        """Batches in an epoch; for a stream, about."""
        ...

    def languages(self, plan: ClapTraining) -> set[str]:
        """The languages of the captions that may be drawn, as far as they are known beforehand."""
        ...

    def batches(self, plan: ClapTraining, hearing: Hearing, epoch: int, start: int, share: Share) -> Iterator[Batch]:
        """The batches of an epoch from number `start` on, for one rank."""
        ...


def groups_in(batch: int, group: int) -> int:
    """In how many groups the clips of a batch are encoded."""
    return -(-batch // group)


def random_of(*key: int | str) -> np.random.Generator:
    """A generator for a key."""
    return np.random.default_rng([part if isinstance(part, int) else clip_key(part) & (1 << 63) - 1 for part in key])


def clip_key(clip: str) -> int:
    """A clip's id as a signed 64-bit number, the same on every rank."""
    return int.from_bytes(hashlib.blake2b(clip.encode(), digest_size=8).digest(), "little", signed=True)


def cut(pairs: Sequence[Pair], size: int) -> list[Sequence[Pair]]:
    """Batches of `size`; the last is smaller, and one larger where a single pair would be left, which has nothing to differ from."""
    starts = list(range(0, len(pairs), size))
    if len(starts) > 1 and len(pairs) - starts[-1] == 1:
        starts.pop()
    return [pairs[start:end] for start, end in zip(starts, [*starts[1:], len(pairs)], strict=True)]


class Files(Mapping[str, Tensor]):
    """What is kept of clips, read from their files each time it is asked for."""

    def __init__(self, clips: Iterable[Clip], hearing: Hearing) -> None:
        self._paths, self._hearing = {clip.id: clip.path for clip in clips}, hearing

    def __getitem__(self, clip: str) -> Tensor:
        return self._hearing.keep(load(self._paths[clip]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


class PairSource:
    """Clips by id and all their captions, English and translated; each epoch's pairs are drawn by language enhancement.

    `audio` gives what a Hearing keeps of a clip. `lengths`, on its last axis, may be rough; without them `audio` must be in memory.
    Raises UserError for captions without audio, clips without an English caption and fewer than two clips.
    """

    def __init__(
        self, audio: Mapping[str, Tensor], captions: Sequence[Caption], lengths: Mapping[str, int] | None = None, digest: str | None = None
    ) -> None:
        lost = sorted({caption.clip for caption in captions} - set(audio))
        if lost:
            raise UserError(f"Captions of clips without audio: {', '.join(lost[:5])}.")
        if len({caption.clip for caption in captions}) < 2:
            raise UserError("One clip alone cannot be trained on, since clips learn from one another; give at least two with captions.")
        epoch_pairs(captions, 0.0, 0, 0)
        self.audio, self.captions = audio, tuple(captions)
        self.lengths = lengths or {clip: kept.shape[-1] for clip, kept in audio.items()}
        self.digest = digest or data_hash(dict(audio), captions)

    def steps(self, plan: ClapTraining) -> int:
        """See Source; exact."""
        return len(cut(self.pairs(plan, 0), plan.batch))

    def languages(self, plan: ClapTraining) -> set[str]:
        """See Source."""
        there = {caption.language for caption in self.captions}
        return {ENGLISH} | (there & set(there if plan.languages is None else plan.languages) if plan.ratio else set())

    def pairs(self, plan: ClapTraining, epoch: int) -> list[Pair]:
        """All pairs of an epoch, in order."""
        return epoch_pairs(self.captions, plan.ratio, plan.seed, epoch, plan.languages)

    def batches(self, plan: ClapTraining, hearing: Hearing, epoch: int, start: int, share: Share) -> Iterator[Batch]:
        """See Source; a batch is the same for any number of ranks."""
        made = cut(self.pairs(plan, epoch), plan.batch)
        return iterate(_Prepared(self, plan, hearing, epoch, share, list(enumerate(made))[start:]), share.workers)


@dataclass(frozen=True)
class _Prepared(TorchDataset):
    """The batches of one epoch and rank, each made ready when it is asked for, here or in a reading process."""

    source: PairSource
    plan: ClapTraining
    hearing: Hearing
    epoch: int
    share: Share
    numbered: list[tuple[int, Sequence[Pair]]]

    def __len__(self) -> int:
        return len(self.numbered)

    def __getitem__(self, position: int) -> Batch:
        step, pairs = self.numbered[position]
        rank, ranks, lengths = self.share.rank, self.share.ranks, self.source.lengths
        ordered = sorted(dict.fromkeys(pair.clip for pair in pairs), key=lambda clip: min(lengths[clip], self.hearing.limit))
        groups, clips = [], []
        for group in np.array_split(np.array(ordered, dtype=object), groups_in(min(len(ordered), self.plan.batch), self.plan.group)):
            own = list(group[rank::ranks])
            longest = min(max(lengths[clip] for clip in group), self.hearing.limit)
            groups.append(self.hearing.group([self._disturbed(step, clip) for clip in own], longest))
            clips += own
        return Batch(tuple(clips), tuple(groups), tuple(pairs[rank::ranks]))

    def _disturbed(self, step: int, clip: str) -> Tensor:
        return self.hearing.disturb(self.source.audio[clip], random_of(self.plan.seed, self.epoch, step, clip))


class ShardSource:
    """WebDataset shards (clap.data.shards), read as a stream; each rank and worker reads its own, so they need as many.

    A run that goes on within an epoch reads up to where it was. Raises UserError as clap.data.shards does.
    """

    def __init__(self, place: Path) -> None:
        self.place, paths = place, shard_files(place)
        self.digest = hashlib.sha256(repr([(path.name, path.stat().st_size) for path in paths]).encode()).hexdigest()
        told = [sample for path in paths for sample in _told_in(path)]
        taken = [captions for split, captions in told if split not in HELD_SPLITS]
        print(f"{place}: {len(taken)} of {len(told)} clips are trained on", file=sys.stderr)
        self.clips = len(taken)
        self.translated = sum(len(texts) for captions in taken for code, texts in captions.items() if code != ENGLISH)

    def steps(self, plan: ClapTraining) -> int:
        """See Source: translated captions are drawn one by one, so an epoch may be a little longer or shorter."""
        return -(-(self.clips + round(plan.ratio * self.translated)) // plan.batch)

    def languages(self, plan: ClapTraining) -> set[str]:
        """See Source; others show themselves while reading."""
        return {ENGLISH}

    def batches(self, plan: ClapTraining, hearing: Hearing, epoch: int, start: int, share: Share) -> Iterator[Batch]:
        """See Source; raises UserError for a batch that cannot be split evenly over the ranks."""
        if plan.batch % share.ranks:
            raise UserError(f"A batch of {plan.batch} cannot be split over {share.ranks} ranks; give a multiple of {share.ranks}.")
        if plan.mode:
            raise UserError("Shards are trained on in every language they hold; pack those that are wanted, and leave --mode out.")
        pipeline = read_batches(self.place, plan.batch // share.ranks, plan.ratio, plan.seed, epoch, by_language=False)
        ready = pipeline.compose(lambda found: (prepare(pairs, plan, hearing, epoch) for pairs in not_alone(found)))
        return (batch for step, batch in enumerate(iterate(ready, share.workers)) if step >= start)


def not_alone(batches: Iterable[list[HeardPair]]) -> Iterator[list[HeardPair]]:
    """Batches of which none holds a single pair: such a one joins the next, or at the end stays as it is."""
    waiting: list[HeardPair] = []
    for batch in batches:
        waiting = waiting + batch
        if len(waiting) > 1:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def prepare(pairs: Sequence[HeardPair], plan: ClapTraining, hearing: Hearing, epoch: int) -> Batch:
    """A batch of one rank from pairs that carry their waveforms."""
    heard = {pair.clip: pair.waveform for pair in pairs}
    ordered = sorted(heard, key=lambda clip: len(heard[clip]))
    groups = []
    for group in np.array_split(np.array(ordered, dtype=object), groups_in(plan.batch, plan.group)):
        clips = [hearing.disturb(hearing.keep(heard[clip]), random_of(plan.seed, epoch, clip)) for clip in group]
        groups.append(hearing.group(clips, 1))
    return Batch(tuple(ordered), tuple(groups), tuple(Pair(pair.clip, pair.text, pair.language) for pair in pairs))


def empty_batch(plan: ClapTraining, hearing: Hearing) -> Batch:
    """The part of a rank that has read all of its own while others have not."""
    return Batch((), tuple(hearing.group([], 1) for _ in range(groups_in(plan.batch, plan.group))), ())


def _told_in(path: Path) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """The split and the captions by language of each clip of a shard; raises UserError for a damaged one."""
    try:
        with tarfile.open(path) as shard:
            for member in shard:
                if member.name.endswith(".json"):
                    told, captions = read_told(f"Shard {path.name}, sample {Path(member.name).stem}", shard.extractfile(member).read())
                    yield told.get("split", ""), captions
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UserError(f"Shard {path.name} is damaged ({error}); fetch it or pack the data set again.") from error
