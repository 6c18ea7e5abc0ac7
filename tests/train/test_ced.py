import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open

from clap.config import CedConfig
from clap.data.lexicon import load_lexicon
from clap.data.records import Clip
from clap.errors import UserError
from clap.model.ced import Ced
from clap.train import ced as training
from clap.weights import load_weights

TINY = CedConfig(embed_dim=24, depth=2, num_heads=2, outputdim=2, drop_path=0.1, time_patch_dropout=0.25)
CLASSES = ("dog", "rain")


def clip(events, path=Path("a.wav")):
    rows = tuple({"class": name, "start_s": start, "end_s": end} for name, start, end in events)
    return Clip("a", path, "train", 10.0, "CC0", events=rows)


def some_data(count=12):
    logmels = [torch.randn(64, 96, generator=torch.Generator().manual_seed(n)).half() for n in range(count)]
    return training.Tagged(logmels, torch.eye(2).repeat(count // 2, 1), CLASSES)


def test_a_crop_is_tagged_only_with_what_is_heard_in_it():
    """A dog in the first crop, rain in the second: neither may be blamed for the other's sound."""
    rows = list(training.stretches(clip([("dog", 0.5, 2.0), ("rain", 6.0, 9.0)]), torch.zeros(64, 992), CLASSES))
    assert [target.tolist() for _, target in rows] == [[1, 0], [0, 1]]


def test_a_background_is_heard_throughout_and_shares_the_target():
    rows = list(training.stretches(clip([("rain", 0.0, 9.9), ("dog", 1.0, 1.2)]), torch.zeros(64, 992), CLASSES))
    assert [target.tolist() for _, target in rows] == [[0.5, 0.5], [0, 1]]


def test_a_five_second_clip_is_one_crop():
    assert len(list(training.stretches(clip([("dog", 0.0, 5.0)]), torch.zeros(64, 501), CLASSES))) == 1


def test_an_unknown_class_is_refused():
    with pytest.raises(UserError, match="'whale'"):
        training.heard(clip([("whale", 0.0, 5.0)]), 0.0, 5.0, CLASSES)


def fit(out, epochs, monkeypatch=None, stop=None):
    """Train from one seed for `epochs`, or break off in the epoch `stop`."""
    torch.manual_seed(0)
    ced, calls = Ced(TINY), []
    if stop:

        def fail(*_):
            calls.append(1)
            if len(calls) > stop:
                raise KeyboardInterrupt
            return 0.0

        monkeypatch.setattr(training, "accuracy", fail)
    training.fit(ced, some_data(), 12, some_data(4), training.CedTraining(epochs=epochs, batch=4, pool_share=0.0), out)
    return ced.state_dict()


def test_a_broken_off_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    whole = fit(tmp_path / "whole", 4)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "halves", 4, patch, stop=2)
    halves = fit(tmp_path / "halves", 4)
    assert all(torch.equal(value, halves[key]) for key, value in whole.items())


def test_a_run_of_another_length_is_not_continued(tmp_path):
    fit(tmp_path, 2)
    with pytest.raises(UserError, match="give another --out"):
        fit(tmp_path, 5)


def test_the_file_carries_its_configuration_and_its_classes(tmp_path):
    fit(tmp_path, 1)
    state, config = load_weights(tmp_path / "model.safetensors", CedConfig)
    assert config == TINY and set(state) == set(Ced(TINY).state_dict())
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert json.loads(file.metadata()["classes"]) == list(CLASSES)


def write_esc50(root):
    (root / "audio").mkdir(parents=True)
    lines = ["filename,fold,category,esc10,source_title,source_url,author,licence"]
    for fold in (1, 4):
        for number, name in enumerate(CLASSES):
            soundfile.write(root / "audio" / f"{fold}-{name}.flac", np.random.default_rng(number).normal(0, 0.1, 80_000), 16_000)
            lines.append(f"{fold}-{name}.flac,{fold},{name},True,t,u,a,{'CC0' if number else 'CC-BY-NC'}")
    (root / "esc50.csv").write_text("\n".join(lines) + "\n")


def test_training_takes_free_clips_the_recipes_dropout_and_the_lexicons_classes(tmp_path, monkeypatch):
    write_esc50(tmp_path / "esc50")
    seen = {}
    monkeypatch.setattr(training, "fit", lambda ced, data, real, held, *_: seen.update(ced=ced, data=data, real=real, held=held))
    training.train(training.tagging_data(tmp_path / "esc50", None), tmp_path / "out", training.CedTraining())
    assert seen["real"] == len(seen["data"].logmels) == 1 and len(seen["held"].logmels) == 2
    assert seen["ced"].config.time_patch_dropout == 0.25 and seen["ced"].config.drop_path == 0.1
    names = load_lexicon().class_names
    assert seen["data"].classes == names and names[int(seen["data"].targets[0].argmax())] == "rain"
