import json

import numpy as np
import pytest
import torch

from clap.config import CedConfig, ClapConfig
from clap.data.records import Caption
from clap.errors import UserError
from clap.languages import ENGLISH, ENHANCED_CODES
from clap.model.clap import Clap
from clap.train import ced as ced_training
from clap.train import clap as clap_training
from clap.train.augment import augment_logmel, mix
from clap.train.clap import ClapTraining, TrainingData, encode_clips, fit, paper_training
from clap.weights import load_weights

TINY_CED = CedConfig(embed_dim=48, depth=2, num_heads=3, outputdim=2)


def tone_logmel(band, frames=96):
    """A spectrogram with one loud band: what a clip of one pitch looks like."""
    out = torch.full((64, frames), -60.0) + torch.rand(64, frames)
    out[band : band + 20] = -10
    return out


@pytest.fixture
def data():
    bands = {"low": 0, "high": 44, "middle": 22}
    captions = [
        Caption(f"{clip}-{n}", clip, ENGLISH, f"a {clip} tone" if n else f"the {clip} one", "machine") for clip in bands for n in (0, 1)
    ]
    captions += [Caption(f"{clip}-fr", clip, ENHANCED_CODES[0], f"un son {clip}", "machine") for clip in bands]
    return TrainingData({clip: tone_logmel(band) for clip, band in bands.items()}, tuple(captions))


def quick(model):
    """The model with a batch norm that settles within a short test."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    return model


def run(tiny, tokenizer, data, out, epochs, stop=None, ratio=1.0):
    """Train for `epochs`, or break off after epoch `stop`."""
    torch.manual_seed(0)
    model, seen = quick(Clap(tiny)), []

    def validate(_):
        seen.append(1)
        if stop and len(seen) == stop + 1:
            raise KeyboardInterrupt
        return {"score": float(len(list(out.glob("log.jsonl")) and (out / "log.jsonl").read_text().splitlines()))}

    try:
        fit(model, tokenizer, data, ClapTraining(ratio, epochs, 6, 2e-3, 1e-3), out, validate)
    except KeyboardInterrupt:
        model = None
    return model


def test_training_lowers_the_loss_and_finds_the_pairs(tiny, tokenizer, data, tmp_path):
    model = run(tiny, tokenizer, data, tmp_path, 60).eval()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.6 * losses[0]
    clips = list(data.spectrograms)
    with torch.inference_mode():
        audio = encode_clips(model, [data.spectrograms[clip] for clip in clips])
        ids = [clap_training.sonar.tokenize(tokenizer, [f"a {clip} tone"], ENGLISH)[0] for clip in clips]
        assert (model.encode_tokens(ids) @ audio.T).argmax(dim=1).tolist() == [0, 1, 2]
    state, config = load_weights(tmp_path / "model.safetensors", ClapConfig)
    assert config == tiny and set(state) == set(model.state_dict())


def test_a_broken_off_run_goes_on_to_the_same_weights(tiny, tokenizer, data, tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "halves").mkdir()
    whole = run(tiny, tokenizer, data, tmp_path / "whole", 4)
    assert run(tiny, tokenizer, data, tmp_path / "halves", 4, stop=2) is None
    halves = run(tiny, tokenizer, data, tmp_path / "halves", 4)
    assert all(torch.equal(value, halves.state_dict()[key]) for key, value in whole.state_dict().items())


def test_a_loss_that_is_no_number_stops_with_its_place(tiny, tokenizer, data, tmp_path):
    broken = TrainingData({**data.spectrograms, "low": torch.full((64, 96), torch.nan)}, data.captions)
    with pytest.raises(UserError, match="epoch 1, batch 1"):
        run(tiny, tokenizer, broken, tmp_path, 1)


def test_captions_without_audio_are_told(data):
    with pytest.raises(UserError, match="high"):
        TrainingData({clip: data.spectrograms[clip] for clip in ("low", "middle")}, data.captions)


def test_groups_of_lengths_come_back_in_order(tiny):
    model = Clap(tiny).eval()
    clips = [tone_logmel(8, frames) for frames in (96, 48, 80)]
    with torch.inference_mode():
        together = encode_clips(model, [clips[0], clips[0]])
        assert torch.allclose(together[0], model.encode_spectrogram(clips[0][None])[0], atol=1e-5)
        assert encode_clips(model, clips)[0].allclose(together[0], atol=1e-5)


def test_the_papers_settings():
    plan = paper_training(ratio=0.1)
    assert (plan.epochs, plan.batch, plan.learning_rate, plan.tower_rate, plan.ratio) == (20, 128, 5e-5, 5e-5, 0.1)
    assert paper_training(fine_tune=True).learning_rate == 5e-6


def test_tagger_learns_two_classes(tmp_path):
    torch.manual_seed(0)
    logmels = [tone_logmel(band, 120).half() for band in (0, 44)] * 16
    data = ced_training.Tagged(logmels, torch.eye(2).repeat(16, 1))
    plan = ced_training.CedTraining(epochs=6, batch=8, pool_share=0.0)
    ced_training.fit(quick(ced_training.Ced(TINY_CED)), data, 32, data, plan, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["validation_accuracy"] == 1.0 and rows[-1]["loss"] < rows[0]["loss"]


def test_augmentation_keeps_the_shape_and_changes_the_values():
    logmel, rng = tone_logmel(8, 300), np.random.default_rng(0)
    made = augment_logmel(logmel, rng, 200)
    assert made.shape == (64, 200) and not torch.equal(made, logmel[:, :200])
    assert torch.allclose(mix(logmel, logmel - 5, 10.0), logmel + 5, atol=1e-4)


def test_epochs_take_their_share_of_the_pool():
    rows = ced_training.epoch_rows(300, 1000, 0.25, np.random.default_rng(0))
    assert len(rows) == 400 and set(range(300)) <= set(rows.tolist()) and len(set(rows.tolist())) == 400
