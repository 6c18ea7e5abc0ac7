import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from clap import systems
from clap.errors import UserError
from clap.languages import CODES, ENGLISH

glap = pytest.importorskip("glap_model", reason="GLAP runs on glap-model, which is not installed (requirements-extras.txt)")
from clap.systems.glap import CHECKPOINT, DASHENG, TOKENIZER  # noqa: E402

DASHENG_CONFIG = {"embed_dim": 48, "depth": 1, "num_heads": 2, "patch_size": [64, 4], "patch_stride": [64, 4], "target_length": 200}


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """The package fixes the width of its towers; its own classes are built narrow here, with chunks of 2 s."""
    from dasheng.pretrained.pretrained import Dasheng
    from glap_model.models.audioencoders import dasheng_audioencoder
    from glap_model.models.textencoders import sonar_text_encoder

    size = {"model_dim": 16, "num_layers": 1, "num_heads": 2, "ffn_inner_dim": 32, "max_seq_len": 40}
    encoder = sonar_text_encoder.SonarTextEncoder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sonar_text_encoder, "SonarTextEncoder", lambda **options: encoder(**{**options, **size}))
        patch.setattr(dasheng_audioencoder, "dasheng_base", lambda path, **options: Dasheng.from_pretrained(path, **options))
        yield


def save_model(folder, tokenizer_file):
    """The three files of a GLAP of random weights: GLAP's checkpoint as its trainer writes it, Dasheng's, and a tokenizer."""
    from dasheng.pretrained.pretrained import Dasheng
    from glap_model.config import GlapTrainConfig
    from glap_model.models import GLAP

    torch.manual_seed(0)
    torch.save({"model": Dasheng(**DASHENG_CONFIG).state_dict(), "config": DASHENG_CONFIG}, folder / DASHENG)
    shutil.copy(tokenizer_file, folder / TOKENIZER)
    arguments = {"audio_encoder": "DashengWrapper", "text_encoder": "TextEncoderSonarWrapper", "embed_size": 24}
    here = {"audio_encoder_args": {"path": str(folder / DASHENG)}, "text_encoder_args": {"tokenizer_path": str(folder / TOKENIZER)}}
    model = GLAP(**arguments, **here)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    config = GlapTrainConfig(train_data={}, test_data={}, model_args={**arguments, "audio_encoder_args": {}}).to_dict()
    assert isinstance(config["outputpath"], Path)
    torch.save({"model": model.state_dict(), "config": config}, folder / CHECKPOINT)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer_file):
    return save_model(tmp_path_factory.mktemp("glap"), tokenizer_file)


@pytest.fixture(scope="module")
def encoder(folder):
    return systems.load("glap", "tiny", str(folder))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_it_is_an_encoder_without_chance(encoder, checks):
    checks.encoder(encoder, "tiny", long_seconds=4.3)
    assert (encoder.dim, encoder.rate_hz, encoder.languages) == (24, 16_000, CODES)


def test_clips_and_captions_are_as_the_package_gives_them(folder, encoder, checks):
    from glap_model.models import GLAPInference

    data = torch.load(folder / CHECKPOINT, weights_only=False)
    data["config"]["model_args"] |= {
        "audio_encoder_args": {"path": str(folder / DASHENG)},
        "text_encoder_args": {"tokenizer_path": str(folder / TOKENIZER)},
    }
    torch.save(data, folder / "theirs.pt")
    theirs, clip, captions = GLAPInference.from_pretrained(str(folder / "theirs.pt")), checks.noise(5.0, 1), ["rain", "a dog barks"]
    with torch.inference_mode():
        audio, text = theirs(torch.from_numpy(clip)[None], captions, source_lang="fra_Latn")
    assert np.allclose(encoder.embed_audio([clip]), audio, atol=1e-6)
    assert np.allclose(encoder.embed_text(captions, "fra_Latn"), text, atol=1e-6)


def test_every_language_is_read_as_itself(encoder):
    rows = np.concatenate([encoder.embed_text(["a dog barks"], language) for language in CODES])
    assert np.unique(rows.round(5), axis=0).shape == (len(CODES), 24)
    with pytest.raises(UserError, match=r"Unknown language 'xho_Latn'"):
        encoder.embed_text(["inja"], "xho_Latn")


def test_long_captions_are_cut_and_counted(folder):
    encoder = systems.load("glap", "tiny", str(folder / CHECKPOINT))
    rows = encoder.embed_text(["rain " * 60, "rain " * 70, "rain"], ENGLISH)
    assert encoder.truncated == 2 and np.allclose(rows[0], rows[1], atol=1e-6) and not np.allclose(rows[0], rows[2], atol=1e-3)


def test_the_same_weights_have_the_same_fingerprint(folder, encoder, copy):
    assert systems.load("glap", "again", str(folder)).fingerprint == encoder.fingerprint
    data = torch.load(copy / CHECKPOINT, weights_only=False)
    data["model"]["audio_proj.0.bias"][0] += 1e-3
    torch.save(data, copy / CHECKPOINT)
    assert systems.load("glap", "other", str(copy)).fingerprint != encoder.fingerprint


@pytest.mark.parametrize("change", [lambda state: state.pop("text_proj.2.bias"), lambda state: state.update(extra=torch.zeros(1))])
def test_weights_must_fit_to_the_last_key(change, copy):
    data = torch.load(copy / CHECKPOINT, weights_only=False)
    change(data["model"])
    torch.save(data, copy / CHECKPOINT)
    with pytest.raises(UserError, match=f"{CHECKPOINT}' do not fit"):
        systems.load("glap", "tiny", str(copy))


def test_no_network_is_a_sentence(copy, monkeypatch, tmp_path):
    from dasheng.pretrained import pretrained
    from glap_model.models.audioencoders import dasheng_audioencoder
    from glap_model.pretrained.pretrained import PRETRAINED_CHECKPOINTS

    closed = "http://127.0.0.1:9/glap_checkpoint.pt"
    monkeypatch.setitem(PRETRAINED_CHECKPOINTS, "glap", closed)
    monkeypatch.setitem(pretrained.PRETRAINED_CHECKPOINTS, "dasheng_base", closed)
    monkeypatch.setattr(dasheng_audioencoder, "dasheng_base", pretrained.dasheng_base)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=f"GLAP cannot be loaded from {closed} .*with a network"):
        systems.load("glap", "mine", "glap")
    (copy / DASHENG).unlink()
    with pytest.raises(UserError, match=f"GLAP cannot be loaded from {copy} .*with a network"):
        systems.load("glap", "mine", str(copy))


def test_what_was_fetched_once_is_taken_from_the_cache(folder, encoder, monkeypatch, tmp_path):
    cache = shutil.copytree(folder, tmp_path / "hub" / "checkpoints")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert systems.load("glap", "mine", "glap").fingerprint == encoder.fingerprint and cache.is_dir()


@pytest.mark.parametrize(("source", "told"), [("glip", "There is no GLAP 'glip'; name glap"), (".", f"lacks {CHECKPOINT}")])
def test_what_is_no_glap_is_told(source, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        systems.load("glap", "mine", source)
