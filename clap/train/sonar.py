"""Train SONAR-compact as SONAR is trained: translate between the languages through one fixed-size sentence embedding.

Duquenne et al. 2023, section 3: a translation loss, plus one that draws the embeddings of a sentence and of its
translation together, which makes the space language-agnostic. SONAR starts from a trained translator and takes the mean
squared error for the second; from scratch that collapses the space before it holds anything, so here it is contrastive:
a sentence's embedding must be nearer to its own translation's than to those of the rest of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from clap.config import SonarConfig
from clap.data.lexicon import load_lexicon
from clap.languages import CODES, ENGLISH
from clap.model import sonar
from clap.model.loss import info_nce
from clap.presets import sonar_compact
from clap.train import corpus
from clap.train.state import Progress, load_state, save_state
from clap.weights import save_weights

ALIGNMENT_WEIGHT = 0.5
ALIGNMENT_TEMPERATURE = 0.05


@dataclass(frozen=True)
class SonarTraining:
    """How long and how fast: `steps` of `batch` sentence pairs, AdamW with warm-up and cosine decay to zero."""

    steps: int = 2400
    batch: int = 128
    learning_rate: float = 2.5e-3
    warmup: int = 150
    seed: int = 0
    every: int = 200


class Translator(nn.Module):
    """Encoder and decoder in one module, so that they share an optimiser and a checkpoint."""

    def __init__(self, config: SonarConfig) -> None:
        super().__init__()
        self.encoder = sonar.build_encoder(config)
        self.decoder = sonar.build_decoder(config)


def train_tokenizer(path: Path, vocab_size: int) -> None:
    """Train the SentencePiece model (unigram) on the corpus; fairseq2 adds pad, language and control tokens around it."""
    import sentencepiece

    lines = corpus.tokenizer_lines(load_lexicon())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, vocab_size=vocab_size, character_coverage=1.0,
            unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
        )  # fmt: skip


def loss_of(model: Translator, tokenizer: Any, rows: list[corpus.Row]) -> tuple[Tensor, Tensor]:
    """Translation cross-entropy per token, both ways, and alignment loss of rows."""
    texts = [(here, text) for here, _, text, _ in rows] + [(there, text) for _, there, _, text in rows]
    source = [sonar.tokenize(tokenizer, [text], code)[0] for code, text in texts]
    target = [sonar.tokenize(tokenizer, [text], code, "target")[0] for code, text in texts[len(rows) :] + texts[: len(rows)]]
    embeddings = sonar.encode_tokens(model.encoder, source).float()
    logits, wanted = sonar.decode_logits(model.decoder, embeddings, target)
    translation = F.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=sonar.TOKENIZER_PAD)
    here, there = F.normalize(embeddings, dim=-1).chunk(2)
    return translation, info_nce(here, there, ALIGNMENT_TEMPERATURE)


@torch.inference_mode()
def similarity_search(model: Translator, tokenizer: Any, texts: list[corpus.ParallelText]) -> dict[str, float]:
    """Per language, how often a held-out sentence's nearest English embedding is its own translation."""
    model.eval()
    vectors = {}
    for code in CODES:
        ids = sonar.tokenize(tokenizer, [text.by_language[code] for text in texts], code)
        vectors[code] = F.normalize(sonar.encode_tokens(model.encoder, ids).float(), dim=-1)
    truth = torch.arange(len(texts))
    scores = {code: vectors[code] @ vectors[ENGLISH].T for code in CODES if code != ENGLISH}
    return {code: float((score.argmax(dim=1) == truth).float().mean()) for code, score in scores.items()}


def train(out: Path, plan: SonarTraining = SonarTraining(), config: SonarConfig | None = None) -> Path:
    """Train (or go on from `out/last.pt`) and write `out/model.safetensors`, `out/sentencepiece.model` and `out/log.jsonl`."""
    config = config or sonar_compact()
    tokenizer_path = out / "sentencepiece.model"
    if not tokenizer_path.exists():
        train_tokenizer(tokenizer_path, config.vocab_size - 1 - len(CODES) - sonar.CONTROL_TOKENS)
    tokenizer = sonar.load_tokenizer(tokenizer_path)
    (out / "data").write_text(corpus.corpus_hash(load_lexicon()))
    torch.manual_seed(plan.seed)
    model = Translator(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.learning_rate, total_steps=plan.steps, pct_start=plan.warmup / plan.steps, div_factor=100
    )
    start = load_state(out / "last.pt", model, optimizer, schedule)
    batches = corpus.batches(load_lexicon(), plan.batch, np.random.default_rng([plan.seed, start]))
    progress = Progress(out / "log.jsonl", start, plan.steps)
    for step in range(start, plan.steps):
        model.train()
        optimizer.zero_grad()
        with sdpa_kernel(SDPBackend.MATH):  # on short sequences the plain kernel trains a fifth faster on a CPU
            with torch.autocast("cpu", torch.bfloat16):
                translation, alignment = loss_of(model, tokenizer, next(batches))
            (translation + ALIGNMENT_WEIGHT * alignment).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.add(translation=translation.item(), alignment=alignment.item())
        if (step + 1) % plan.every == 0 or step + 1 == plan.steps:
            progress.report(step + 1, similarity_search=similarity_search(model, tokenizer, corpus.held_out(load_lexicon())))
            save_state(out / "last.pt", step + 1, model, optimizer, schedule)
    return save_weights(out / "model.safetensors", model.state_dict(), config)


def add_parser(commands: Any) -> None:
    """The `sonar` subcommand of `python -m clap.train`."""
    parser = commands.add_parser("sonar", help="train SONAR-compact by translation between the eight languages")
    parser.add_argument("--out", type=Path, default=Path("runs/sonar"))
    parser.add_argument("--steps", type=int, default=SonarTraining.steps)
    parser.add_argument("--batch", type=int, default=SonarTraining.batch)
    parser.add_argument("--seed", type=int, default=SonarTraining.seed)
    parser.set_defaults(run=lambda a: train(a.out, SonarTraining(steps=a.steps, batch=a.batch, seed=a.seed)))
