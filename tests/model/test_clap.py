from dataclasses import replace

import numpy as np
import pytest
import torch

from clap.config import BertConfig, ClapConfig, SonarConfig, SonarSpeechConfig
from clap.embed import Encoder
from clap.errors import UserError
from clap.model.batching import equal_length_batches
from clap.model.clap import Clap, ClapEncoder
from clap.model.towers import load_text_tokenizer
from clap.weights import TOKENIZER, WEIGHTS, load_clap, load_strictly, load_weights, save_weights

BERT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "barks", "rain"]
SPEECH = SonarSpeechConfig(model_dim=32, num_encoder_layers=2, num_pooler_layers=1, num_heads=4, ffn_inner_dim=64, chunk_frames=500)
BERT = BertConfig(model_dim=32, num_layers=2, num_heads=4, ffn_inner_dim=64, max_seq_len=12, vocab_size=len(BERT_WORDS))


@pytest.fixture
def encoder(tiny, tokenizer):
    torch.manual_seed(0)
    return ClapEncoder("tiny", "0" * 64, (Clap(tiny).eval(), tokenizer))


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)


def test_names_are_those_of_the_released_checkpoints(tiny):
    heads = {key.split(".")[0] + "." + key.split(".")[1] for key in Clap(tiny).state_dict() if "." in key}
    assert heads == {"audio_encoder.model", "text_encoder.model", "audio_proj.0", "audio_proj.2", "text_proj.0", "text_proj.2"}
    assert Clap(tiny).state_dict()["temperature"].item() == pytest.approx(0.07)


def test_contract_of_the_encoder(encoder):
    assert isinstance(encoder, Encoder)
    audio = encoder.embed_audio([noise(0.1), noise(3), noise(25)])
    text = encoder.embed_text(["rain", "a dog barks"], "eng_Latn")
    for vectors, count in ((audio, 3), (text, 2)):
        assert vectors.shape == (count, 32) and vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert encoder.embed_audio([]).shape == encoder.embed_text([], "eng_Latn").shape == (0, 32)


def test_embeddings_do_not_depend_on_the_batch(encoder):
    clips = [noise(1, 1), noise(12, 2), noise(2, 3) * 50]
    assert np.allclose(encoder.embed_audio(clips)[0], encoder.embed_audio(clips[:1])[0], atol=1e-6)
    texts = ["a dog barks", "rain", "a church bell rings twice"]
    assert np.allclose(encoder.embed_text(texts, "eng_Latn")[0], encoder.embed_text(texts[:1], "eng_Latn")[0], atol=1e-6)


def test_captions_are_normalised_first(encoder):
    assert np.allclose(*encoder.embed_text(["A dog barks!", "a dog barks "], "eng_Latn"))


def test_cut_captions_are_counted(encoder):
    encoder.embed_text(["rain", "rain " * 200], "eng_Latn")
    assert encoder.truncated == 1


def test_unknown_language(encoder):
    with pytest.raises(UserError, match="Unknown language 'xx'"):
        encoder.embed_text(["rain"], "xx")


def test_batches_hold_one_length_each():
    ids = [torch.zeros(n) for n in (3, 5, 3, 4, 5)]
    assert sorted(map(sorted, equal_length_batches(ids, 100))) == [[0, 2], [1, 4], [3]]
    assert sorted(map(sorted, equal_length_batches(ids, 4))) == [[0], [1], [2], [3], [4]]


def test_checkpoint_round_trip_is_strict(tiny, tokenizer_file, tmp_path):
    model = Clap(tiny).eval()
    save_weights(tmp_path / WEIGHTS, model.state_dict(), tiny)
    (tmp_path / TOKENIZER).write_bytes(tokenizer_file.read_bytes())
    again, _ = load_clap(tmp_path)
    assert again.config == tiny
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    state = {key: value for key, value in model.state_dict().items() if key != "audio_proj.0.bias"}
    save_weights(tmp_path / WEIGHTS, state, tiny)
    with pytest.raises(UserError, match=r"audio_proj\.0\.bias"):
        load_clap(tmp_path)


@pytest.fixture(params=["speech", "bert"])
def other(request, tiny, tokenizer_file, tmp_path):
    """A model with one tower of another kind, and the folder of its tokenizer."""
    torch.manual_seed(0)
    if request.param == "speech":
        (tmp_path / TOKENIZER).write_bytes(tokenizer_file.read_bytes())
        return Clap(replace(tiny, audio=SPEECH)).eval(), tmp_path
    (tmp_path / "vocab.txt").write_text("\n".join(BERT_WORDS) + "\n")
    return Clap(replace(tiny, text=BERT)).eval(), tmp_path


def test_other_towers_keep_the_contract(other):
    model, folder = other
    encoder = ClapEncoder("other", "0" * 64, (model, load_text_tokenizer(model.config.text, folder)))
    clips, texts = [noise(0.1), noise(3, 1), noise(60, 2)], ["rain", "A dog barks!", "a dog", "dog " * 200]
    audio, text = encoder.embed_audio(clips), encoder.embed_text(texts, "eng_Latn")
    for vectors, count in ((audio, 3), (text, 4)):
        assert vectors.shape == (count, 32) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(audio[1], encoder.embed_audio(clips[1:2])[0], atol=1e-6)
    assert np.allclose(text[1], encoder.embed_text(["a dog barks"], "eng_Latn")[0], atol=1e-6)
    assert encoder.truncated == 1 and encoder.embed_text([], "eng_Latn").shape == (0, 32)


def test_other_towers_learn_and_come_back_to_the_bit(other):
    model, folder = other
    tokenizer = load_text_tokenizer(model.config.text, folder)
    ids, _ = model.train().tokenize(tokenizer, ["rain", "a dog barks"], "eng_Latn")
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    clips = [torch.sin(2 * torch.pi * hertz * torch.arange(16_000) / 16_000) for hertz in (300, 3000)]
    torch.manual_seed(0)
    losses = []
    for _ in range(40):
        logits = model.encode_tokens(ids) @ model.encode_waveforms(clips).T / model.temperature
        losses.append(torch.nn.functional.cross_entropy(logits, torch.arange(2)))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    save_weights(folder / WEIGHTS, model.eval().state_dict(), model.config)
    state, config = load_weights(folder / WEIGHTS, ClapConfig)
    again = Clap(config).eval()
    load_strictly(again, state, "other")
    with torch.inference_mode():
        assert torch.equal(again.encode_waveforms(clips), model.encode_waveforms(clips))
        assert torch.equal(again.encode_tokens(ids), model.encode_tokens(ids))
    prefixes = {key.split(".")[0] + "." + key.split(".")[1] for key in state if "encoder." in key}
    assert config == model.config and prefixes == {"audio_encoder.model", "text_encoder.model"}


def test_an_english_text_tower_names_its_language(tiny, tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(BERT_WORDS) + "\n")
    encoder = ClapEncoder("english", "0" * 64, (Clap(replace(tiny, text=BERT)).eval(), load_text_tokenizer(BERT, tmp_path)))
    assert encoder.languages == ("eng_Latn",)
    with pytest.raises(UserError, match=r"knows English \(eng_Latn\), not French \(fra_Latn\)"):
        encoder.embed_text(["la pluie"], "fra_Latn")
    with pytest.raises(UserError, match="Unknown language 'xx'"):
        encoder.embed_text(["rain"], "xx")


@pytest.mark.parametrize(("text", "files"), [(BERT, "tokenizer.json or vocab.txt"), (SonarConfig(), "sentencepiece.model")])
def test_a_missing_tokenizer_names_its_files(text, files, tmp_path):
    with pytest.raises(UserError, match=f"lacks its {files}"):
        load_text_tokenizer(text, tmp_path)
