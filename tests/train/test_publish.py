import json

import pytest
import torch

from clap.checkpoints import load_encoder
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


def test_minutes_add_up_over_restarts(tmp_path):
    (tmp_path / "log.jsonl").write_text("".join(json.dumps({"seconds": s}) + "\n" for s in (10, 70, 20, 50)))
    assert minutes_of(tmp_path) == 2.0


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="train first"):
        publish(tmp_path, "mine", "clap", dict(ABOUT), tmp_path)
