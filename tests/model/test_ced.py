from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clap.config import CedConfig
from clap.model.ced import Ced, keep_some
from clap.presets import ced_base, ced_compact, ced_mini, ced_small, ced_tiny

REFERENCES = {
    "own": Path(__file__).resolve().parents[1] / "reference" / "ced_reference.safetensors",
    "all": Path(__file__).resolve().parents[3] / "shared" / "reference" / "ced_reference.safetensors",
}
CASES = {"own": 2, "all": 5}
SMALL = CedConfig(embed_dim=48, depth=3, num_heads=3)
CHUNK_SAMPLES = 1012 * 160


@pytest.fixture(scope="module")
def ced():
    torch.manual_seed(0)
    return Ced(SMALL).eval()


def noise(samples, seed=0):
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("which", REFERENCES)
def test_reference_values(which):
    """Values of the authors' own inference code on random weights: two cases kept here, all five where the folder lies beside."""
    if not REFERENCES[which].exists():
        pytest.skip("the whole set of reference values is not beside the project")
    data = load_file(REFERENCES[which])
    ced = Ced(SMALL).eval()
    ced.load_state_dict({key[4:]: value for key, value in data.items() if key.startswith("ced.")})
    cases = [key[5:] for key in data if key.startswith("wave.")]
    assert len(cases) == CASES[which]
    with torch.inference_mode():
        assert (ced.logmel(data["wave.short_1.3s"]) - data["logmel.short_1.3s"]).abs().max() < 1e-4
        for case in cases:
            assert (ced.encode_waveform(data[f"wave.{case}"]) - data[f"embedding.{case}"]).abs().max() < 1e-4, case


def test_front_end_equals_torchaudios_own(ced):
    wave = noise(3 * 16_000)
    assert torch.allclose(ced.logmel(wave), ced.front_end(wave[None])[0], atol=1e-4)


@torch.inference_mode()
def test_blocks_of_a_long_clip_are_seamless(ced):
    """Two and a half minutes run through three blocks of the Fourier transform; one block would hold it all."""
    wave = noise(150 * 16_000)
    assert torch.allclose(ced.logmel(wave), ced.front_end(wave[None])[0], atol=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("samples", [1600, 2560, 16_000, CHUNK_SAMPLES - 160, CHUNK_SAMPLES, CHUNK_SAMPLES + 1600])
def test_any_length(ced, samples):
    embedding = ced.encode_waveform(noise(samples))
    assert embedding.shape == (48,) and embedding.isfinite().all()


@torch.inference_mode()
def test_an_embedding_does_not_depend_on_its_neighbours(ced):
    """A loud clip beside a quiet one would lift its dynamic floor; a long one would pad it."""
    quiet, loud, long = noise(20_000) * 1e-3, noise(20_000, 1) * 9, noise(400_000, 2)
    alone = ced.encode_waveforms([quiet])[0]
    assert torch.equal(ced.encode_waveforms([loud, quiet, long])[1], alone)


@torch.inference_mode()
def test_a_long_clip_is_the_mean_of_its_chunks_and_keeps_the_last(ced):
    """At an exact multiple of the chunk the last chunk must count: the clip's second half is another sound."""
    wave = torch.cat([noise(CHUNK_SAMPLES), torch.sin(torch.arange(CHUNK_SAMPLES - 160) * 0.5)])
    normed = ced.init_bn(ced.logmel(wave)[None])
    assert normed.shape[-1] == 2 * 1012
    halves = [ced.encode_patches(half)[0] for half in normed.split(1012, dim=-1)]
    assert torch.allclose(ced.encode_waveform(wave), (halves[0] + halves[1]) / 2, atol=1e-5)


def test_patch_dropout_keeps_order_and_share():
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    kept = keep_some(x, 3, 0.4)
    assert kept.shape == (1, 1, 4, 3) and (kept.diff(dim=-1) > 0).all()


def test_dropout_only_in_training():
    config = CedConfig(embed_dim=48, depth=2, num_heads=3, time_patch_dropout=0.5, drop_path=0.5)
    ced, spectrogram = Ced(config), torch.randn(2, 64, 200)
    assert not torch.equal(ced.train().encode_spectrogram(spectrogram), ced.encode_spectrogram(spectrogram))
    assert torch.equal(ced.eval().encode_spectrogram(spectrogram), ced.encode_spectrogram(spectrogram))


@pytest.mark.parametrize(
    ("config", "millions"), [(ced_tiny(), 5.5), (ced_mini(), 9.6), (ced_small(), 21.6), (ced_base(), 85.8), (ced_compact(), 2.7)]
)
def test_sizes(config, millions):
    count = sum(parameter.numel() for parameter in Ced(config).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.02)
