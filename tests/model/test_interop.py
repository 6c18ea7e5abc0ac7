import argparse
import json
import pickle
import zipfile
from dataclasses import replace
from importlib.resources import files

import pytest
import torch
import yaml
from safetensors.torch import save_file

from clap.checkpoints import CARD, get_card, load_encoder
from clap.config import CedConfig, ClapConfig, from_dict
from clap.errors import UserError
from clap.languages import CODES, ENGLISH
from clap.model import interop, sonar
from clap.model.ced import Ced, resize_time_positions
from clap.model.clap import Clap
from clap.presets import PRESETS, ced_base, ced_mini, ced_small, ced_tiny, compact, sonar_basic
from clap.weights import WEIGHTS, load_weights, sha256_of
from tests.model.released import ced_shapes, ml_clap_shapes, random_state

SMALL = CedConfig(embed_dim=48, depth=2, num_heads=3, outputdim=5)
STATE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def hub_names(state):
    """What the hub's conversion does: no front end, batch norm without its number, everything but the head under `encoder.`."""
    short = {key.replace("init_bn.1.", "init_bn."): value for key, value in state.items() if not key.startswith("front_end.")}
    return {key if key.startswith("outputlayer.") else f"encoder.{key}": value for key, value in short.items()}


@pytest.mark.parametrize(
    "wrapped", [STATE, {"model": STATE, "epoch": 3}, {"state_dict": {"model": STATE}}, {f"module.{k}": v for k, v in STATE.items()}]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_containers_and_prefixes_are_taken_off(tmp_path, wrapped, zipped):
    torch.save(wrapped, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert equal(interop.read_foreign(tmp_path / "a.pt"), STATE)


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    assert equal(interop.read_foreign(tmp_path / "a.safetensors"), STATE)


@pytest.mark.parametrize("content", [{}, [1, 2], {"a": 3}, {"model": {"a": "text"}}, torch.ones(3)])
def test_what_is_no_state_dict_is_told(tmp_path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt holds no state dict"):
        interop.read_foreign(tmp_path / "a.pt")


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("how", ["zipped", "legacy", "bare"])
def test_code_is_refused_and_nothing_is_run(tmp_path, how):
    path, victim = tmp_path / "a.pt", tmp_path / "created"
    if how == "bare":
        path.write_bytes(pickle.dumps({"a": Payload(victim)}, protocol=2))
    else:
        torch.save({"a": STATE["a"], "b": Payload(victim)}, path, _use_new_zipfile_serialization=how == "zipped")
    with pytest.raises(UserError, match=r"a\.pt (holds code \(\S+\.open\)|is cut short or no checkpoint)"):
        interop.read_foreign(path)
    assert not victim.exists()
    with open(path, "rb") as file:  # the payload is live: whoever trusts the file runs it
        torch.load(path, weights_only=False) if how != "bare" else pickle.load(file)
    assert victim.exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_told(tmp_path, share, zipped):
    path = tmp_path / "a.pt"
    torch.save({"a": torch.randn(300, 300)}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=r"a\.pt is"):
        interop.read_foreign(path)


def test_other_files_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("readme/text", "no weights")
    (tmp_path / "b.pt").write_bytes(b"<html>404 Not Found</html>")
    (tmp_path / "c.safetensors").write_bytes(b"<html>404 Not Found</html>")
    for name, sentence in (
        ("a.pt", "no checkpoint of torch"),
        ("b.pt", "no checkpoint of torch"),
        ("c.safetensors", "cannot be read as safetensors"),
    ):
        with pytest.raises(UserError, match=sentence):
            interop.read_foreign(tmp_path / name)
    with pytest.raises(UserError, match="There is no file"):
        interop.read_foreign(tmp_path / "d.pt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with CUDA opens such a file anyway")
def test_a_file_saved_on_cuda_is_read_on_the_cpu(tmp_path):
    """A file as a CUDA machine writes it: its index says where each tensor lay."""
    torch.save(STATE, tmp_path / "cpu.pt")
    with zipfile.ZipFile(tmp_path / "cpu.pt") as old, zipfile.ZipFile(tmp_path / "cuda.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"))
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(tmp_path / "cuda.pt", weights_only=True)
    assert equal(interop.read_foreign(tmp_path / "cuda.pt"), STATE)


@pytest.mark.parametrize("make", [ced_tiny, ced_mini, ced_small, ced_base])
def test_every_size_of_ced_has_the_released_names(make):
    model = {key: tuple(value.shape) for key, value in interop._blank(Ced, make()).items()}
    assert model == ced_shapes(make())


def test_ced_from_the_authors_and_from_the_hub_are_the_same():
    state = random_state(ced_shapes(SMALL))
    assert equal(interop.ced_state(state, SMALL), state)
    from_hub = interop.ced_state(hub_names(state), SMALL)
    assert from_hub.keys() == state.keys()
    models = [Ced(SMALL).eval(), Ced(SMALL).eval()]
    for model, loaded in zip(models, (state, from_hub), strict=True):
        model.load_state_dict(loaded)
    waveform = torch.randn(30_000, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.inference_mode():
        assert torch.allclose(*(model.encode_waveform(waveform) for model in models), atol=1e-5)


@pytest.mark.parametrize(("columns", "values"), [(2, [0.0, 4.0]), (3, [0.0, 4.0, 2.0]), (6, [0.0, 1.0, 3.0, 3.5, 2.5, 2.0])])
def test_positions_are_cut_or_interpolated(columns, values):
    """By hand: column i of six lies at (i + 1/2)/2 - 1/2 of three, so at -1/4 (the edge, 0), 1/4, 3/4, 5/4, 7/4 and 9/4 (the edge, 2)."""
    three = torch.tensor([0.0, 4.0, 2.0]).reshape(1, 1, 1, 3).repeat(1, 2, 1, 1)
    assert torch.allclose(resize_time_positions(three, columns), torch.tensor(values).expand(1, 2, 1, columns))


@pytest.mark.parametrize("frames", [496, 1012, 2000])
def test_ced_with_another_chunk_length(frames):
    state, config = random_state(ced_shapes(SMALL)), replace(SMALL, target_frames=frames)
    made = interop.ced_state(state, config)
    model = Ced(config)
    model.load_state_dict(made)
    assert torch.equal(model.time_pos_embed, resize_time_positions(state["time_pos_embed"], frames // 16))
    assert equal({k: v for k, v in made.items() if k != "time_pos_embed"}, {k: v for k, v in state.items() if k != "time_pos_embed"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s | {"cls_token": torch.ones(1), "decoder.x": torch.ones(1)}, "2 keys unknown, the first cls_token"),
        (lambda s: {k: v for k, v in s.items() if k != "norm.bias"}, "1 keys missing, the first norm.bias"),
        (lambda s: {k: v for k, v in s.items() if "fb" not in k}, "1 keys missing, the first front_end.0.mel_scale.fb"),
        (lambda s: s | {"norm.bias": torch.ones(3)}, "1 keys of another shape, the first norm.bias"),
        (lambda s: s | {"time_pos_embed": torch.ones(3)}, "1 keys of another shape, the first time_pos_embed"),
        (lambda s: s | {"encoder.norm.bias": s["norm.bias"]}, "1 keys twice"),
    ],
)
def test_every_key_of_ced_is_accounted_for(change, sentence):
    with pytest.raises(UserError, match=sentence):
        interop.ced_state(change(random_state(ced_shapes(SMALL))), SMALL)


@pytest.fixture
def released(tiny):
    """A tiny configuration as the released one is, SONAR's positions and tokens included, and weights under the released names."""
    config = replace(
        tiny,
        audio=replace(tiny.audio, outputdim=527),
        text=replace(tiny.text, pad_idx=1, vocab_size=6000 + 1 + 202 + 3, token_languages="nllb"),
    )
    return config, random_state(ml_clap_shapes(config))


@pytest.mark.parametrize("shape", [(), (1,)])
def test_ml_clap_under_its_released_names(released, shape):
    config, state = released
    made = interop.ml_clap_state({**state, "temperature": state["temperature"].reshape(shape)}, config)
    assert equal(made, state)
    model = Clap(config)
    model.load_state_dict(made)
    assert model.temperature.item() == pytest.approx(0.05)


def test_weights_in_half_become_float32(released):
    config, state = released
    made = interop.ml_clap_state({key: value.half() if value.is_floating_point() else value for key, value in state.items()}, config)
    assert all(value.dtype == state[key].dtype for key, value in made.items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s | {"text_decoder.model.x": torch.ones(1)}, "ML-CLAP: 1 keys unknown, the first text_decoder.model.x"),
        (lambda s: {k: v for k, v in s.items() if "text_proj" not in k}, r"4 keys missing, the first text_proj\.0\.bias"),
        (lambda s: s | {"temperature": torch.ones(2)}, "of another shape, the first temperature"),
        (
            lambda s: {"x": torch.ones(1)} | {k: v for k, v in s.items() if k != "temperature"},
            "1 keys unknown, the first x; 1 keys missing, the first temperature",
        ),
    ],
)
def test_every_key_of_ml_clap_is_accounted_for(released, change, sentence):
    config, state = released
    with pytest.raises(UserError, match=sentence):
        interop.ml_clap_state(change(state), config)


def test_conversion_carries_the_configuration(released, tmp_path, monkeypatch):
    config, state = released
    monkeypatch.setitem(PRESETS, "small", lambda: config)
    torch.save(state, tmp_path / "released.pt")
    sha256 = interop.convert(tmp_path / "released.pt", "small", tmp_path / "deep" / "out")
    again, stored = load_weights(tmp_path / "deep" / "out" / WEIGHTS, ClapConfig)
    assert stored == config and equal(again, state) and sha256 == sha256_of(tmp_path / "deep" / "out" / WEIGHTS)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be a checkpoint's folder"):
        interop.convert(tmp_path / "released.pt", "small", tmp_path / "file")
    with pytest.raises(UserError, match="No foreign weights are known for preset 'sonar-basic'.*ced-base.*ml-clap"):
        interop.convert(tmp_path / "released.pt", "sonar-basic", tmp_path / "out")


def run(*arguments):
    parser = argparse.ArgumentParser()
    interop.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["convert", *map(str, arguments)])
    args.run(args)


def test_command_makes_a_checkpoint_that_loads(released, tokenizer_file, tmp_path, monkeypatch):
    config, state = released
    monkeypatch.setitem(PRESETS, "small", lambda: config)
    torch.save(state, tmp_path / "released.pt")
    call = (tmp_path / "released.pt", "--preset", "small", "--out", tmp_path / "mine", "--licence", "CC-BY")
    with pytest.raises(UserError, match="needs --tokenizer"):
        run(*call)
    run(*call, "--tokenizer", tokenizer_file, "--languages", "eng_Latn", "fra_Latn")
    card = get_card("mine", tmp_path)
    assert (card.kind, card.licence, card.languages, card.title) == ("clap", "CC-BY", ("eng_Latn", "fra_Latn"), "released")
    assert load_encoder("mine", tmp_path).embed_text(["a dog barks"], "fra_Latn").shape == (1, 32)
    monkeypatch.setitem(PRESETS, "small", lambda: replace(config, text=replace(config.text, token_languages="eight")))
    with pytest.raises(UserError, match="makes a vocabulary of 6012, the preset's has 6206"):
        run(*call, "--tokenizer", tokenizer_file)
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(UserError, match="junk is no SentencePiece model"):
        run(*call, "--tokenizer", tmp_path / "junk")


def test_command_makes_a_tagger_of_ced(tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "small", lambda: SMALL)
    save_file(hub_names(random_state(ced_shapes(SMALL))), tmp_path / "model.safetensors")
    run(tmp_path / "model.safetensors", "--preset", "small", "--out", tmp_path / "ced", "--licence", "CC0", "--dtype", "bfloat16")
    card = json.loads((tmp_path / "ced" / CARD).read_text())
    assert card["kind"] == "ced" and card["languages"] == [] and card["sha256"] == sha256_of(tmp_path / "ced" / WEIGHTS)
    state, config = load_weights(tmp_path / "ced" / WEIGHTS, CedConfig)
    Ced(config).load_state_dict(state)
    assert config == SMALL


def test_released_tokens_of_languages(tokenizer_file):
    """Ids of our languages: those of sonar-space's own card, and, beside 256,000 pieces, those published for NLLB."""
    from fairseq2.models.nllb import NllbTokenizerConfig, load_nllb_tokenizer

    card = yaml.safe_load((files("sonar.cards") / "text_sonar_basic_encoder.yaml").read_text())["tokenizer_config"]["_set_"]
    theirs = load_nllb_tokenizer(tokenizer_file, NllbTokenizerConfig(**card))
    ours = sonar.load_tokenizer(tokenizer_file, sonar_basic().token_languages)
    assert ours.vocab_info == theirs.vocab_info and sonar_basic().vocab_size == 256_000 + theirs.vocab_info.size - 6000
    for code in CODES:
        assert torch.equal(*(sonar.tokenize(one, ["a dog barks"], code)[0] for one in (ours, theirs)))
    first = {code: 250_000 + int(sonar.tokenize(ours, ["rain"], code)[0][0]) for code in ("eng_Latn", "fra_Latn", "zho_Hans")}
    assert first == {"eng_Latn": 256_047, "fra_Latn": 256_057, "zho_Hans": 256_200}


def test_the_eight_keep_their_own_tokens(tokenizer_file):
    ids = [int(sonar.tokenize(sonar.load_tokenizer(tokenizer_file), ["rain"], code)[0][0]) for code in CODES]
    assert ids == list(range(6001, 6009)) and CODES[0] == ENGLISH
    with pytest.raises(UserError, match="Unknown list of language tokens 'nine'; the lists are eight, nllb"):
        sonar.load_tokenizer(tokenizer_file, "nine")


def test_configurations_written_before_the_list_had_a_name_are_of_the_eight():
    from clap.config import to_dict

    data = to_dict(compact())
    del data["text"]["token_languages"]
    assert from_dict(ClapConfig, data) == compact() and compact().text.token_languages == "eight"
