"""The app as a visitor gets it: `python app.py` with the shipped checkpoints and the gallery."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from gradio_client import Client

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"GRADIO_SERVER_PORT": str(port), "CLAP_CACHE": str(tmp_path_factory.mktemp("cache")), "HF_HUB_OFFLINE": "1"}
    app = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True)
    said = []
    for line in app.stderr:
        said.append(line)
        if line.startswith("Ready on "):
            break
    else:
        pytest.fail(f"the app stopped: {''.join(said[-5:])}")
    yield f"http://127.0.0.1:{port}"
    app.terminate()
    app.wait(15)


def classes(clip):
    rows = map(json.loads, (ROOT / "assets" / "gallery" / "clips.jsonl").read_text(encoding="utf-8").splitlines())
    return next({event["class"] for event in row["events"]} for row in rows if row["id"] == clip)


def test_a_query_brings_playable_dogs_from_both_checkpoints(address):
    message, *columns = Client(address, verbose=False).predict("犬が吠えている", "auto", api_name="/search_text")
    assert "日本語" in message and len(columns) == 2
    for column in columns:
        assert len(column["clips"]) == 10 and all(hit["caption"] for hit in column["clips"])
    best = columns[1]["clips"][0]
    assert "dog" in classes(best["id"])
    with urllib.request.urlopen(f"{address}/{best['url'].lstrip('/')}") as clip:
        assert clip.status == 200 and clip.headers["content-type"] == "audio/mpeg"


def test_only_clips_are_served(address):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{address}/clips/../clips.jsonl")
