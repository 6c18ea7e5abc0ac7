import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from clap.data.datasets import SPLITS, load_dataset
from clap.data.lexicon import load_lexicon
from clap.languages import CODES
from clap.model.sonar import tokenize
from clap.text import normalize_caption
from clap.train import corpus
from clap.train.sonar import SonarTraining, Translator, loss_of, similarity_search, train


def test_corpus_is_parallel_and_follows_the_seed():
    lexicon = load_lexicon()
    first, again = (next(corpus.samples(lexicon, np.random.default_rng(4))) for _ in range(2))
    assert first == again and set(first.by_language) == set(CODES)


def test_held_out_sentences_are_never_trained_on():
    lexicon = load_lexicon()
    held = {text.by_language["eng_Latn"] for text in corpus.held_out(lexicon)}
    stream = corpus.samples(lexicon, np.random.default_rng(0))
    seen = {next(stream).by_language["eng_Latn"] for _ in range(5000)}
    assert len(held) > 20 and not held & seen


def test_captions_of_the_training_split_are_in_the_corpus_and_those_of_the_others_are_not():
    texts = {text.by_language["eng_Latn"] for text in corpus.free_texts(load_lexicon())}
    captions = {split: {normalize_caption(c.text) for c in load_dataset(f"gallery-{split}").captions_in("eng_Latn")} for split in SPLITS}
    assert captions["train"] <= texts and not texts & (captions["validation"] | captions["test"])


def test_batches_pair_languages_of_one_sentence():
    lexicon = load_lexicon()
    rows = next(corpus.batches(lexicon, 8, np.random.default_rng(0), pool=2))
    assert len(rows) == 8 and all({source, target} <= set(CODES) for source, target, _, _ in rows)


def test_loss_counts_both_directions_and_prefers_aligned_embeddings(tiny_text, tokenizer):
    torch.manual_seed(0)
    model = Translator(tiny_text).eval()
    rows = [("eng_Latn", "fra_Latn", "rain", "pluie"), ("eng_Latn", "deu_Latn", "dog", "hund")]
    swapped = [(target, source, there, here) for source, target, here, there in rows]
    with torch.inference_mode():
        translation, alignment = loss_of(model, tokenizer, rows)
        again, mirrored = loss_of(model, tokenizer, swapped)
    assert translation.item() == pytest.approx(again.item(), rel=1e-5)
    assert alignment.item() == pytest.approx(mirrored.item(), rel=1e-5)


def test_a_short_training_learns_and_writes_a_model(tiny_text, tmp_path):
    out = train(tmp_path, SonarTraining(steps=30, batch=16, learning_rate=5e-3, warmup=3, every=10), replace(tiny_text, max_seq_len=128))
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20, 30] and rows[-1]["translation"] < rows[0]["translation"] - 0.3
    assert out.is_file() and (tmp_path / "sentencepiece.model").is_file()
    assert set(rows[-1]["similarity_search"]) == set(CODES) - {"eng_Latn"}


def test_similarity_search_of_equal_texts_is_perfect(tiny_text, tokenizer, monkeypatch):
    """A model that ignores the language token would find every equal text; ours is asked for English in every language."""
    torch.manual_seed(0)
    model = Translator(tiny_text)
    texts = [corpus.ParallelText(dict.fromkeys(CODES, f"{word} {word}")) for word in ("rain", "dog", "piano", "siren")]
    monkeypatch.setattr("clap.train.sonar.sonar.tokenize", lambda tok, t, code, *mode: tokenize(tok, t, "eng_Latn", *mode))
    assert set(similarity_search(model, tokenizer, texts).values()) == {1.0}
