import json

import pytest
import torch

from clap.checkpoints import CARD, WEIGHTS, available, get_card, load_encoder, load_weights, save_weights, sha256_of
from clap.config import CedConfig, ClapConfig
from clap.errors import UserError
from clap.presets import ced_compact

STATE = {"a": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)}


def write_card(folder, name, **change):
    card = {
        "name": name,
        "title": "t",
        "kind": "clap",
        "languages": ["eng_Latn"],
        "licence": "MIT",
        "trained_on": "nothing",
        "made": {},
        "sha256": "0" * 64,
        "tokenizer_sha256": "",
    }
    (folder / CARD).write_text(json.dumps({**card, **change}))


def test_weights_carry_their_configuration(tmp_path):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact(), half=True)
    state, config = load_weights(path, CedConfig)
    assert config == ced_compact() and state["a"].dtype == torch.float32
    assert all(torch.equal(STATE[key], state[key]) for key in STATE)


def test_a_file_cut_short_is_told(tmp_path):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_weights(path, CedConfig)


def test_another_models_weights_are_refused(tmp_path):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact())
    with pytest.raises(UserError, match="ClapConfig has no"):
        load_weights(path, ClapConfig)


def test_registry(tmp_path):
    for name, kind in (("b", "clap"), ("a", "clap"), ("c", "sonar")):
        (tmp_path / name).mkdir()
        write_card(tmp_path / name, name, kind=kind)
    assert [card.name for card in available(tmp_path)] == ["a", "b"]
    with pytest.raises(UserError, match="Unknown checkpoint 'x'; the checkpoints are a, b"):
        get_card("x", tmp_path)


def test_a_broken_card_and_missing_weights_are_sentences(tmp_path):
    (tmp_path / "a").mkdir()
    write_card(tmp_path / "a", "a")
    with pytest.raises(UserError, match="lacks its model.safetensors"):
        load_encoder("a", tmp_path)
    (tmp_path / "a" / CARD).write_text("{")
    with pytest.raises(UserError, match="a/card.json is no card"):
        available(tmp_path)


def test_weights_other_than_the_cards_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    save_weights(tmp_path / "a" / WEIGHTS, STATE, ced_compact())
    write_card(tmp_path / "a", "a")
    with pytest.raises(UserError, match="its card says 000000000000"):
        load_encoder("a", tmp_path)


@pytest.mark.parametrize(("name", "languages"), [("compact-baseline", 1), ("compact-mixture-le", 8)])
def test_the_shipped_checkpoints_are_whole(name, languages):
    card = get_card(name)
    assert card.sha256 == sha256_of(card.folder / WEIGHTS) and len(card.languages) == languages
    assert card.made["command"].startswith("python -m clap.train") and len(card.made["data_sha256"]) == 64 and card.made["minutes"] > 0
    encoder = load_encoder(name)
    vectors = encoder.embed_text(["a dog barks"], "eng_Latn")
    assert vectors.shape == (1, encoder.dim) and encoder.fingerprint == card.sha256
