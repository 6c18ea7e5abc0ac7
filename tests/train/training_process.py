"""A training of its own process: a real CED tower and projections beside a text tower that needs no sonar-space, so that it starts fast.

`python training_process.py step OUT` does one step on the tones and writes what it gave; torchrun's variables make it one of several.
`python training_process.py whole OUT` trains two epochs; `hang OUT` stops for ever before its fifth batch, saying "here".
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from clap.data.records import Caption  # noqa: E402
from clap.languages import CODES  # noqa: E402
from clap.model.clap import Clap, projection  # noqa: E402
from clap.model.towers import CedTower  # noqa: E402
from clap.presets import compact  # noqa: E402
from clap.train import fit as fitting  # noqa: E402
from clap.train.distributed import engine  # noqa: E402
from clap.train.presets import ClapTraining  # noqa: E402
from clap.train.source import PairSource, ShardSource, Source  # noqa: E402

torch.set_num_threads(1)
CLIPS = 11


class Letters(nn.Module):
    """Reads a text as the mean of its letters' vectors, then through two layers."""

    languages, dim, max_tokens = CODES, 16, 40

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.ModuleDict(
            {"table": nn.Embedding(256, 16), "layers": nn.Sequential(*[nn.Sequential(nn.Linear(16, 16), nn.Tanh()) for _ in range(2)])}
        )

    def tokenize(self, tokenizer, texts, language):
        return [torch.tensor(list(f"{language} {text}".encode()[:40])) for text in texts], 0

    def encode(self, ids):
        device = self.model["table"].weight.device
        return self.model["layers"](torch.stack([self.model["table"](one.to(device)).mean(dim=0) for one in ids]))


class Small(Clap):
    """CLAP with a small CED and the text tower above."""

    def __init__(self, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        config = compact()
        audio = replace(
            config.audio,
            embed_dim=24,
            depth=2,
            num_heads=2,
            outputdim=2,
            drop_path=dropout,
            time_patch_dropout=dropout,
            freq_patch_dropout=0.0,
        )
        self.config = replace(config, audio=audio, joint_dim=16)
        self.audio_encoder, self.text_encoder = CedTower(audio), Letters()
        self.audio_proj, self.text_proj = projection(24, 16), projection(16, 16)
        self.register_buffer("temperature", torch.tensor(0.07))


def small(dropout: float = 0.0, seed: int = 0) -> Small:
    torch.manual_seed(seed)
    return Small(dropout)


def tones(clips: int = CLIPS) -> PairSource:
    """Clips of one loud band each, of different lengths, with an English and two translated captions of letters of their own."""
    audio, captions = {}, []
    for n in range(clips):
        audio[f"clip{n}"] = torch.full((64, 48 + 8 * n), -60.0) + torch.rand(64, 48 + 8 * n, generator=torch.Generator().manual_seed(n))
        audio[f"clip{n}"][4 * n : 4 * n + 8] = -10
        captions += [Caption(f"{n}-{code}", f"clip{n}", code, 20 * "abcdefghijklmno"[n], "machine") for code in CODES[:3]]
    return PairSource(audio, captions)


def begun(out: Path, source: Source, **plan) -> fitting.Run:
    """A run on a CPU, ready for its first batch, whose Adam has an epsilon of 1, so that a step tells the gradient's size."""
    model = small()
    settings = ClapTraining(epochs=1, learning_rate=0.1, tower_rate=0.1, warmup=0.0, group=5, bfloat16=False, **plan)
    run = fitting.begin(model, None, source, settings, out, engine("cpu"), 0, 600)
    for group in run.optimizer.param_groups:
        group["eps"] = 1.0
    model.train()
    return run


def one_step(out: Path) -> None:
    """The gradients, the weights and the running statistics after one step on all pairs, three captions a clip.

    Then an epoch on shards, if there are some, of which one rank may have more than another.
    """
    run = begun(out / "run", tones(), ratio=1.0, batch=64, regularizer=0.01)
    seen = list(fitting.batches_in_step(run))
    losses = [fitting.train_step(run, batch, sizes) for batch, sizes in seen]
    gradients = {name: value.grad.clone() for name, value in run.clap.named_parameters() if value.grad is not None}
    found = {"losses": losses, "gradients": gradients, "state": run.clap.state_dict(), "pairs": [len(batch.pairs) for batch, _ in seen]}
    if (out / "shards").exists():
        run = begun(out / "streamed", ShardSource(out / "shards"), batch=4)
        found["streamed"] = [(list(batch.clips), fitting.train_step(run, batch, sizes)) for batch, sizes in fitting.batches_in_step(run)]
    torch.save(found, out / f"rank{run.share.rank}of{run.share.ranks}.pt")


class Hanging:
    """A source that stops for ever before one of its batches."""

    def __init__(self, source: PairSource, epoch: int, step: int) -> None:
        self.source, self.at = source, (epoch, step)

    def __getattr__(self, name):
        return getattr(self.source, name)

    def batches(self, plan, hearing, epoch, start, share):
        for step, batch in enumerate(self.source.batches(plan, hearing, epoch, start, share), start):
            if (epoch, step) == self.at:
                print("here", flush=True)
                time.sleep(600)
            yield batch


def whole(out: Path, hang: bool = False) -> Clap:
    """Two epochs of six batches with dropout and mixed precision; the state is written after every batch."""
    model, source = small(dropout=0.25), tones()
    plan = ClapTraining(ratio=0.5, epochs=2, batch=4, learning_rate=1e-3, tower_rate=1e-3)
    fitting.fit(model, None, Hanging(source, 1, 3) if hang else source, plan, out, None, engine("cpu"), save_every_s=0)
    return model


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    {"step": one_step, "whole": whole, "hang": lambda out: whole(out, hang=True)}[what](place)
