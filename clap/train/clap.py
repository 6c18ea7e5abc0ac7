"""Train CLAP: contrast clips with captions, with or without language enhancement (paper, sections 2 and 3.3)."""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from clap.audio import SAMPLE_RATE_HZ, load
from clap.config import CedConfig, ClapConfig, SonarConfig
from clap.data.datasets import load_dataset
from clap.data.language_enhancement import Pair, epoch_pairs
from clap.data.records import Caption, Dataset
from clap.data.translate import sonar_translator, translate_captions
from clap.errors import UserError
from clap.languages import CODES, ENGLISH
from clap.model import sonar
from clap.model.clap import Clap
from clap.model.loss import embedding_regularizer, info_nce
from clap.presets import compact
from clap.train.augment import augment_logmel, pack
from clap.train.prepare import MAX_SECONDS, data_hash, training_set
from clap.train.sonar import Translator
from clap.train.state import Progress, load_state, save_state
from clap.weights import TOKENIZER, WEIGHTS, load_weights, save_weights, sha256_of

AUDIO_GROUP = 32
"""Clips of a batch are encoded in groups of similar length, each padded to its longest."""
SILENCE_DB = -100.0

Validation = Callable[[Clap], dict[str, float]]
"""A model -> named figures; the trainer keeps the weights with the best `score` among them."""


@dataclass(frozen=True)
class ClapTraining:
    """`ratio` is the mixing ratio of language enhancement: 0 for the baseline, 0.1 for the paper's mixture LE.

    `regularizer` weighs the embedding regulariser of the released code; the paper does not mention it.
    """

    ratio: float = 0.0
    epochs: int = 15
    batch: int = 64
    learning_rate: float = 1e-3
    tower_rate: float = 4e-4
    warmup: float = 0.1
    regularizer: float = 0.0
    seed: int = 0


def paper_training(ratio: float = 0.0, fine_tune: bool = False) -> ClapTraining:
    """Section 3.3: 20 epochs, batch 128, learning rate 5e-5, or 5e-6 when fine-tuning."""
    rate = 5e-6 if fine_tune else 5e-5
    return ClapTraining(ratio=ratio, epochs=20, batch=128, learning_rate=rate, tower_rate=rate)


@dataclass(frozen=True)
class TrainingData:
    """Log-mel spectrograms `(64, F)` in dB by clip, and all captions, English and translated."""

    spectrograms: dict[str, Tensor]
    captions: tuple[Caption, ...]

    def __post_init__(self) -> None:
        lost = sorted({caption.clip for caption in self.captions} - set(self.spectrograms))
        if lost:
            raise UserError(f"Captions of clips without audio: {', '.join(lost[:5])}.")


def encode_clips(model: Clap, spectrograms: Sequence[Tensor]) -> Tensor:
    """Spectrograms of several lengths -> `(N, D)`, in groups of similar length."""
    order = sorted(range(len(spectrograms)), key=lambda i: spectrograms[i].shape[-1])
    vectors: list[Tensor] = []
    for start in range(0, len(order), AUDIO_GROUP):
        group = [spectrograms[i] for i in order[start : start + AUDIO_GROUP]]
        longest = max(item.shape[-1] for item in group)
        padded = [nn.functional.pad(item, (0, longest - item.shape[-1]), value=SILENCE_DB) for item in group]
        vectors.append(model.encode_spectrogram(torch.stack(padded)))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(vectors)[back]


def batch_loss(
    model: Clap, tokenizer: Any, data: TrainingData, pairs: Sequence[Pair], rng: np.random.Generator, regularizer: float = 0.0
) -> Tensor:
    """InfoNCE of one batch, and its regulariser; a clip that stands in it twice is encoded once and shares its captions."""
    clips = list(dict.fromkeys(pair.clip for pair in pairs))
    row = {clip: index for index, clip in enumerate(clips)}
    frames = model.config.audio.target_frames
    audio = encode_clips(model, [augment_logmel(data.spectrograms[clip].float(), rng, frames) for clip in clips])
    ids = [model.tokenize(tokenizer, [pair.text], pair.language)[0][0] for pair in pairs]
    index = torch.tensor([row[pair.clip] for pair in pairs])
    clips_side, text_side = audio[index].float(), model.encode_tokens(ids).float()
    return info_nce(clips_side, text_side, model.temperature, index) + regularizer * embedding_regularizer(clips_side, text_side)


def parameter_groups(model: Clap, plan: ClapTraining) -> list[dict[str, Any]]:
    """Projections learn at `learning_rate`, the trained towers at `tower_rate`."""
    towers = [*model.audio_encoder.parameters(), *model.text_encoder.parameters()]
    heads = [*model.audio_proj.parameters(), *model.text_proj.parameters()]
    return [{"params": towers, "lr": plan.tower_rate}, {"params": heads, "lr": plan.learning_rate}]


def fit(model: Clap, tokenizer: Any, data: TrainingData, plan: ClapTraining, out: Path, validate: Validation) -> Path:
    """Train, or go on from `out/last.pt`; write the best weights by `validate` to `out/model.safetensors`."""
    rates = [group["lr"] for group in parameter_groups(model, plan)]
    optimizer = torch.optim.Adam(parameter_groups(model, plan))
    per_epoch = -(-len(epoch_pairs(data.captions, plan.ratio, plan.seed, 0)) // plan.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rates, total_steps=plan.epochs * per_epoch, pct_start=plan.warmup, cycle_momentum=False
    )
    start = load_state(out / "last.pt", model, optimizer, schedule)
    if schedule.total_steps != plan.epochs * per_epoch:
        raise UserError(f"{out} holds a run of {schedule.total_steps} steps, not {plan.epochs * per_epoch}; give another --out.")
    progress = Progress(out / "log.jsonl", start, plan.epochs)
    best = float("-inf") if not start else float((out / "best").read_text())
    for epoch in range(start, plan.epochs):
        train_epoch(model, tokenizer, data, plan, epoch, optimizer, schedule, progress)
        figures = validate(model.eval())
        progress.report(epoch + 1, **figures)
        if figures["score"] > best:
            best = figures["score"]
            save_weights(out / "model.safetensors", model.state_dict(), model.config, dtype="float16")
        (out / "best").write_text(str(best))
        save_state(out / "last.pt", epoch + 1, model, optimizer, schedule)
    return out / "model.safetensors"


def train_epoch(
    model: Clap, tokenizer: Any, data: TrainingData, plan: ClapTraining, epoch: int, optimizer: Any, schedule: Any, progress: Progress
) -> None:
    """One pass over the epoch's pairs."""
    torch.manual_seed(plan.seed * 1000 + epoch)
    rng = np.random.default_rng([plan.seed, epoch, 1])
    pairs = epoch_pairs(data.captions, plan.ratio, plan.seed, epoch)
    model.train()
    for start in range(0, len(pairs), plan.batch):
        optimizer.zero_grad()
        with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16):
            loss = batch_loss(model, tokenizer, data, pairs[start : start + plan.batch], rng, plan.regularizer)
        if not torch.isfinite(loss):
            where = f"epoch {epoch + 1}, batch {start // plan.batch + 1}"
            raise UserError(f"The loss is {loss.item()} in {where}; the last good state is kept.")
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.add(loss=loss.item())


def start_model(config: ClapConfig, ced: Path, text: Path, seed: int) -> Clap:
    """A CLAP whose towers are a trained CED and a trained SONAR encoder (`model.safetensors` of each folder)."""
    torch.manual_seed(seed)
    model = Clap(config)
    tagger, _ = load_weights(ced / WEIGHTS, CedConfig)
    translator, _ = load_weights(text / WEIGHTS, SonarConfig)
    model.audio_encoder.model.load_state_dict(tagger)
    encoder = {key.removeprefix("encoder."): value for key, value in translator.items() if key.startswith("encoder.")}
    model.text_encoder.model.load_state_dict(encoder)
    return model


@torch.inference_mode()
def mean_reciprocal_rank(model: Clap, tokenizer: Any, dataset: Dataset, audio: Tensor, language: str) -> float:
    """Text-to-audio MRR over a small data set whose clips have the embeddings `audio` `(N, D)`: what chooses among epochs."""
    row = {clip.id: index for index, clip in enumerate(dataset.clips)}
    captions = dataset.captions_in(language)
    ids, _ = model.tokenize(tokenizer, [caption.text for caption in captions], language)
    scores = model.encode_tokens(ids) @ audio.T
    own = scores.gather(1, torch.tensor([row[caption.clip] for caption in captions])[:, None])
    return float((1 / (scores >= own).sum(dim=1)).mean())


def validation_on(dataset: Dataset, tokenizer: Any, waveforms: Sequence[Tensor], languages: Sequence[str]) -> Validation:
    """Score a model by its mean MRR over `languages`: those it is trained on."""

    def validate(model: Clap) -> dict[str, float]:
        with torch.inference_mode():
            audio = model.encode_waveforms(waveforms)
        figures = {code: mean_reciprocal_rank(model, tokenizer, dataset, audio, code) for code in model.text_encoder.languages}
        return {**figures, "score": sum(figures[code] for code in languages) / len(languages)}

    return validate


def translations(text: Path, captions: Sequence[Caption], folder: Path, seed: int) -> list[Caption]:
    """The captions in the seven other languages, one per clip and language, by the SONAR of folder `text`.

    Kept in `folder` under a hash of the captions, the SONAR and the seed, so that another run's are never taken for these.
    """
    state, config = load_weights(text / WEIGHTS, SonarConfig)
    translator = Translator(config)
    translator.load_state_dict(state)
    tokenizer = sonar.load_tokenizer(text / TOKENIZER)
    key = data_hash({}, captions) + sha256_of(text / WEIGHTS) + sha256_of(text / TOKENIZER) + str(seed)
    out = _made(folder) / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.jsonl"
    return translate_captions(captions, sonar_translator(translator.encoder, translator.decoder, tokenizer), out, seed)


def train(args: argparse.Namespace) -> Path:
    """Assemble the data, translate the captions where the ratio asks for it, train, and keep the best epoch."""
    model = start_model(compact(), args.ced, args.sonar, args.seed)
    shutil.copyfile(args.sonar / TOKENIZER, _made(args.out) / TOKENIZER)
    tokenizer = sonar.load_tokenizer(args.out / TOKENIZER)
    made = training_set(args.esc50, args.pool, seed=args.seed)
    translated = translations(args.sonar, made.captions, args.translations, args.seed) if args.ratio else []
    ced = model.audio_encoder.model
    seconds = int(MAX_SECONDS * SAMPLE_RATE_HZ)
    logmels = {item.id: pack(ced, [item.waveform()[:seconds]])[0] for item in made.recordings}
    data = TrainingData(logmels, (*made.captions, *translated))
    _remember(args.out, data_hash(logmels, data.captions))
    validation = load_dataset("gallery-validation")
    waveforms = [torch.from_numpy(load(clip.path)) for clip in validation.clips]
    validate = validation_on(validation, tokenizer, waveforms, CODES if args.ratio else (ENGLISH,))
    plan = ClapTraining(ratio=args.ratio, epochs=args.epochs, regularizer=args.regularizer, seed=args.seed)
    return fit(model, tokenizer, data, plan, args.out, validate)


def _remember(out: Path, digest: str) -> None:
    """Write the data's hash beside the run; raises UserError when the run there was made of other data."""
    if (out / "last.pt").exists() and (out / "data").read_text() != digest:
        raise UserError(f"{out} holds a run on other data; give another --out.")
    (out / "data").write_text(digest)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def add_parser(commands: Any) -> None:
    """The `clap` subcommand of `python -m clap.train`."""
    parser = commands.add_parser("clap", help="train CLAP-compact, the baseline (--ratio 0) or mixture LE (--ratio 0.1)")
    parser.add_argument("--ratio", type=float, default=0.0, help="mixing ratio of language enhancement, 0 to 1")
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--pool", type=Path, required=True, help="folder made by python -m clap.synth pool")
    parser.add_argument("--sonar", type=Path, default=Path("runs/sonar"))
    parser.add_argument("--ced", type=Path, default=Path("runs/ced"))
    parser.add_argument("--translations", type=Path, default=Path("runs/translations"), help="folder to keep translations in")
    parser.add_argument("--regularizer", type=float, default=ClapTraining.regularizer, help="weight of the embedding regulariser")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=ClapTraining.epochs)
    parser.add_argument("--seed", type=int, default=ClapTraining.seed)
    parser.set_defaults(run=train)
