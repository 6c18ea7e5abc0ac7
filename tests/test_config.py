import dataclasses

import pytest

from clap.config import ClapConfig, from_dict, to_dict
from clap.errors import UserError
from clap.presets import PRESETS, compact, ml_clap, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_the_way_through_json_data(name):
    config = preset(name)
    assert from_dict(type(config), to_dict(config)) == config


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


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        compact().joint_dim = 1
