import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from clap import systems
from clap.errors import UserError
from clap.systems import common

ROOT = Path(__file__).resolve().parents[2]


def test_the_core_imports_none_of_them():
    """Neither the library nor the evaluation nor the app, nor the adapters themselves before they are asked to load."""
    packages = ("msclap", "glap_model", "dasheng", "torchlibrosa", "transformers.models.clap")
    modules = ["clap.search", "clap.checkpoints", "clap.model.clap", "eval.results", "eval.retrieval", "eval.dashboard.page", "app"]
    modules += [f"clap.systems.{name}" for name in ("common", *systems.MODULES.values())]
    code = f"import sys, importlib; [importlib.import_module(n) for n in {modules!r}]; print([m for m in {packages!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_an_unknown_kind_is_told():
    with pytest.raises(UserError, match="laion-clap, ms-clap, glap"):
        systems.load("clip", "mine", "somewhere")


@pytest.mark.parametrize(("kind", "package", "command"), [
    ("laion-clap", "transformers", "pip install -r requirements-extras.txt."),
    ("ms-clap", "msclap", "pip install -r requirements-extras.txt and then pip install --no-deps msclap"),
    ("glap", "glap_model.models", "pip install -r requirements-extras.txt."),
])  # fmt: skip
def test_a_missing_package_is_a_sentence_with_the_command(kind, package, command, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError) as raised:
        systems.load(kind, "mine", "nowhere")
    assert command in str(raised.value) and package in str(raised.value)


def test_the_requirements_name_the_versions_of_the_command():
    text = (ROOT / "requirements-extras.txt").read_text()
    assert "pip install --no-deps msclap==1.3.4" in text and common.INSTALL in text


def test_the_fingerprint_is_of_the_weights():
    torch.manual_seed(0)
    model, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    assert common.fingerprint(model) == common.fingerprint(other)
    other.running_mean[1] = 1
    assert common.fingerprint(model) != common.fingerprint(other)


def test_resampling_keeps_a_tone():
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000).astype(np.float32)
    for rate in (44_100, 48_000):
        wanted = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        assert np.abs(common.resampled(tone, rate) - wanted)[1000:-1000].max() < 0.01


def test_what_chance_would_fill_must_be_there():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].bias.requires_grad = False
    common.require_learned(model, {"0.bias", "1.num_batches_tracked"}, "X", "x.pt")
    for key in ("0.weight", "1.running_var"):
        with pytest.raises(UserError, match=f"x.pt lacks 1 weights of X, the first {key}"):
            common.require_learned(model, {key}, "X", "x.pt")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("data", [Evil(), {"model": Evil()}, {"weights": {}}, [1]])
def test_a_checkpoint_is_data_and_nothing_is_executed(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(data, "evil.pt")
    with pytest.raises(UserError, match="evil.pt (holds code .*nothing in it was run|is no checkpoint of X)"):
        common.read_checkpoint(Path("evil.pt"), "X")
    assert not Path("made-by-a-pickle").exists()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", pickle.dumps(Evil())])
def test_a_broken_checkpoint_is_told(data, tmp_path):
    (tmp_path / "broken.pt").write_bytes(data)
    with pytest.raises(UserError, match="X cannot be loaded: broken.pt is cut short"):
        common.read_checkpoint(tmp_path / "broken.pt", "X")
