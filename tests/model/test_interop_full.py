"""A released ML-CLAP at full width: 856 million random weights under the released names, from `.pt` to embeddings.

Each step runs in a process of its own, so that its peak of memory is known.
"""

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASED, CONVERTED = "pretrain.pt", "converted"
CAPTIONS = ["a dog barks", "rain falls on a tin roof while a train passes by", "piano"]
GIGABYTE = 1e9


def embed(loaded):
    """Audio and text embeddings `(5, 1024)` of a loaded model, one clip being longer than a chunk."""
    from clap.model.clap import ClapEncoder

    encoder = ClapEncoder("full", "", loaded)
    waveforms = [np.random.default_rng(n).normal(0, 0.1, 16_000 * seconds).astype(np.float32) for n, seconds in enumerate((2, 12))]
    return np.concatenate([encoder.embed_audio(waveforms), encoder.embed_text(CAPTIONS, "fra_Latn")])


def make(folder):
    """Random weights under the released names, as the authors saved theirs."""
    import torch

    from clap.presets import ml_clap
    from tests.model.released import ml_clap_shapes, random_state

    state = random_state(ml_clap_shapes(ml_clap()))
    torch.save(state, folder / RELEASED)
    return {"weights": sum(value.numel() for value in state.values()), "tensors": len(state)}


def convert(folder):
    from clap.model.interop import convert

    return {"sha256": convert(folder / RELEASED, "ml-clap", folder / CONVERTED)}


def convert_small(folder):
    from clap.model.interop import convert

    return {"sha256": convert(folder / RELEASED, "ml-clap", folder / "bfloat16", "bfloat16")}


def direct(folder):
    """What torch and the model's classes give without any of this project's loading."""
    import torch

    from clap.model.clap import Clap
    from clap.model.sonar import load_tokenizer
    from clap.presets import ml_clap

    model = Clap(ml_clap())
    model.load_state_dict(torch.load(folder / RELEASED, weights_only=True, mmap=True))
    np.save(folder / "direct.npy", embed((model.eval(), load_tokenizer(folder / "sentencepiece.model", "nllb"))))
    return {}


def load_from(folder, name):
    from clap.weights import load_clap

    (folder / name / "sentencepiece.model").write_bytes((folder / "sentencepiece.model").read_bytes())
    return load_clap(folder / name)


def load_one(folder):
    np.save(folder / "one.npy", embed(load_from(folder, CONVERTED)))
    return {}


def load_small(folder):
    np.save(folder / "small.npy", embed(load_from(folder, "bfloat16")))
    return {}


def copy(folder):
    """A second file, so that the two models share no page of memory."""
    (folder / "other").mkdir()
    shutil.copyfile(folder / CONVERTED / "model.safetensors", folder / "other" / "model.safetensors")
    return {}


def load_two(folder):
    models = [load_from(folder, name) for name in (CONVERTED, "other")]
    np.save(folder / "two.npy", np.stack([embed(model) for model in models]))
    return {}


STEPS = (make, convert, convert_small, direct, load_one, load_small, copy, load_two)


def run(step, folder):
    done = subprocess.run([sys.executable, __file__, step.__name__, str(folder)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_released_checkpoint_at_full_width(tokenizer_file, tmp_path):
    """Takes 12 GB of disk and two minutes."""
    (tmp_path / "sentencepiece.model").write_bytes(tokenizer_file.read_bytes())
    told = {step.__name__: run(step, tmp_path) for step in STEPS}
    print(json.dumps(told, indent=1))
    assert told["make"]["tensors"] == 557 and told["make"]["weights"] > 855_000_000
    for step in ("convert", "convert_small", "load_one", "load_small"):
        assert told[step]["peak_gigabytes"] < 6, step
    assert told["load_two"]["peak_gigabytes"] < 12
    expected = np.load(tmp_path / "direct.npy")
    assert np.ptp(expected @ expected.T) > 0.1 and np.array_equal(np.load(tmp_path / "one.npy"), expected)
    assert all(np.array_equal(vectors, expected) for vectors in np.load(tmp_path / "two.npy"))
    assert (np.load(tmp_path / "small.npy") * expected).sum(axis=1).min() > 0.999


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.stdout, out = sys.stderr, sys.stdout
    began = time.monotonic()
    result = globals()[sys.argv[1]](Path(sys.argv[2]))
    result |= {"peak_gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIGABYTE, "seconds": time.monotonic() - began}
    print(json.dumps(result), file=out)
