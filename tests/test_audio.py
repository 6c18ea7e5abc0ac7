import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap.audio import SAMPLE_RATE_HZ, from_samples, load, require_sound
from clap.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def tone(seconds, rate, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def peak_hz(waveform):
    return np.abs(np.fft.rfft(waveform)).argmax() * SAMPLE_RATE_HZ / len(waveform)


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 16_000), ("flac", 44_100), ("mp3", 48_000), ("ogg", 22_050)])
def test_formats_and_rates(tmp_path, suffix, rate):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(1.0, rate), rate)
    waveform = load(path)
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    assert len(waveform) == pytest.approx(SAMPLE_RATE_HZ, rel=0.1)
    assert peak_hz(waveform) == pytest.approx(440, abs=5)


def test_formats_of_ffmpeg(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(2.0, 44_100), 44_100)
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "a.wav", tmp_path / "a.m4a"], check=True)
    waveform = load(tmp_path / "a.m4a")
    assert len(waveform) / SAMPLE_RATE_HZ == pytest.approx(2.0, abs=0.15)
    assert peak_hz(waveform) == pytest.approx(440, abs=5)


def test_eight_channels_at_192_khz(tmp_path):
    channels = np.stack([tone(1.0, 192_000)] * 8, axis=1)
    soundfile.write(tmp_path / "a.wav", channels, 192_000, subtype="PCM_24")
    waveform = load(tmp_path / "a.wav")
    assert waveform.shape == (SAMPLE_RATE_HZ,) and peak_hz(waveform) == pytest.approx(440, abs=2)


def test_integer_samples_of_a_microphone():
    loud = (tone(1.0, 48_000) * 32767).astype(np.int16)
    assert np.abs(from_samples(loud, 48_000)).max() == pytest.approx(0.5, abs=0.02)


def test_text_file_named_wav(tmp_path):
    (tmp_path / "notes.wav").write_text("this is not sound\n" * 50)
    with pytest.raises(UserError, match="notes.wav holds no audio"):
        load(tmp_path / "notes.wav")


def test_file_without_samples(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0, np.float32), 16_000)
    with pytest.raises(UserError, match="no samples"):
        load(tmp_path / "a.wav")


def test_empty_missing_short_and_long_files(tmp_path):
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "short.wav", tone(0.05, 16_000), 16_000)
    soundfile.write(tmp_path / "long.wav", tone(3.0, 16_000), 16_000)
    for name, sentence in (("empty", "empty file"), ("gone", "no file"), ("short", "50 ms long"), ("long", "at most")):
        with pytest.raises(UserError, match=sentence):
            load(tmp_path / f"{name}.wav", max_seconds=2)


def test_samples_that_are_not_numbers():
    bad = tone(1.0, 16_000)
    bad[5] = np.nan
    with pytest.raises(UserError, match="not numbers"):
        from_samples(bad, 16_000)


def test_a_name_that_hides_the_format(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"hello" * 1000)
    with pytest.raises(UserError, match="holds no audio"):
        load(tmp_path / "a.raw")


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile 'other.wav'\n", "#EXTM3U\n#EXTINF:1,\nfile://{}\n#EXT-X-ENDLIST\n"])
def test_a_playlist_opens_no_other_file(tmp_path, text):
    soundfile.write(tmp_path / "other.wav", tone(1.0, 16_000), 16_000)
    (tmp_path / "list.wav").write_text(text.format(tmp_path / "other.wav"))
    with pytest.raises(UserError, match="list.wav holds no audio"):
        load(tmp_path / "list.wav")


def test_unsigned_samples():
    samples = (tone(1.0, 16_000) * 127 + 128).astype(np.uint8)
    assert np.abs(from_samples(samples, 16_000) - tone(1.0, 16_000)).max() < 0.01


def test_samples_that_would_overflow():
    with pytest.raises(UserError, match="above"):
        from_samples(tone(1.0, 16_000) * 1e30, 16_000)


@pytest.mark.parametrize("rate", [0, -16_000, 500, 10**7])
def test_rates_that_no_recording_has(rate):
    with pytest.raises(UserError, match="sample rate"):
        from_samples(tone(1.0, 16_000), rate)


def test_an_odd_rate_needs_no_gigabytes():
    """47,999 Hz shares no factor with 16 kHz: its exact kernel has 768 million taps."""
    waveform = from_samples(tone(1.0, 47_999), 47_999)
    assert len(waveform) == pytest.approx(SAMPLE_RATE_HZ, rel=1e-3) and peak_hz(waveform) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_resampled_blocks_are_seamless(rate):
    import torch
    from torchaudio.functional import resample

    noise = np.random.default_rng(0).normal(0, 0.1, int(121.3 * rate)).astype(np.float32)
    whole = resample(torch.from_numpy(noise), rate, SAMPLE_RATE_HZ).numpy()
    made = from_samples(noise, rate)
    assert made.shape == whole.shape and np.abs(made - whole).max() < 1e-5


def test_silence_is_no_query():
    with pytest.raises(UserError, match="silent"):
        require_sound(np.zeros(16_000, np.float32))
    quiet = tone(1.0, 16_000) * 0.01
    assert require_sound(quiet) is quiet


def test_importing_the_module_loads_no_torch():
    code = "import sys, clap.audio; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
