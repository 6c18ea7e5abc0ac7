import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clap.model.loss import embedding_regularizer, info_nce, shared_clip_targets

REFERENCE = Path(__file__).resolve().parents[1] / "reference"


def test_targets_spread_evenly_over_captions_of_a_clip():
    targets = shared_clip_targets(torch.tensor([0, 1, 0]))
    assert torch.equal(targets, torch.tensor([[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]))


def test_hand_computed_loss():
    """Two orthogonal pairs at temperature 1: each row is log(e + 1) - 1."""
    eye = torch.eye(2)
    assert info_nce(eye, eye, 1.0).item() == pytest.approx(torch.log(torch.e * torch.ones(()) + 1).item() - 1, abs=1e-6)


def test_shared_clips_are_not_negatives():
    """The first two pairs show one clip with swapped captions: wholly wrong as two clips, half right as one."""
    audio = torch.eye(3)
    text = audio[[1, 0, 2]]
    apart, shared = info_nce(audio, text, 0.07), info_nce(audio, text, 0.07, torch.tensor([0, 0, 1]))
    assert shared.item() == pytest.approx(apart.item() / 2, rel=1e-3)


def test_reference_values():
    data = load_file(REFERENCE / "loss_reference.safetensors")
    wanted = json.loads((REFERENCE / "loss_reference.json").read_text())
    audio, text = data["audio"], data["text"]
    assert info_nce(audio, text, 0.07).item() == pytest.approx(wanted["one_positive"], abs=1e-6)
    assert info_nce(audio, text, 0.07, data["audio_index"]).item() == pytest.approx(wanted["shared_audio_positives"], abs=1e-6)
    assert embedding_regularizer(audio, text).item() == pytest.approx(wanted["embedding_regularization"], abs=1e-6)
