import shutil
import warnings
from functools import partialmethod

import numpy as np
import pytest
import torch

from clap import systems
from clap.errors import UserError
from clap.languages import ENGLISH
from clap.systems import common

with warnings.catch_warnings():  # the package silences all warnings when it is imported
    msclap = pytest.importorskip("msclap", reason="MS-CLAP runs on msclap, which is not installed (requirements-extras.txt)")
WORDS = ["a dog barks in the rain while a bell rings!", "rain falls on the roof"]


def save_gpt2(folder):
    """A GPT-2 of one layer, its tokenizer trained on two sentences; "!" is its token 0, as in the released one."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2Model, GPT2TokenizerFast

    folder.mkdir()
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(WORDS, vocab_size=300, show_progress=False)
    tokenizer = GPT2TokenizerFast(*trained.save_model(str(folder)))
    GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=768, n_layer=1, n_head=2, n_positions=80)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert tokenizer("!")["input_ids"] == [0]


def save_bert(folder):
    """A BERT of one layer with a vocabulary of ten."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "bark", "##s", "rain"]) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    BertModel(BertConfig(vocab_size=10, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)).save_pretrained(folder)


def save_weights(folder, text_model, audio_model, out_emb, mel_high_hz):
    """The package's CLAP with random weights as the releases are: floating point only, and buffers of an older GPT-2."""
    from msclap.models.clap import CLAP

    model = CLAP(audioenc_name=audio_model, sample_rate=44_100, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=mel_high_hz,
                 classes_num=527, out_emb=out_emb, text_model=text_model, transformer_embed_dim=768, d_proj=1024)  # fmt: skip
    state = {key: value for key, value in model.state_dict().items() if value.is_floating_point()}
    torch.save({"model": {**state, "caption_encoder.base.h.0.attn.masked_bias": torch.tensor(-1e4)}}, folder / "weights.pth")


def make_home(home):
    """A working folder where transformers finds the text towers, and the weights of version 2023 in `weights`."""
    torch.manual_seed(0)
    save_gpt2(home / "gpt2")
    save_bert(home / "bert-base-uncased")
    (home / "weights").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        save_weights(home / "weights", "gpt2", "HTSAT", 768, 8000)
    return home


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """The package fixes the size of its HTSAT; its own class is built with larger patches and fewer layers here."""
    from msclap.models import htsat

    with pytest.MonkeyPatch.context() as patch:
        small = partialmethod(htsat.HTSAT_Swin_Transformer.__init__, patch_size=8, patch_stride=(8, 8), depths=[1, 1, 1, 1])
        patch.setattr(htsat.HTSAT_Swin_Transformer, "__init__", small)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory, shallow):
    return make_home(tmp_path_factory.mktemp("msclap"))


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    """The package asks transformers for "gpt2", which a folder of this name in the working folder answers."""
    monkeypatch.chdir(home)


@pytest.fixture(scope="module")
def encoder(home):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        return systems.load("ms-clap", "random", str(home / "weights"))


def test_it_is_an_encoder_without_chance(encoder, checks):
    checks.encoder(encoder, "random", long_seconds=7.5)
    assert (encoder.dim, encoder.rate_hz, encoder.window_seconds, encoder.languages) == (1024, 44_100, 7, (ENGLISH,))


def test_long_clips_are_windows_averaged(encoder, checks):
    checks.windows(encoder)


def test_clips_and_captions_are_as_the_package_gives_them(encoder, checks, home, monkeypatch):
    clip = checks.noise(2.0, 1)
    wrapper = msclap.CLAP(home / "weights" / "weights.pth", version="2023")
    monkeypatch.setattr(wrapper, "read_audio", lambda path, resample: (torch.from_numpy(common.resampled(clip, 44_100))[None], 44_100))
    audio, text = wrapper.get_audio_embeddings(["clip.wav"]), wrapper.get_text_embeddings(WORDS)
    assert np.allclose(encoder.embed_audio([clip]), torch.nn.functional.normalize(audio), atol=1e-6)
    assert np.allclose(encoder.embed_text(WORDS, ENGLISH), torch.nn.functional.normalize(text), atol=1e-6)


def test_long_captions_are_cut_and_counted(home):
    encoder = systems.load("ms-clap", "random", str(home / "weights" / "weights.pth"))
    rows = encoder.embed_text(["rain " * 100, "rain " * 120, "rain"], ENGLISH)
    assert encoder.truncated == 2 and np.allclose(rows[0], rows[1], atol=1e-6) and not np.allclose(rows[0], rows[2], atol=1e-3)


def test_another_language_is_refused_by_name(encoder):
    with pytest.raises(UserError, match=r"MS-CLAP knows English \(eng_Latn\) only, not Japanese \(jpn_Jpan\)"):
        encoder.embed_text(["犬"], "jpn_Jpan")


def test_the_same_weights_have_the_same_fingerprint(encoder, home, tmp_path):
    assert systems.load("ms-clap", "again", str(home / "weights")).fingerprint == encoder.fingerprint
    state = torch.load(home / "weights" / "weights.pth")["model"]
    state["audio_encoder.projection.linear1.weight"][0, 0] += 1e-3
    torch.save({"model": state}, tmp_path / "other.pth")
    assert systems.load("ms-clap", "other", str(tmp_path)).fingerprint != encoder.fingerprint


def test_a_missing_weight_is_not_filled_by_chance(home, tmp_path):
    state = torch.load(home / "weights" / "weights.pth")["model"]
    del state["caption_encoder.projection.linear2.weight"]
    torch.save({"model": state}, tmp_path / "cut.pth")
    with pytest.raises(UserError, match="cut.pth lacks 1 weights of MS-CLAP, the first caption_encoder.projection.linear2.weight"):
        systems.load("ms-clap", "cut", str(tmp_path))


def test_the_version_is_told_by_the_weights(home, tmp_path, checks):
    save_weights(tmp_path, "bert-base-uncased", "Cnn14", 2048, 14_000)
    encoder = systems.load("ms-clap", "older", str(tmp_path))
    assert encoder.window_seconds == 5 and encoder.wrapper.args.text_model == "bert-base-uncased"
    checks.text(encoder)
    assert encoder.embed_audio([checks.noise(0.5, 1)]).shape == (1, 1024)


def test_without_the_text_tower_it_is_a_sentence(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="MS-CLAP cannot be loaded from .*weights .*with a network"):
        systems.load("ms-clap", "random", str(home / "weights"))


@pytest.mark.parametrize(("source", "told"), [
    ("2021", "There is no MS-CLAP '2021'; name 2022 or 2023"),
    ("gpt2", "gpt2 holds 0 .pth files"),
    ("gpt2/config.json", "cannot be loaded: config.json is cut short or no checkpoint"),
])  # fmt: skip
def test_what_is_no_ms_clap_is_told(source, told):
    with pytest.raises(UserError, match=told):
        systems.load("ms-clap", "mine", source)


def test_no_network_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(msclap.CLAP, "model_repo", "nobody/no-such-clap")
    with pytest.raises(UserError, match="MS-CLAP cannot be loaded from nobody/no-such-clap/CLAP_weights_2023.pth .*with a network"):
        systems.load("ms-clap", "mine", "2023")


def test_two_weights_files_are_not_guessed_between(home, tmp_path):
    for name in ("a.pth", "b.pth"):
        shutil.copy(home / "gpt2" / "config.json", tmp_path / name)
    with pytest.raises(UserError, match="holds 2 .pth files"):
        systems.load("ms-clap", "mine", str(tmp_path))
