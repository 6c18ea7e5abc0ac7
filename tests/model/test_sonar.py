import warnings

import pytest
import torch
from fairseq2.data.tokenizers import VocabularyInfo
from sonar.inference_pipelines.text import TextToEmbeddingModelPipeline

from clap.errors import UserError
from clap.languages import CODES
from clap.model import sonar
from clap.presets import sonar_basic

TEXTS = ["a dog barks", "rain", "a church bell rings and then a train passes by in the distance " * 3]


@pytest.fixture
def encoder(tiny_text):
    torch.manual_seed(0)
    return sonar.build_encoder(tiny_text).eval()


def embed(encoder, tokenizer, texts, language):
    ids, cut = sonar.truncate(sonar.tokenize(tokenizer, texts, language), sonar.max_tokens(encoder))
    with torch.inference_mode():
        return torch.cat([sonar.encode_tokens(encoder, [sequence]) for sequence in ids]), cut


@pytest.mark.parametrize("language", CODES)
def test_equal_to_sonars_own_pipeline(encoder, tokenizer, language):
    """Pooling, language tokens and truncation are sonar-space's; the third text is longer than the encoder takes."""
    ours, cut = embed(encoder, tokenizer, TEXTS, language)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        theirs = TextToEmbeddingModelPipeline(encoder, tokenizer).predict(TEXTS, source_lang=language)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert cut == 1 and any("1 input tensors" in str(warning.message) for warning in told)


def test_language_token_leads_and_matters(encoder, tokenizer):
    first = {int(sonar.tokenize(tokenizer, ["piano"], code)[0][0]) for code in CODES}
    assert len(first) == 8
    english, french = (embed(encoder, tokenizer, ["piano"], code)[0] for code in CODES[:2])
    assert not torch.allclose(english, french)


def test_target_starts_with_the_end_symbol(tokenizer):
    source, target = (sonar.tokenize(tokenizer, ["rain"], CODES[0], mode)[0] for mode in ("source", "target"))
    assert target[0] == 3 and torch.equal(target[1:], source)


def test_padding_changes_nothing(encoder, tokenizer):
    ids = sonar.tokenize(tokenizer, TEXTS[:2], CODES[0])
    with torch.inference_mode():
        together = sonar.encode_tokens(encoder, ids)
        alone = torch.cat([sonar.encode_tokens(encoder, [sequence]) for sequence in ids])
    assert torch.allclose(together, alone, atol=1e-5)


def test_vocabulary_is_the_preset_s(tokenizer, tiny_text):
    assert tokenizer.vocab_info == VocabularyInfo(size=tiny_text.vocab_size, unk_idx=1, bos_idx=2, eos_idx=3, pad_idx=0)


def test_decoder_scores_every_target_token(encoder, tokenizer, tiny_text):
    decoder = sonar.build_decoder(tiny_text).eval()
    ids = sonar.tokenize(tokenizer, TEXTS[:2], CODES[1], "target")
    logits, wanted = sonar.decode_logits(decoder, torch.zeros(2, tiny_text.model_dim), ids)
    assert logits.shape == (2, max(map(len, ids)) - 1, tiny_text.vocab_size) and wanted.shape == logits.shape[:2]


def test_translation_gives_one_text_each(encoder, tokenizer, tiny_text):
    made = sonar.translate(encoder, sonar.build_decoder(tiny_text), tokenizer, TEXTS[:2], CODES[0], CODES[6], beam_size=1)
    assert len(made) == 2 and all(isinstance(text, str) for text in made)


def test_similarity_is_one_for_the_same_text_in_the_same_language(encoder, tokenizer):
    same, other = sonar.similarities(encoder, tokenizer, ["rain", "rain"], CODES[0], ["rain", "a man speaks"], CODES[0])
    assert same == pytest.approx(1, abs=1e-5) and other < 0.999


def test_released_weights_without_a_network_are_a_sentence(monkeypatch):
    """What sonar-space's card names is asked for, model and tokenizer; the network is a stand-in that is down."""
    import fairseq2.models
    from fairseq2.assets import AssetDownloadError

    asked = []

    def down(card, **_):
        asked.append(card)
        raise AssetDownloadError(card, "Address is not reachable.")

    monkeypatch.setattr(fairseq2.models, "load_model", down)
    with pytest.raises(UserError, match="cannot be downloaded.*not reachable"):
        sonar.load_released()
    assert asked == ["text_sonar_basic_encoder"]


def test_an_unknown_card_names_the_released_ones():
    with pytest.raises(UserError, match="no card 'nope'.*text_sonar_basic_encoder"):
        sonar.load_released("nope")


@pytest.mark.slow
def test_released_architecture():
    """Full width: SONAR's 766,091,264 parameters under 387 names (3 GB of memory)."""
    encoder = sonar.build_encoder(sonar_basic())
    assert sum(p.numel() for p in encoder.parameters()) == 766_091_264
    assert len(encoder.state_dict()) == 387 and sonar.max_tokens(encoder) == 514
