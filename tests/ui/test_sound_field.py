import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest

from clap.ui.sound_field import SoundField


def move(path):
    """What the field makes of a file that a call names; in a thread of its own, as the browser's tests keep a loop running here."""
    with gr.Blocks(), ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, SoundField().async_move_resource_to_block_cache(path)).result()


@pytest.mark.parametrize("address", ["https://example.org/huge.wav", "http://127.0.0.1/x", "FTP://example.org/a.wav", "file:///etc/passwd"])
def test_addresses_are_refused_before_anything_is_fetched(address, monkeypatch):
    monkeypatch.setattr("gradio.processing_utils.async_ssrf_protected_download", None)
    with pytest.raises(gr.Error, match="recorded or uploaded here"):
        move(address)


def test_uploads_pass(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert move(str(tmp_path / "a.wav")).endswith("a.wav")
