import json
from dataclasses import replace

import pytest
import torch

from clap.checkpoints import load_encoder
from clap.config import BertConfig
from clap.errors import UserError
from clap.model.clap import Clap
from clap.train.publish import minutes_of, publish
from clap.weights import save_weights

ABOUT = {
    "title": "t",
    "licence": "MIT",
    "trained_on": "noise",
    "command": "python -m clap.train clap",
    "seed": 3,
    "languages": ["eng_Latn"],
}


def test_a_published_run_is_a_checkpoint(tiny, tokenizer_file, tmp_path):
    torch.manual_seed(0)
    run, shelf = tmp_path / "run", tmp_path / "shelf"
    run.mkdir()
    save_weights(run / "model.safetensors", Clap(tiny).state_dict(), tiny)
    (run / "sentencepiece.model").write_bytes(tokenizer_file.read_bytes())
    (run / "data").write_text("d" * 64)
    (run / "log.jsonl").write_text('{"seconds": 60.0}\n{"seconds": 90.0}\n{"seconds": 30.0}\n')
    out = publish(run, "mine", "clap", dict(ABOUT), shelf)
    made = json.loads((out / "card.json").read_text())["made"]
    assert made == {"command": "python -m clap.train clap", "seed": 3, "minutes": 2.0, "data_sha256": "d" * 64}
    assert load_encoder("mine", shelf).embed_text(["rain"], "eng_Latn").shape == (1, 32)


def test_a_bert_checkpoint_keeps_its_own_tokenizer_which_is_verified(tiny, tmp_path):
    run, shelf = tmp_path / "run", tmp_path / "shelf"
    run.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "falls"]
    text = BertConfig(model_dim=32, num_layers=1, num_heads=2, ffn_inner_dim=64, max_seq_len=12, vocab_size=len(words))
    config = replace(tiny, text=text)
    save_weights(run / "model.safetensors", Clap(config).state_dict(), config)
    (run / "vocab.txt").write_text("\n".join(words) + "\n")
    (run / "log.jsonl").write_text('{"seconds": 60.0}\n')
    with pytest.raises(UserError, match="does not read fra_Latn; it reads eng_Latn"):
        publish(run, "bert", "clap", {**ABOUT, "languages": ["eng_Latn", "fra_Latn"]}, shelf)
    assert not shelf.exists()
    out = publish(run, "bert", "clap", {**ABOUT, "languages": None}, shelf)
    assert json.loads((out / "card.json").read_text())["languages"] == ["eng_Latn"]
    assert load_encoder("bert", shelf).embed_text(["rain falls"], "eng_Latn").shape == (1, 32)
    (out / "vocab.txt").write_text("\n".join(reversed(words)) + "\n")
    with pytest.raises(UserError, match="vocab.txt of 'bert' has SHA-256"):
        load_encoder("bert", shelf)


def test_nothing_is_written_for_a_name_or_a_run_that_will_not_do(tiny, tmp_path):
    run, shelf = tmp_path / "run", tmp_path / "shelf"
    run.mkdir()
    save_weights(run / "model.safetensors", Clap(tiny).state_dict(), tiny)
    with pytest.raises(UserError, match="'a b' cannot be a checkpoint's name"):
        publish(run, "a b", "clap", dict(ABOUT), shelf)
    with pytest.raises(UserError, match="holds no log.jsonl"):
        publish(run, "mine", "clap", dict(ABOUT), shelf)
    assert not shelf.exists()


def test_minutes_add_up_over_restarts(tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({"seconds": s}) + "\n" for s in (10, 70, 20, 50)))
    assert minutes_of(tmp_path) == 2.0


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="train first"):
        publish(tmp_path, "mine", "clap", dict(ABOUT), tmp_path)
