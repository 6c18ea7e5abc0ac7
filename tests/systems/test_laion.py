import shutil

import numpy as np
import pytest
import torch

from clap import systems
from clap.errors import UserError
from clap.languages import ENGLISH

transformers = pytest.importorskip("transformers", reason="LAION-CLAP runs on transformers, which is not installed")
WORDS = ["a dog barks in the rain while a bell rings", "rain falls on the roof"]


def processor(truncation, folder):
    """A feature extractor that takes 2 s instead of 10, and a byte-level tokenizer trained on two sentences."""
    from tokenizers import ByteLevelBPETokenizer

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(WORDS, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False)
    tokenizer = transformers.RobertaTokenizerFast(*trained.save_model(str(folder)))
    return transformers.ClapProcessor(transformers.ClapFeatureExtractor(truncation=truncation, max_length_s=2), tokenizer)


def save_model(folder, truncation):
    """A ClapModel of random weights and 64 positions of text, with its processor, as `save_pretrained` writes it."""
    torch.manual_seed(0)
    parts = processor(truncation, folder)
    text = {"vocab_size": len(parts.tokenizer), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 64, "max_position_embeddings": 66}  # fmt: skip
    audio = {"spec_size": 128, "window_size": 4, "patch_embeds_hidden_size": 16, "depths": [1, 1, 1, 2], "num_attention_heads": [2, 2, 2, 2], "hidden_size": 128,
             "enable_fusion": truncation == "fusion"}  # fmt: skip
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    model = transformers.ClapModel(config)
    for parameter in model.parameters():  # the initial weights are so small that every clip looks alike
        if parameter.ndim > 1:
            torch.nn.init.xavier_normal_(parameter)
    model.save_pretrained(folder)
    parts.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("laion"), "rand_trunc")


@pytest.fixture(scope="module")
def encoder(folder):
    return systems.load("laion-clap", "tiny", str(folder))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
def test_it_is_an_encoder_without_chance(truncation, checks, tmp_path):
    encoder = systems.load("laion-clap", "tiny", str(save_model(tmp_path, truncation)))
    checks.encoder(encoder, "tiny", long_seconds=4.3)
    assert (encoder.dim, encoder.rate_hz, encoder.window_seconds, encoder.languages) == (24, 48_000, 2, (ENGLISH,))


def test_long_clips_are_windows_averaged(encoder, checks):
    checks.windows(encoder)


def test_short_clips_and_captions_are_as_transformers_gives_them(folder, encoder, checks):
    model, parts = transformers.ClapModel.from_pretrained(folder).eval(), transformers.ClapProcessor.from_pretrained(folder)
    clip = checks.noise(1.3, 1)
    samples = systems.common.resampled(clip, 48_000)
    with torch.inference_mode():
        audio = model.get_audio_features(**parts(audio=samples, sampling_rate=48_000, return_tensors="pt"))
        text = model.get_text_features(**parts(text=WORDS, return_tensors="pt", padding=True))
    assert np.allclose(encoder.embed_audio([clip]), audio, atol=1e-5)
    assert np.allclose(encoder.embed_text(WORDS, ENGLISH), text, atol=1e-5)


def test_no_clip_is_marked_as_long(checks, tmp_path):
    folder = save_model(tmp_path, "fusion")
    model, parts = transformers.ClapModel.from_pretrained(folder).eval(), transformers.ClapProcessor.from_pretrained(folder)
    clips = [checks.noise(1.3, 1), checks.noise(0.4, 2)]
    spectrograms = parts(audio=[systems.common.resampled(clip, 48_000) for clip in clips], sampling_rate=48_000, return_tensors="pt")
    assert spectrograms["is_longer"].sum() == 1  # by chance, though neither is
    with torch.inference_mode():
        by_chance = model.get_audio_features(**spectrograms).numpy()
        wanted = model.get_audio_features(spectrograms["input_features"], is_longer=torch.zeros(2, 1, dtype=torch.bool)).numpy()
    rows = systems.load("laion-clap", "tiny", str(folder)).embed_audio(clips)
    assert np.allclose(rows, wanted, atol=1e-5) and not np.allclose(rows, by_chance, atol=1e-4)


def test_long_captions_keep_their_last_token_and_are_counted(folder):
    encoder = systems.load("laion-clap", "tiny", str(folder))
    assert encoder.max_tokens == 64
    rows = encoder.embed_text(["rain " * 80, "rain " * 90, "rain"], ENGLISH)
    assert encoder.truncated == 2 and np.allclose(rows[0], rows[1]) and not np.allclose(rows[0], rows[2], atol=1e-3)


def test_another_language_is_refused_by_name(encoder):
    with pytest.raises(UserError, match=r"LAION-CLAP knows English \(eng_Latn\) only, not French \(fra_Latn\)"):
        encoder.embed_text(["un chien"], "fra_Latn")


def test_the_same_weights_have_the_same_fingerprint(folder, encoder, copy):
    assert systems.load("laion-clap", "again", str(folder)).fingerprint == encoder.fingerprint
    model = transformers.ClapModel.from_pretrained(copy)
    model.audio_projection.linear1.bias.data[0] += 1e-3
    model.save_pretrained(copy)
    assert systems.load("laion-clap", "other", str(copy)).fingerprint != encoder.fingerprint


def test_a_missing_weight_is_not_filled_by_chance(copy):
    from safetensors.torch import load_file, save_file

    state = load_file(copy / "model.safetensors")
    del state["text_projection.linear1.weight"]
    save_file(state, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match="lacks 1 weights of LAION-CLAP, the first text_projection.linear1.weight"):
        systems.load("laion-clap", "tiny", str(copy))


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_broken_folder_is_a_sentence(file, cut, copy):
    data = (copy / file).read_bytes()
    (copy / file).unlink()
    if cut:
        (copy / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match=f"LAION-CLAP cannot be loaded from {copy} "):
        systems.load("laion-clap", "tiny", str(copy))


def test_no_network_is_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="LAION-CLAP cannot be loaded from nobody/no-such-clap .*with a network"):
        systems.load("laion-clap", "tiny", "nobody/no-such-clap")
