import pytest
import torch

from clap.config import SonarSpeechConfig
from clap.errors import UserError
from clap.model.speech import SpeechTower, build_encoder, fbank
from clap.presets import sonar_speech

TINY = SonarSpeechConfig(model_dim=32, num_encoder_layers=2, num_pooler_layers=1, num_heads=4, ffn_inner_dim=64, chunk_frames=500)


def noise(seconds, seed=0):
    return 0.1 * torch.randn(int(seconds * 16_000), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def tower():
    torch.manual_seed(0)
    return SpeechTower(TINY).eval()


def names_and_shapes(model):
    return {key: value.shape for key, value in model.state_dict().items()}


def test_the_preset_is_sonar_spaces_english_encoder():
    from sonar.models.sonar_speech import SonarSpeechEncoderFactory, get_sonar_speech_encoder_hub

    with torch.device("meta"):
        theirs = SonarSpeechEncoderFactory(get_sonar_speech_encoder_hub().get_arch_config("english")).create_model()
        ours = build_encoder(sonar_speech())
    assert names_and_shapes(ours) == names_and_shapes(theirs)
    assert [type(module) for module in ours.modules()] == [type(module) for module in theirs.modules()]
    assert repr(ours).replace("1500", "4096") == repr(theirs)


@pytest.mark.parametrize(("seconds", "gain"), [(0.1, 1), (1, 1e-4), (2.015, 1), (4.9, 1)])
@torch.inference_mode()
def test_equal_to_sonar_spaces_own_pipeline(tower, seconds, gain):
    from sonar.inference_pipelines.speech import SpeechToEmbeddingModelPipeline

    clip = gain * noise(seconds)
    theirs = SpeechToEmbeddingModelPipeline(tower.model).predict([clip[None]])
    assert torch.allclose(tower.encode_waveforms([clip]), theirs, atol=1e-5)


@torch.inference_mode()
def test_any_length_on_its_own(tower):
    clips = [noise(seconds, seed) for seed, seconds in enumerate((3, 0.1, 60, 3, 61.01))]
    together = tower.encode_waveforms(clips)
    assert together.shape == (5, 32) and torch.isfinite(together).all()
    alone = torch.cat([tower.encode_waveforms([clip]) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-5) and not torch.allclose(together[0], together[3], atol=1e-3)


@torch.inference_mode()
def test_a_long_clip_is_the_mean_of_equal_chunks(tower):
    frames = fbank(noise(12))
    chunks = tower.chunks(frames)
    assert [len(chunk) for chunk in chunks] == [400, 399, 399] and torch.equal(torch.cat(chunks), frames)
    mean = torch.stack([tower.encode_chunks([chunk])[0] for chunk in chunks]).mean(dim=0)
    assert torch.allclose(tower.encode_waveforms([noise(12)])[0], mean, atol=1e-5)


def test_filterbank_is_standardised_and_silence_is_no_hole(tower):
    frames = fbank(noise(1))
    assert frames.shape == (98, 80) and frames.mean(dim=0).abs().max() < 1e-4 and (frames.std(dim=0) - 1).abs().max() < 1e-4
    assert torch.equal(fbank(torch.zeros(16_000)), torch.zeros(98, 80))
    assert torch.isfinite(tower.encode_waveforms([torch.zeros(16_000)])).all()


def test_every_parameter_that_counts_learns_from_waveforms():
    torch.manual_seed(0)
    tower = SpeechTower(TINY).train()
    (tower.encode_waveforms([noise(1, 1), noise(1, 2), noise(7, 3)]) * torch.linspace(-1, 1, 32)).sum().backward()
    still = {name for name, value in tower.named_parameters() if value.grad is None or not value.grad.any()}
    # The pooler attends to one token of its own, so what compares tokens there cannot matter.
    assert still == {f"model.encoder_pooler.decoder.layers.0.self_attn.{part}_proj.{kind}" for part in "qk" for kind in ("weight", "bias")}


def test_spectrograms_are_refused(tower):
    with pytest.raises(UserError, match="give it waveforms"):
        tower.encode_spectrogram(torch.zeros(1, 64, 100))
