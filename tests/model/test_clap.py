import numpy as np
import pytest
import torch

from clap.checkpoints import TOKENIZER, WEIGHTS, load_clap, save_weights
from clap.embed import Encoder
from clap.errors import UserError
from clap.model.clap import Clap, ClapEncoder, equal_length_batches


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
    assert sorted(map(sorted, equal_length_batches(ids))) == [[0, 2], [1, 4], [3]]


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
