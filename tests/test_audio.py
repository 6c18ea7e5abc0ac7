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


def test_silence_is_no_query():
    with pytest.raises(UserError, match="silent"):
        require_sound(np.zeros(16_000, np.float32))
    quiet = tone(1.0, 16_000) * 0.01
    assert require_sound(quiet) is quiet


def test_importing_the_module_loads_no_torch():
    code = "import sys, clap.audio; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
