"""Two processes on a CPU against one with the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clap.data.pack import write_shards
from clap.data.records import Caption, Clip, Dataset

SCRIPT = Path(__file__).with_name("training_process.py")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def torchrun(ranks, out):
    """What torchrun would start and set, without its own start-up time."""
    shared = {
        "WORLD_SIZE": ranks,
        "LOCAL_WORLD_SIZE": ranks,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": free_port(),
        "TORCHELASTIC_RUN_ID": "test",
    }
    started = []
    for rank in range(ranks):
        own = {key: str(value) for key, value in {**shared, "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0}.items()}
        environment = {**os.environ, **own, "OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen([sys.executable, str(SCRIPT), "step", str(out)], env=environment, stderr=subprocess.PIPE, text=True)
        )
    return started


def write_uneven_shards(folder, tone_world):
    """Two shards, of four clips and of one."""
    clips, captions = [], []
    for n in range(5):
        path = tone_world.write_wav(folder / f"{n}.wav", tone_world.tone(300 + 100 * n, 0.5))
        clips.append(Clip(f"tone{n}", path, "train", 0.5, "CC0"))
        captions.append(Caption(f"{n}", f"tone{n}", "eng_Latn", f"tone {n}", "human"))
    write_shards(Dataset("tones", tuple(clips), tuple(captions)), folder / "shards", 4)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory, tone_world):
    """What one process found, and what each of two did."""
    out = tmp_path_factory.mktemp("ranks")
    write_uneven_shards(out, tone_world)
    alone = {key: value for key, value in os.environ.items() if key not in ("RANK", "WORLD_SIZE")}
    started = [
        subprocess.Popen([sys.executable, str(SCRIPT), "step", str(out)], env=alone, stderr=subprocess.PIPE, text=True),
        *torchrun(2, out),
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    return [torch.load(out / f"{name}.pt") for name in ("rank0of1", "rank0of2", "rank1of2")]


def furthest(one, other):
    """The largest difference, of values above 1 (the running statistics, in dB) the relative one."""
    assert set(one) == set(other)
    return max(((one[name] - other[name]).abs() / one[name].abs().clamp(min=1)).max().item() for name in one)


def test_two_ranks_share_the_batch_and_find_its_loss(ranks):
    one, first, second = ranks
    assert one["pairs"] == [33] and first["pairs"] == [17] and second["pairs"] == [16]
    assert first["losses"] == second["losses"] == pytest.approx(one["losses"], rel=1e-6)


def test_two_ranks_have_the_gradients_of_one_process_with_the_whole_batch(ranks):
    """Clips of several lengths and three captions each, which lie on both ranks; batch norm and clipping are over both."""
    one, first, second = ranks
    assert max(value.abs().max().item() for value in one["gradients"].values()) > 0.05
    assert furthest(one["gradients"], first["gradients"]) < 1e-6
    assert furthest(one["gradients"], second["gradients"]) < 1e-6


def test_two_ranks_step_to_the_weights_of_one_process(ranks):
    one, first, second = ranks
    assert furthest(one["state"], first["state"]) < 1e-6 and furthest(first["state"], second["state"]) == 0


def test_a_rank_that_has_read_its_shards_waits_for_the_other(ranks):
    """One rank has four clips in batches of two, the other one: the second step is the first rank's alone."""
    _, first, second = ranks
    heard = [[clip for clips, _ in rank["streamed"] for clip in clips] for rank in (first, second)]
    assert sorted(map(len, heard)) == [1, 4] and set(np.concatenate(heard)) == {f"tone{n}" for n in range(5)}
    assert [loss for _, loss in first["streamed"]] == [loss for _, loss in second["streamed"]] and len(first["streamed"]) == 2
