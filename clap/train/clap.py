"""Train CLAP: contrast clips with captions, with or without language enhancement (paper, sections 2 and 3.3)."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from clap.audio import SAMPLE_RATE_HZ, load
from clap.checkpoints import OWN, RELEASED, get_card
from clap.command_line import positive
from clap.config import CedConfig, ClapConfig, SonarConfig
from clap.data.datasets import load_dataset
from clap.data.records import HELD_SPLITS, Caption, Dataset
from clap.data.translate import sonar_translator, translate_captions
from clap.errors import UserError
from clap.languages import ENGLISH, ENHANCED_CODES
from clap.model import sonar
from clap.model.clap import Clap
from clap.model.towers import load_text_tokenizer, text_tokenizer_file
from clap.presets import preset
from clap.train.distributed import engine
from clap.train.fit import fit
from clap.train.hearing import Hearing, hearing_of
from clap.train.prepare import MAX_SECONDS, data_hash, training_set
from clap.train.presets import MIXES, TRAININGS, ClapTraining, fine_tuning
from clap.train.sonar import Translator
from clap.train.source import Files, PairSource, ShardSource, Source
from clap.train.validation import Validation, validation_on
from clap.weights import TOKENIZER, WEIGHTS, load_strictly, load_weights, sha256_of

RELEASED_SONAR = "released"


def start_model(config: ClapConfig, ced: Path, text: Path, seed: int) -> Clap:
    """A CLAP whose towers are a trained CED and a trained SONAR encoder (`model.safetensors` of each folder).

    `text` may also be "released", SONAR's own weights by sonar-space's card. Raises UserError for weights that do not fit.
    """
    torch.manual_seed(seed)
    model = Clap(config)
    load_strictly(model.audio_encoder.model, load_weights(ced / WEIGHTS, CedConfig)[0], ced.name)
    if str(text) == RELEASED_SONAR:
        load_strictly(model.text_encoder.model, sonar.load_released()[0].state_dict(), RELEASED_SONAR)
        return model
    translator, _ = load_weights(text / WEIGHTS, SonarConfig)
    encoder = {key.removeprefix("encoder."): value for key, value in translator.items() if key.startswith("encoder.")}
    load_strictly(model.text_encoder.model, encoder, text.name)
    return model


def load_trained(name: str) -> tuple[Clap, Path]:
    """The model to fine-tune, by a checkpoint's name or its folder's path, and that folder; raises UserError for other kinds."""
    folder = Path(name)
    if not (folder / WEIGHTS).is_file():
        card = get_card(name)
        if card.kind == RELEASED:
            from clap.released import fetch

            card = fetch(card)
        if card.kind != OWN:
            raise UserError(f"{name!r} belongs to another system and cannot be fine-tuned here; take a checkpoint of this project's.")
        folder = card.folder
    state, config = load_weights(folder / WEIGHTS, ClapConfig)
    model = Clap(config)
    load_strictly(model, state, folder.name)
    return model, folder


def translations(
    text: Path, captions: Sequence[Caption], folder: Path, seed: int, languages: Sequence[str] = ENHANCED_CODES
) -> list[Caption]:  # fmt: skip
    """The captions in other languages, one per clip and language, by the SONAR of folder `text`.

    Kept in `folder` under a hash of the captions, the SONAR, the languages and the seed, so that another run's are never taken for these.
    """
    state, config = load_weights(text / WEIGHTS, SonarConfig)
    translator = Translator(config)
    translator.load_state_dict(state)
    tokenizer = sonar.load_tokenizer(text / TOKENIZER)
    key = data_hash({}, captions) + sha256_of(text / WEIGHTS) + sha256_of(text / TOKENIZER) + str(seed)
    key += "" if tuple(languages) == ENHANCED_CODES else " ".join(languages)
    out = _made(folder) / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.jsonl"
    return translate_captions(captions, sonar_translator(translator.encoder, translator.decoder, tokenizer), out, seed, languages)


def compact_source(args: argparse.Namespace, plan: ClapTraining, hearing: Hearing) -> PairSource:
    """ESC-50, mixtures, the synthesised pool and the gallery's training split, packed in memory, and their translations."""
    made = training_set(args.esc50, args.pool, seed=args.seed)
    languages = ENHANCED_CODES if plan.languages is None else plan.languages
    translated = translations(args.sonar, made.captions, args.translations, args.seed, languages) if args.ratio and languages else []
    samples = int(MAX_SECONDS * SAMPLE_RATE_HZ)
    kept = {item.id: hearing.keep(item.waveform()[:samples]) for item in made.recordings}
    return PairSource(kept, (*made.captions, *translated))


def joined(names: Sequence[str]) -> Dataset:
    """Several data sets as one; raises UserError when two of their clips or captions have one id."""
    parts = [load_dataset(name) for name in names]
    clips, captions = [clip for part in parts for clip in part.clips], [caption for part in parts for caption in part.captions]
    return Dataset("+".join(part.name for part in parts), tuple(clips), tuple(captions))


def to_train_on(dataset: Dataset) -> tuple[Dataset, Dataset]:
    """The clips with captions that are trained on, and those that choose among epochs; what is left out is told."""
    captioned = {caption.clip for caption in dataset.captions}
    taken = {clip.id for clip in dataset.clips if clip.split not in HELD_SPLITS and clip.id in captioned}
    held = {clip.id for clip in dataset.clips if clip.split in HELD_SPLITS[:2] and clip.id in captioned}
    print(f"{dataset.name}: {len(taken)} of {len(dataset.clips)} clips are trained on, {len(held)} choose among epochs", file=sys.stderr)
    return _only(dataset, taken), _only(dataset, held)


def _only(dataset: Dataset, clips: set[str]) -> Dataset:
    captions = tuple(caption for caption in dataset.captions if caption.clip in clips)
    return Dataset(dataset.name, tuple(clip for clip in dataset.clips if clip.id in clips), captions)


def dataset_source(dataset: Dataset, hearing: Hearing, stream: bool, ratio: float) -> PairSource:
    """The pairs of a data set, its audio packed in memory or, with `stream`, read each time; raises UserError for nothing to mix in."""
    if ratio and not any(caption.language != ENGLISH for caption in dataset.captions):
        raise UserError(f"{dataset.name} has English captions only, so there is nothing to mix in; translate them, or leave --ratio out.")
    if not stream:
        return PairSource({clip.id: hearing.keep(load(clip.path)) for clip in dataset.clips}, dataset.captions)
    lengths = {clip.id: hearing.length(clip.duration_s) or hearing.limit for clip in dataset.clips}
    digest = hashlib.sha256(repr([(clip.id, clip.duration_s, clip.path.stat().st_size) for clip in dataset.clips]).encode())
    digest.update(data_hash({}, dataset.captions).encode())
    return PairSource(Files(dataset.clips, hearing), dataset.captions, lengths, digest.hexdigest())


def data_of(args: argparse.Namespace, plan: ClapTraining, hearing: Hearing) -> tuple[Source, Dataset | None]:
    """What the command names to train on, and what chooses among epochs, if anything does."""
    if not args.data:
        return compact_source(args, plan, hearing), joined(args.validation or ("gallery-validation",))
    names, held = MIXES[args.data[0]] if len(args.data) == 1 and args.data[0] in MIXES else (args.data, ())
    chosen = joined(args.validation or held) if args.validation or held else None
    shards = [name for name in names if Path(name).is_dir() and any(Path(name).glob("*.tar*"))]
    if shards:
        if len(names) > 1:
            raise UserError(f"{shards[0]} holds shards, which are read alone; pack all into one folder with `python -m clap pack`.")
        return ShardSource(Path(shards[0])), chosen
    training, own = to_train_on(joined(names))
    return dataset_source(training, hearing, args.stream, args.ratio), chosen or (own if own.clips else None)


def validation_of(dataset: Dataset | None, tokenizer: Any, plan: ClapTraining) -> Validation | None:
    """mAP@10 on a data set in the languages that are trained on; None, and said, without a data set."""
    if dataset is None:
        print("No validation data, so the last epoch is kept; give --validation, or clips of split validation.", file=sys.stderr)
        return None
    waveforms = [torch.from_numpy(load(clip.path)) for clip in dataset.clips]
    mixed_in = ENHANCED_CODES if plan.languages is None else plan.languages
    return validation_on(dataset, tokenizer, waveforms, (ENGLISH, *mixed_in) if plan.ratio else (ENGLISH,))


def plan_of(args: argparse.Namespace) -> ClapTraining:
    """The settings that the command asks for: a preset's, fine-tuned where it starts from a checkpoint, and what is said otherwise."""
    plan = TRAININGS[args.preset][0]()
    plan = fine_tuning(plan) if args.init else plan
    said = {key: getattr(args, key) for key in ("epochs", "batch") if getattr(args, key)}
    plan = replace(plan, ratio=args.ratio, regularizer=args.regularizer, seed=args.seed, mode=args.mode, **said)
    return replace(plan, bfloat16=not args.float32, checkpointing=args.checkpointing)


def model_of(args: argparse.Namespace) -> tuple[Clap, Path]:
    """The model that training starts from, and its tokenizer's file."""
    if args.init:
        torch.manual_seed(args.seed)
        model, folder = load_trained(args.init)
        file = text_tokenizer_file(model.config.text, folder)
    else:
        model = start_model(preset(TRAININGS[args.preset][1]), args.ced, args.sonar, args.seed)
        file = _released_tokenizer(args.out) if str(args.sonar) == RELEASED_SONAR else args.sonar / TOKENIZER
    return model, file


def _released_tokenizer(out: Path) -> Path:
    from clap.download import download
    from clap.released import SONAR_TOKENIZER

    download(SONAR_TOKENIZER, _made(out) / TOKENIZER)
    return out / TOKENIZER


def train(args: argparse.Namespace) -> Path:
    """Assemble the data, translate the captions where the ratio asks for it, train, and keep the best epoch."""
    if not args.data and not (args.esc50 and args.pool):
        raise UserError("Give --data NAME or PATH to train on, or --esc50 and --pool for the compact models' own data.")
    plan, fabric = plan_of(args), engine()
    with fabric.rank_zero_first():  # what one process fetches or translates, the others find
        model, file = model_of(args)
        tokenizer = load_text_tokenizer(model.config.text, file.parent)
        source, held = data_of(args, plan, hearing_of(model))
    validate = validation_of(held, tokenizer, plan) if fabric.is_global_zero else None
    return fit(model, tokenizer, source, plan, args.out, validate, fabric, args.workers, tokenizer_file=file)


def _made(folder: Path) -> Path:
    """The folder, there; raises UserError when it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); name another folder.") from error
    return folder


def add_parser(commands: Any) -> None:
    """The `clap` subcommand of `python -m clap.train`."""
    parser = commands.add_parser("clap", help="train or fine-tune CLAP, the baseline (--ratio 0) or mixture LE (--ratio 0.1)")
    parser.add_argument("--ratio", type=float, default=0.0, help="mixing ratio of language enhancement, 0 to 1")
    parser.add_argument("--mode", help="languages mixed in: mixture for seven, or the code of one; all there are by default")
    parser.add_argument("--preset", choices=TRAININGS, default="compact", help="settings and model")
    parser.add_argument("--init", metavar="CHECKPOINT", help="name or folder of a checkpoint to fine-tune, at a tenth of the rates")
    _add_data(parser)
    parser.add_argument("--sonar", type=Path, default=Path("runs/sonar"), help='folder of a run, or "released"')
    parser.add_argument("--ced", type=Path, default=Path("runs/ced"), help="folder of a run, or made by python -m clap convert")
    parser.add_argument("--regularizer", type=float, default=ClapTraining.regularizer, help="weight of the embedding regulariser")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=positive, help="the preset's by default")
    parser.add_argument("--batch", type=positive, help="pairs in a batch over all processes; the preset's by default")
    parser.add_argument("--seed", type=int, default=ClapTraining.seed)
    parser.add_argument("--float32", action="store_true", help="no mixed precision")
    parser.add_argument("--checkpointing", action="store_true", help="compute the towers' blocks twice, to save memory")
    parser.set_defaults(run=train)


def _add_data(parser: Any) -> None:
    mixes = ", or one of " + " and ".join(f"{name} ({', '.join(parts)})" for name, (parts, _) in MIXES.items())
    parser.add_argument("--data", nargs="+", metavar="NAME|PATH", help=f"data sets, one's own folders, or a folder of shards{mixes}")
    parser.add_argument("--esc50", type=Path, help="folder with esc50.csv and audio/; with --pool instead of --data")
    parser.add_argument("--pool", type=Path, help="folder made by python -m clap.synth pool")
    parser.add_argument("--validation", nargs="+", metavar="NAME|PATH", help="data sets that choose among epochs")
    parser.add_argument("--translations", type=Path, default=Path("runs/translations"), help="folder to keep translations in")
    parser.add_argument("--stream", action="store_true", help="read audio from its files each time instead of packing it in memory")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare batches ahead")
