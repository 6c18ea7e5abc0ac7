import dataclasses
import json

import pytest
from safetensors import safe_open

from clap.checkpoints import SHIPPED
from clap.config import BertConfig, ClapConfig, SonarSpeechConfig, from_dict, to_dict
from clap.errors import UserError
from clap.presets import PRESETS, ced_bert, compact, ml_clap, preset, sonar_se_clap


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_way_through_json_data(name):
    config = preset(name)
    assert from_dict(type(config), json.loads(json.dumps(to_dict(config)))) == config


def test_stored_towers_name_their_kind():
    stored = {name: to_dict(preset(name)) for name in ("ml-clap", "sonar-se-clap", "ced-bert")}
    kinds = {name: (data["audio"]["kind"], data["text"]["kind"]) for name, data in stored.items()}
    assert kinds == {"ml-clap": ("ced", "sonar"), "sonar-se-clap": ("sonar-speech", "sonar"), "ced-bert": ("ced", "bert")}


@pytest.mark.parametrize("name", ["compact-baseline", "compact-mixture-le"])
def test_the_first_checkpoints_have_no_kind_and_load_all_the_same(name):
    with safe_open(SHIPPED / name / "model.safetensors", "pt") as file:
        data = json.loads(file.metadata()["config"])
    config = from_dict(ClapConfig, data)
    for tower in ("audio", "text"):
        data[tower].pop("kind", None)
    assert from_dict(ClapConfig, data) == config == compact()


def test_unknown_kinds_are_refused_with_the_valid_ones():
    data = to_dict(compact())
    data["audio"]["kind"] = "bert"
    with pytest.raises(UserError, match="no audio tower of kind 'bert'; the kinds are ced, sonar-speech"):
        from_dict(ClapConfig, data)


def test_keys_of_another_kind_are_refused():
    data = to_dict(ced_bert())
    data["text"]["num_decoder_layers"] = 2
    with pytest.raises(UserError, match="BertConfig has no 'num_decoder_layers'; its keys are model_dim, num_layers"):
        from_dict(ClapConfig, data)


def test_unknown_keys_are_refused_with_the_valid_ones():
    data = to_dict(compact())
    data["audio"]["widht"] = 3
    with pytest.raises(UserError, match="'widht'.*embed_dim"):
        from_dict(ClapConfig, data)


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(UserError, match="ml-clap"):
        preset("huge")


def test_the_papers_settings():
    config = ml_clap()
    assert (config.audio.embed_dim, config.audio.depth, config.text.model_dim, config.temperature) == (768, 12, 1024, 0.07)
    assert config.audio.time_patch_dropout == config.audio.freq_patch_dropout == 0.25


def test_the_papers_other_towers_change_one_tower_each():
    assert dataclasses.replace(sonar_se_clap(), audio=ml_clap().audio) == ml_clap() == dataclasses.replace(ced_bert(), text=ml_clap().text)
    assert isinstance(sonar_se_clap().audio, SonarSpeechConfig) and isinstance(ced_bert().text, BertConfig)


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        compact().joint_dim = 1
