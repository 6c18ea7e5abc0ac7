"""The training loop of CLAP: the same for a compact model on one core and for the paper's on many GPUs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from clap.data.language_enhancement import Pair
from clap.errors import UserError
from clap.model.clap import Clap
from clap.model.loss import embedding_regularizer, info_nce
from clap.train.distributed import engine, gather_numbers, gather_rows, wrap
from clap.train.hearing import Hearing, hearing_of
from clap.train.presets import ClapTraining
from clap.train.source import Batch, Share, Source, clip_key, empty_batch
from clap.train.state import Journal, read_state, restore, save_state
from clap.train.validation import Validation
from clap.weights import WEIGHTS, fingerprint, save_weights

if TYPE_CHECKING:
    from lightning_fabric import Fabric

STATE = "last.pt"
SAVE_EVERY_S = 600
"""Seconds between two states within an epoch; one is written after each epoch as well."""
FAILED = -1


class NotANumber(UserError):
    """The loss or its gradient is no number: the weights are as before, but nothing of this moment should be kept."""


class PairEncoder(nn.Module):
    """Both towers in one forward pass, as DDP wants it."""

    def __init__(self, clap: Clap, hearing: Hearing, bfloat16: bool) -> None:
        super().__init__()
        self.clap, self.hearing, self.bfloat16 = clap, hearing, bfloat16

    def forward(self, groups: list[Any], ids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Groups of clips and token sequences -> the embeddings of all the clips in order and of the texts, float32 `(N, D)`."""
        with torch.autocast(self.clap.temperature.device.type, torch.bfloat16, enabled=self.bfloat16):
            audio = torch.cat([self.hearing.encode(self.clap, group) for group in groups])
            text = self.clap.encode_tokens(ids)
        return audio.float(), text.float()


def tokens(clap: Clap, tokenizer: Any, pairs: tuple[Pair, ...]) -> list[Tensor]:
    """The token ids of each pair's caption, language by language."""
    ids: dict[int, Tensor] = {}
    for code in dict.fromkeys(pair.language for pair in pairs):
        rows = [row for row, pair in enumerate(pairs) if pair.language == code]
        ids.update(zip(rows, clap.tokenize(tokenizer, [pairs[row].text for row in rows], code)[0], strict=True))
    return [ids[row] for row in range(len(pairs))]


def contrast(audio: Tensor, clips: Tensor, text: Tensor, told: Tensor, temperature: Tensor, regularizer: float = 0.0) -> Tensor:
    """InfoNCE of clips `(M, D)` with keys `(M,)` and texts `(N, D)` with the key of the clip that each tells of, and its regulariser."""
    index = (told[:, None] == clips[None, :]).int().argmax(dim=1)
    return info_nce(audio[index], text, temperature, index) + regularizer * embedding_regularizer(audio[index], text)


def checkpoint_blocks(clap: Clap) -> int:
    """Let each block of both towers be computed again in the backward pass instead of being remembered; how many there are."""
    stacks = [module for module in clap.modules() if isinstance(module, nn.Sequential | nn.ModuleList) and _is_stack(module)]
    blocks = [block for stack in stacks for block in stack]
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    return len(blocks)


def _is_stack(module: nn.Module) -> bool:
    """Whether a module holds transformer blocks: two or more of one class, each with parts of its own."""
    blocks = list(module)
    return len(blocks) > 1 and len({type(block) for block in blocks}) == 1 and any(True for _ in blocks[0].children())


def parameter_groups(model: Clap, plan: ClapTraining) -> list[dict[str, Any]]:
    """Projections learn at `learning_rate`, the trained towers at `tower_rate`."""
    towers = [*model.audio_encoder.parameters(), *model.text_encoder.parameters()]
    heads = [*model.audio_proj.parameters(), *model.text_proj.parameters()]
    return [{"params": towers, "lr": plan.tower_rate}, {"params": heads, "lr": plan.learning_rate}]


def schedule_of(optimizer: torch.optim.Optimizer, plan: ClapTraining, steps: int) -> Any:
    """One cycle over `steps`, or constant rates where there is no warmup."""
    if not plan.warmup:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    rates = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=plan.warmup, cycle_momentum=False)


@dataclass
class Run:
    """A training on its way: `epoch` and `step` are the next to do; `weights` is the hash of those it started from."""

    fabric: Fabric
    clap: Clap
    weights: str
    encoder: Any
    optimizer: Any
    schedule: Any
    tokenizer: Any
    source: Source
    plan: ClapTraining
    out: Path
    hearing: Hearing
    share: Share
    steps: int
    save_every_s: float
    epoch: int = 0
    step: int = 0
    best: float = float("-inf")
    journal: Journal | None = None
    saved: float = field(default_factory=time.monotonic)

    def save(self) -> None:
        """Write the state, once for all ranks."""
        self.saved = time.monotonic()
        if self.fabric.is_global_zero:
            made_of = {"plan": asdict(self.plan), "data": self.source.digest, "weights": self.weights}
            more = {**made_of, "epoch": self.epoch, "best": self.best, **self.journal.kept()}
            save_state(self.out / STATE, self.step, self.clap, self.optimizer, self.schedule, **more)


def fit(
    model: Clap, tokenizer: Any, source: Source, plan: ClapTraining, out: Path, validate: Validation | None = None,
    fabric: Fabric | None = None, workers: int = 0, save_every_s: float = SAVE_EVERY_S, tokenizer_file: Path | None = None,
) -> Path:  # fmt: skip
    """Train, or go on exactly where `out/last.pt` was written; the best weights by `validate` are `out/model.safetensors`.

    Without `validate` those are the last epoch's. `tokenizer_file` is copied beside them. `workers` processes prepare batches
    ahead. Raises UserError for a run on other data, from other weights or with other settings in `out`, a language that the
    model cannot read, data that cannot be read, a loss that is no number, and a full disk; the last good state is kept each
    time, and the same call goes on from it.
    """
    run = begin(model, tokenizer, source, plan, out, fabric or engine(), workers, save_every_s)
    if tokenizer_file and run.fabric.is_global_zero:
        copy_tokenizer(tokenizer_file, out)
    while run.epoch < plan.epochs:
        try:
            train_epoch(run)
            run.save()
        except NotANumber:
            raise
        except UserError:
            run.save()
            run.fabric.barrier()
            raise
        end_epoch(run, validate)
    return out / WEIGHTS


def begin(
    model: Clap, tokenizer: Any, source: Source, plan: ClapTraining, out: Path, fabric: Fabric, workers: int, save_every_s: float
) -> Run:  # fmt: skip
    """A fresh run, or the one that `out` holds, restored."""
    for code in sorted(source.languages(plan)):
        model.tokenize(tokenizer, ["a"], code)
    state, weights = read_state(out / STATE), fingerprint(model)
    refuse_other_run(state, plan, source, weights, out)
    hearing, steps = hearing_of(model), source.steps(plan)
    if plan.checkpointing:
        checkpoint_blocks(model)
    optimizer = torch.optim.Adam(parameter_groups(model, plan))
    schedule = schedule_of(optimizer, plan, plan.epochs * steps)
    encoder, stepper = wrap(fabric, PairEncoder(model, hearing, plan.bfloat16), optimizer)
    share = Share(fabric.global_rank, fabric.world_size, workers)
    run = Run(fabric, model, weights, encoder, stepper, schedule, tokenizer, source, plan, out, hearing, share, steps, save_every_s)
    run.step = restore(state, model, optimizer, schedule)
    run.epoch, run.best = state.get("epoch", 0), state.get("best", run.best)
    if fabric.is_global_zero:
        run.journal = open_journal(run, state)
    return run


def open_journal(run: Run, state: dict[str, Any]) -> Journal:
    """The run's folder with the data's hash and the log; raises UserError when it cannot be written."""
    try:
        run.out.mkdir(parents=True, exist_ok=True)
        (run.out / "data").write_text(run.source.digest)
        return Journal(run.out / "log.jsonl", run.epoch, run.step, run.plan.epochs, run.steps, state)
    except OSError as error:
        raise UserError(f"{run.out} cannot be written ({error.strerror}); make room or give another --out.") from error


def copy_tokenizer(file: Path, out: Path) -> None:
    """Put the tokenizer beside the weights; raises UserError when it cannot be written."""
    if file.parent.resolve() == out.resolve():
        return
    try:
        shutil.copyfile(file, out / file.name)
    except OSError as error:
        raise UserError(f"{out / file.name} could not be written from {file} ({error.strerror}).") from error


def refuse_other_run(state: dict[str, Any], plan: ClapTraining, source: Source, weights: str, out: Path) -> None:
    """Raise UserError when the state in `out` is of a run on other data, from other weights or with other settings, naming those."""
    if not state:
        return
    if state.get("data") != source.digest:
        raise UserError(f"{out} holds a run on other data; give another --out.")
    if state.get("weights") != weights:
        raise UserError(f"{out} holds a run that started from other weights; give another --out.")
    other = [f"{key} {state['plan'].get(key)}, not {value}" for key, value in asdict(plan).items() if state["plan"].get(key) != value]
    if other:
        raise UserError(f"{out} holds a run of other settings ({'; '.join(other)}); give another --out.")


def train_epoch(run: Run) -> None:
    """The rest of the current epoch."""
    run.clap.train()
    for batch, sizes in batches_in_step(run):
        loss = train_step(run, batch, sizes)
        run.step += 1
        if run.journal:
            run.journal.step(run.epoch, run.step - 1, sum(clips for clips, _ in sizes), run.schedule.get_last_lr()[-1], loss)
        if time.monotonic() - run.saved >= run.save_every_s:
            run.save()


def batches_in_step(run: Run) -> Iterator[tuple[Batch, list[list[int]]]]:
    """This rank's batches with the clips and pairs of every rank's, until all have read theirs; where one fails, all stop.

    A rank that has read all of its own goes on with empty ones.
    """
    own = run.source.batches(run.plan, run.hearing, run.epoch, run.step, run.share)
    while True:
        failure, batch = None, None
        try:
            batch = next(own, None) or empty_batch(run.plan, run.hearing)
        except UserError as error:
            failure = error
        sizes = gather_numbers(run.fabric, [len(batch.clips), len(batch.pairs)] if batch else [FAILED, FAILED])
        if [FAILED, FAILED] in sizes:
            raise failure or UserError("Another process of this training stopped; its message says why.")
        if not any(pairs for _, pairs in sizes):
            return
        yield batch, sizes


def seed_step(run: Run) -> None:
    """Seed torch for one step of one rank: what is drawn depends on nothing before it, so a run goes on exactly."""
    key = np.random.SeedSequence([run.plan.seed, run.epoch, run.step, run.share.rank])
    torch.manual_seed(int(key.generate_state(1, np.uint64)[0]))


def attention(device: torch.device) -> AbstractContextManager[Any]:
    """On short sequences the plain kernel trains faster on a CPU; elsewhere torch chooses."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def train_step(run: Run, batch: Batch, sizes: list[list[int]]) -> float:
    """One step on the whole batch, of which `batch` is this rank's part; the loss."""
    seed_step(run)
    run.optimizer.zero_grad()
    with attention(run.fabric.device):
        audio, text = encode(run, batch)
        loss = batch_loss(run, batch, sizes, audio, text)
        if not torch.isfinite(loss):
            raise NotANumber(where(run, batch, audio, f"loss is {loss.item()}"))
        run.fabric.backward(loss)
    norm = nn.utils.clip_grad_norm_(run.clap.parameters(), run.plan.max_norm)
    if not torch.isfinite(norm):
        raise NotANumber(where(run, batch, audio, f"gradient's norm is {norm.item()}"))
    run.optimizer.step()
    if not run.plan.warmup or run.schedule.last_epoch < run.schedule.total_steps - 1:
        run.schedule.step()
    return loss.item()


def encode(run: Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """The embeddings of this rank's clips and captions; without captions one is encoded and dropped, so that all have gradients."""
    pairs = batch.pairs or (Pair("", "a", next(iter(run.clap.text_encoder.languages))),)
    audio, text = run.encoder(list(batch.groups), tokens(run.clap, run.tokenizer, pairs))
    return audio, text[: len(batch.pairs)]


def batch_loss(run: Run, batch: Batch, sizes: list[list[int]], audio: Tensor, text: Tensor) -> Tensor:
    """The loss of the whole batch, the same on every rank, from the embeddings of this one."""
    clips, pairs = [size for size, _ in sizes], [size for _, size in sizes]
    own_clips = torch.tensor([clip_key(clip) for clip in batch.clips], dtype=torch.int64, device=audio.device)
    own_pairs = torch.tensor([clip_key(pair.clip) for pair in batch.pairs], dtype=torch.int64, device=audio.device)
    parts = ((audio, clips), (own_clips, clips), (text, pairs), (own_pairs, pairs))
    gathered = [gather_rows(run.fabric, rows, each) for rows, each in parts]
    return contrast(*gathered, run.clap.temperature, run.plan.regularizer)


def where(run: Run, batch: Batch, audio: Tensor, what: str) -> str:
    """What is wrong, in which batch and with which clips: those that hold no numbers, else those that became none, else all."""
    broken = [not bool(torch.isfinite(clip).all()) for group in batch.groups for clip in group]
    if any(count for (count,) in gather_numbers(run.fabric, [sum(broken)])):
        named = [clip for clip, bad in zip(batch.clips, broken, strict=True) if bad] or ["that another process names"]
    else:
        lost = ~torch.isfinite(audio).all(dim=1)
        named = [clip for clip, bad in zip(batch.clips, lost.tolist(), strict=True) if bad] or list(batch.clips)
    clips = ", ".join(named[:10]) + (f" and {len(named) - 10} more" if len(named) > 10 else "")
    return (
        f"The {what} in epoch {run.epoch + 1}, batch {run.step + 1}, with the clips {clips}; the last good state is kept in {run.out}: "
        "look at these clips, or train at a lower rate into another --out."
    )


def end_epoch(run: Run, validate: Validation | None) -> None:
    """Judge the epoch, keep its weights if they are the best, and write the state of the next one's beginning."""
    if run.fabric.is_global_zero:
        figures = validate(run.clap.eval()) if validate else {"score": float(run.epoch + 1)}
        if figures["score"] > run.best:
            run.best = figures["score"]
            save_weights(run.out / WEIGHTS, run.clap.state_dict(), run.clap.config, dtype="float16")
        run.journal.end_epoch(run.epoch, **figures)
    run.epoch, run.step = run.epoch + 1, 0
    run.save()
    run.fabric.barrier()
