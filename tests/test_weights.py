import threading

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from clap.checkpoints import SHIPPED
from clap.config import CedConfig, ClapConfig
from clap.errors import UserError
from clap.model.clap import Clap, ClapEncoder
from clap.presets import ced_bert, ced_compact, ml_clap, sonar_se_clap
from clap.weights import TOKENIZER, WEIGHTS, load_clap, load_strictly, load_weights, save_weights, without_memory

STATE = {"a": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)}


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_weights_carry_their_configuration(tmp_path, dtype):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact(), dtype)
    state, config = load_weights(path, CedConfig)
    assert config == ced_compact() and state["a"].dtype == torch.float32 and state["count"].dtype == torch.int64
    assert all(torch.equal(STATE[key], state[key]) for key in STATE)


def test_smaller_types_take_half_the_room(tmp_path):
    state = {"a": torch.zeros(1000, 1000)}
    sizes = [save_weights(tmp_path / dtype, state, ced_compact(), dtype).stat().st_size for dtype in ("float32", "bfloat16")]
    assert sizes[0] > 4_000_000 and sizes[1] < 2_001_000


def test_only_matrices_are_rounded(tmp_path):
    third = torch.full((2, 2), 1 / 3)
    state, _ = load_weights(save_weights(tmp_path / WEIGHTS, {"matrix": third, "vector": third[0]}, ced_compact(), "bfloat16"), CedConfig)
    assert torch.equal(state["vector"], third[0]) and torch.equal(state["matrix"], third.bfloat16().float())
    assert not torch.equal(state["matrix"], third)


def test_an_unknown_type_is_refused(tmp_path):
    with pytest.raises(UserError, match="float32, float16, bfloat16, not 'int8'"):
        save_weights(tmp_path / WEIGHTS, STATE, ced_compact(), "int8")


def test_tensors_that_lie_crosswise_or_share_memory_are_written_whole(tmp_path):
    state = {"a": STATE["a"].T, "b": STATE["a"], "c": STATE["a"][0]}
    assert not state["a"].is_contiguous()
    again, _ = load_weights(save_weights(tmp_path / WEIGHTS, state, ced_compact()), CedConfig)
    assert all(torch.equal(state[key], again[key]) for key in state)


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """The device `full` refuses every write, as a full disk does."""
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact())
    before = path.read_bytes()
    path.with_suffix(".part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="could not be written.*nothing was changed"):
        save_weights(path, {"a": torch.zeros(1000, 1000)}, ced_compact())
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == [WEIGHTS]


def test_a_file_cut_short_is_told(tmp_path):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match="cannot be read as safetensors"):
        load_weights(path, CedConfig)


def test_another_models_weights_are_refused(tmp_path):
    path = save_weights(tmp_path / WEIGHTS, STATE, ced_compact())
    with pytest.raises(UserError, match="ClapConfig has no"):
        load_weights(path, ClapConfig)


@pytest.mark.parametrize(("make", "millions"), [(ml_clap, 855.7), (sonar_se_clap, 1428.4), (ced_bert, 198.3)])
def test_the_largest_models_are_built_without_memory(make, millions):
    """Gigabytes if they were real: every parameter is empty, every buffer there, those that no file holds too."""
    with without_memory():
        model = Clap(make())
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert not any(buffer.is_meta for buffer in model.buffers())


def test_other_threads_keep_their_memory():
    made = []
    with without_memory():
        thread = threading.Thread(target=lambda: made.append(nn.Linear(2, 2)))
        thread.start()
        thread.join()
        assert nn.Linear(2, 2).weight.is_meta
    assert not made[0].weight.is_meta and not nn.Linear(2, 2).weight.is_meta


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_mapped_model_embeds_as_one_built_the_usual_way(tiny, tokenizer_file, tmp_path, dtype):
    torch.manual_seed(0)
    save_weights(tmp_path / WEIGHTS, Clap(tiny).state_dict(), tiny, dtype)
    (tmp_path / TOKENIZER).write_bytes(tokenizer_file.read_bytes())
    model, tokenizer = load_clap(tmp_path)
    usual = Clap(tiny)
    load_strictly(usual, load_weights(tmp_path / WEIGHTS, ClapConfig)[0], "tiny")
    mapped, built = (ClapEncoder("tiny", "", (one.eval(), tokenizer)) for one in (model, usual))
    waveform = torch.randn(40_000, generator=torch.Generator().manual_seed(1)).numpy() * 0.1
    assert (mapped.embed_audio([waveform]) == built.embed_audio([waveform])).all()
    assert (mapped.embed_text(["rain", "a dog barks"], "fra_Latn") == built.embed_text(["rain", "a dog barks"], "fra_Latn")).all()


def test_new_weights_under_the_name_do_not_disturb_a_model_in_use(tiny, tokenizer_file, tmp_path):
    save_weights(tmp_path / WEIGHTS, Clap(tiny).state_dict(), tiny)
    (tmp_path / TOKENIZER).write_bytes(tokenizer_file.read_bytes())
    model, _ = load_clap(tmp_path)
    was = model.audio_proj[0].weight.detach().clone()
    save_weights(tmp_path / WEIGHTS, Clap(tiny).state_dict(), tiny)
    assert torch.equal(model.audio_proj[0].weight, was) and not torch.equal(load_clap(tmp_path)[0].audio_proj[0].weight, was)


def test_a_mapped_model_can_be_trained_without_changing_its_file(tiny, tokenizer_file, tmp_path):
    save_weights(tmp_path / WEIGHTS, Clap(tiny).state_dict(), tiny)
    (tmp_path / TOKENIZER).write_bytes(tokenizer_file.read_bytes())
    before = (tmp_path / WEIGHTS).read_bytes()
    model, _ = load_clap(tmp_path)
    model.audio_proj[0].weight.grad = torch.ones_like(model.audio_proj[0].weight)
    was = model.audio_proj[0].weight.detach().clone()
    torch.optim.SGD(model.parameters(), 1.0).step()
    assert torch.allclose(model.audio_proj[0].weight, was - 1, atol=1e-6) and (tmp_path / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize(("config", "told"), [
    ("{", "is no JSON"),
    ("null", "must be an object"),
    ('{"audio": 5}', "audio must be a tower's configuration, got 5"),
    ('{"joint_dim": "x"}', "joint_dim must be of type int, got 'x'"),
    ('{"joint_dim": -3}', "makes no model"),
    ('{"audio": {"num_heads": 5}}', "makes no model"),
])  # fmt: skip
def test_a_configuration_that_makes_no_model_is_a_sentence(config, told, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors", {"config": config})
    with pytest.raises(UserError, match=told):
        load_clap(tmp_path)


def test_shipped_configurations_have_the_types_they_should():
    for name in ("compact-baseline", "compact-mixture-le"):
        assert load_weights(SHIPPED / name / "model.safetensors", ClapConfig)[1].joint_dim == 256
