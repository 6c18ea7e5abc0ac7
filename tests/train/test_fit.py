"""The loop: what survives a kill, bad data and a full disk, and a training on one's own folder from the command line."""

import builtins
import importlib.util
import io
import json
import resource
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clap.checkpoints import load_encoder
from clap.config import ClapConfig
from clap.data.datasets import load_dataset
from clap.data.language_enhancement import epoch_pairs
from clap.data.pack import write_shards
from clap.data.records import Caption
from clap.errors import UserError
from clap.model.clap import Clap
from clap.presets import compact, sonar_se_clap, sonar_speech
from clap.train import fit as fitting
from clap.train.__main__ import main
from clap.train.distributed import engine
from clap.train.hearing import Waveforms, hearing_of
from clap.train.presets import ClapTraining
from clap.train.source import PairSource, ShardSource
from clap.train.state import Journal, read_state
from clap.weights import load_weights, save_weights

SCRIPT = Path(__file__).with_name("training_process.py")


@pytest.fixture(scope="module")
def world():
    """The models and tones of training_process.py."""
    spec = importlib.util.spec_from_file_location("training_process", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def without_times(row):
    return {key: value for key, value in row.items() if "seconds" not in key and key != "clips_per_second"}


def test_a_run_killed_within_an_epoch_goes_on_to_the_same_weights_and_log(world, tmp_path):
    """SIGKILL before the fourth batch of the second epoch, with dropout, one cycle and mixed precision."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "hang", str(tmp_path / "killed")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.wait()
    state = read_state(tmp_path / "killed" / "last.pt")
    assert (state["epoch"], state["step"]) == (1, 3)
    resumed, whole = world.whole(tmp_path / "killed"), world.whole(tmp_path / "whole")
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())
    rows = [[without_times(row) for row in log_of(tmp_path / name)] for name in ("killed", "whole")]
    assert rows[0] == rows[1] and [row["step"] for row in rows[0]] == [1, 2]
    assert not torch.equal(whole.audio_proj[0].weight, world.small(0.25).audio_proj[0].weight)


def test_a_finished_run_is_left_as_it_is(world, tmp_path):
    first = world.whole(tmp_path)
    written = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = world.whole(tmp_path)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in first.state_dict().items())
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == written and len(log_of(tmp_path)) == 2


def train(world, out, source=None, validate=None, **plan):
    settings = ClapTraining(**{"epochs": 2, "batch": 4, "bfloat16": False, **plan})
    model = world.small()
    fitting.fit(model, None, source or world.tones(), settings, out, validate, engine("cpu"), save_every_s=0)
    return model


def with_one_broken(world, clip):
    source = world.tones()
    return PairSource({**source.audio, clip: torch.full((64, 48), torch.nan)}, source.captions)


def test_a_loss_that_is_no_number_names_batch_and_clip_and_keeps_the_state(world, tmp_path):
    source = with_one_broken(world, "clip7")
    order = [pair.clip for pair in epoch_pairs(source.captions, 0.0, 0, 0)]
    batch = order.index("clip7") // 4 + 1
    with pytest.raises(UserError, match=rf"epoch 1, batch {batch}, with the clips clip7; the last good state is kept"):
        train(world, tmp_path, source)
    state = read_state(tmp_path / "last.pt")
    assert state.get("step", 0) == batch - 1
    assert all(torch.isfinite(value).all() for value in state.get("model", {}).values())


def test_a_gradient_that_is_no_number_stops_before_the_step(world, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "info_nce", lambda audio, *_: (audio - audio.detach()).abs().sqrt().sum())
    with pytest.raises(UserError, match=r"gradient's norm is nan in epoch 1, batch 1"):
        train(world, tmp_path)
    assert not (tmp_path / "last.pt").exists()


class Breaking:
    """A source one of whose files cannot be read."""

    def __init__(self, source, step):
        self.source, self.bad = source, step

    def __getattr__(self, name):
        return getattr(self.source, name)

    def batches(self, *args):
        for step, batch in enumerate(self.source.batches(*args)):
            if step == self.bad:
                raise UserError("x.wav cannot be read.")
            yield batch


def test_a_file_that_cannot_be_read_costs_no_work(world, tmp_path):
    with pytest.raises(UserError, match=r"x.wav"):
        fitting.fit(world.small(), None, Breaking(world.tones(), 2), ClapTraining(epochs=2, batch=4), tmp_path, None, engine("cpu"))
    assert read_state(tmp_path / "last.pt")["step"] == 2


def test_a_full_disk_leaves_the_last_state(world, tmp_path):
    train(world, tmp_path, epochs=1)
    before = (tmp_path / "last.pt").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    model, optimizer = world.small(), torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match=r"last.pt could not be written \(File too large\)"):
            fitting.save_state(tmp_path / "last.pt", 1, model, optimizer, optimizer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "last.pt").read_bytes() == before and not list(tmp_path.glob("*.part"))


def test_another_runs_folder_is_refused(world, tmp_path):
    train(world, tmp_path, epochs=1)
    with pytest.raises(UserError, match=r"other settings \(epochs 1, not 3\); give another --out"):
        train(world, tmp_path, epochs=3)
    with pytest.raises(UserError, match=r"other data; give another --out"):
        train(world, tmp_path, world.tones(5), epochs=1)


def test_a_run_from_other_weights_is_refused_and_its_tokenizer_left_alone(world, tmp_path):
    plan = ClapTraining(epochs=1, batch=4)
    file = tmp_path / "start" / "sentencepiece.model"
    file.parent.mkdir()
    file.write_bytes(b"first")
    fitting.fit(world.small(), None, world.tones(), plan, tmp_path / "out", tokenizer_file=file)
    file.write_bytes(b"second")
    other = world.small()
    with torch.no_grad():
        other.audio_proj[0].bias += 1
    with pytest.raises(UserError, match="started from other weights; give another --out"):
        fitting.fit(other, None, world.tones(), plan, tmp_path / "out", tokenizer_file=file)
    assert (tmp_path / "out" / file.name).read_bytes() == b"first"


def test_an_epoch_whose_state_was_not_written_stands_in_the_log_once(world, tmp_path, monkeypatch):
    """The disk is full when the state after the first epoch's report is to be written."""
    save, calls = fitting.save_state, []

    def full_once(*arguments, **more):
        calls.append(1)
        if len(calls) == 2:
            raise UserError("full")
        save(*arguments, **more)

    monkeypatch.setattr(fitting, "save_state", full_once)
    with pytest.raises(UserError, match="full"):
        train(world, tmp_path, epochs=2)
    train(world, tmp_path, epochs=2)
    assert [row["step"] for row in log_of(tmp_path)] == [1, 2]


def test_time_left_counts_what_this_process_did(tmp_path, monkeypatch):
    """Ten epochs took ten hours; the eleventh, after a restart, one: nine are left."""
    journal = Journal(tmp_path / "log.jsonl", 10, 0, 20, 4, {"seconds": 36_000.0})
    now = journal.begun + 3_600
    monkeypatch.setattr("clap.train.state.time.monotonic", lambda: now)
    row = journal.end_epoch(10, score=0.5)
    assert (row["seconds"], row["seconds_left"]) == (39_600.0, 32_400)


def test_a_mode_without_a_ratio_is_refused():
    with pytest.raises(UserError, match="give a --ratio"):
        ClapTraining(mode="mixture")
    assert ClapTraining(mode="baseline").languages == ()


def test_shards_tell_what_is_trained_on_and_what_is_wrong(tmp_path, tone_world, capsys):
    write_shards(tone_world.dataset, tmp_path / "test", 6)
    assert ShardSource(tmp_path / "test").clips == 0
    assert "0 of 12 clips are trained on" in capsys.readouterr().err
    with tarfile.open(tmp_path / "listed.tar", "w") as shard:
        info = tarfile.TarInfo("a.json")
        text = json.dumps({"captions": ["a dog"]}).encode()
        info.size = len(text)
        shard.addfile(info, io.BytesIO(text))
    with pytest.raises(UserError, match="Shard listed.tar, sample a: its json must be an object like"):
        ShardSource([tmp_path / "listed.tar"])


def test_a_damaged_state_is_told(world, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"no state")
    with pytest.raises(UserError, match=r"last.pt is no training state"):
        train(world, tmp_path)


def test_a_language_that_the_model_cannot_read_is_told_before_training(tiny, tokenizer, world, tmp_path):
    model = Clap(tiny)
    model.text_encoder.languages = ("eng_Latn",)
    with pytest.raises(UserError, match="not German"):
        fitting.fit(model, tokenizer, world.tones(), ClapTraining(ratio=0.5), tmp_path, None, engine("cpu"))
    assert not (tmp_path / "last.pt").exists()


def gradients(model, tokenizer, source, checkpointing, tmp_path):
    plan = ClapTraining(epochs=1, bfloat16=False, checkpointing=checkpointing)
    run = fitting.begin(model, tokenizer, source, plan, tmp_path / str(checkpointing), engine("cpu"), 0, 600)
    model.train()
    ((batch, sizes),) = fitting.batches_in_step(run)
    fitting.train_step(run, batch, sizes)
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def test_checkpointing_gives_the_same_gradients(tiny, tokenizer, world, tmp_path):
    """Real towers with dropout: what is computed again draws the same."""
    config = replace(tiny, audio=replace(tiny.audio, drop_path=0.3), text=replace(tiny.text, dropout=0.1))
    found = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        found.append(gradients(Clap(config), tokenizer, world.tones(), checkpointing, tmp_path))
    assert found[0].keys() == found[1].keys() and all(torch.allclose(value, found[1][name], atol=1e-7) for name, value in found[0].items())


def test_checkpointing_finds_the_blocks_of_both_towers(tiny):
    model = Clap(tiny)
    assert fitting.checkpoint_blocks(model) == tiny.audio.depth + tiny.text.num_encoder_layers
    assert set(model.state_dict()) == set(Clap(tiny).state_dict())


def test_a_tower_that_takes_no_spectrograms_trains_from_waveforms(tiny, tokenizer, world, tmp_path):
    speech = replace(
        sonar_speech(),
        model_dim=32,
        num_encoder_layers=1,
        num_pooler_layers=1,
        num_heads=2,
        ffn_inner_dim=32,
        conv_kernel=3,
        chunk_frames=40,
    )
    torch.manual_seed(0)
    model = Clap(replace(sonar_se_clap(), audio=speech, text=tiny.text, joint_dim=16))
    hearing = hearing_of(model)
    assert isinstance(hearing, Waveforms) and hearing.limit == 6400
    rng, captions = np.random.default_rng(0), world.tones(3).captions
    kept = {f"clip{n}": hearing.keep(rng.normal(0, 0.1, 4000 + 3000 * n).astype(np.float32)) for n in range(3)}
    assert len(hearing.disturb(kept["clip2"], rng)) == 6400
    before = model.audio_proj[0].weight.clone()
    fitting.fit(model, tokenizer, PairSource(kept, captions), ClapTraining(epochs=1, bfloat16=False), tmp_path, None, engine("cpu"))
    assert hearing.encode(model.eval(), []).shape == (0, 16) and not torch.equal(before, model.audio_proj[0].weight)


def test_without_tensorboard_one_line_is_said_and_the_log_stays(world, tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("torch.utils.tensorboard"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    train(world, tmp_path, epochs=1)
    assert capsys.readouterr().err.count("TensorBoard is not installed") == 1
    assert len(log_of(tmp_path)) == 1 and not (tmp_path / "tensorboard").exists()


def test_tensorboard_has_every_step_and_the_validation(world, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(world, tmp_path, validate=lambda model: {"score": 0.25}, epochs=2)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert len(board.Scalars("training/loss")) == 6 and [one.value for one in board.Scalars("validation/score")] == [0.25, 0.25]


def test_progress_tells_place_speed_and_time_left(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "log.jsonl", 1, 0, 4, 10, {})
    now = journal.begun + 60
    monkeypatch.setattr("clap.train.state.time.monotonic", lambda: now)
    journal.step(1, 4, 120, 1e-3, 2.5)
    assert journal.line(1, 4, 2.5) == "epoch 2/4, batch 5/10, loss 2.5000, 2.0 clips/s, 5 min left"


@pytest.fixture
def own_folder(tmp_path, tone_world):
    """A folder of one's own: eight tones with captions in two languages, two of them held back."""
    folder = tmp_path / "mine"
    folder.mkdir()
    lines = ["file,caption,language,split"]
    for n in range(8):
        tone_world.write_wav(folder / f"{n}.wav", tone_world.tone(300 + 200 * n, 0.6))
        split = "validation" if n > 5 else "all"
        lines += [f"{n}.wav,tone number {n},eng_Latn,{split}", f"{n}.wav,le son {n},fra_Latn,{split}"]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def trained(tiny, tokenizer_file, tmp_path):
    """A checkpoint's folder to start from."""
    folder = tmp_path / "start"
    folder.mkdir()
    torch.manual_seed(0)
    save_weights(folder / "model.safetensors", Clap(tiny).state_dict(), tiny)
    (folder / "sentencepiece.model").write_bytes(tokenizer_file.read_bytes())
    return folder


def test_ones_own_folder_fine_tuned_published_and_used(own_folder, trained, tmp_path, capsys):
    run, shelf = tmp_path / "run", tmp_path / "shelf"
    command = [
        "clap",
        "--data",
        str(own_folder),
        "--init",
        str(trained),
        "--ratio",
        "0.5",
        "--epochs",
        "1",
        "--batch",
        "4",
        "--out",
        str(run),
    ]
    assert main(command) == 0, capsys.readouterr().err
    assert "6 of 8 clips are trained on, 2 choose among epochs" in capsys.readouterr().err
    assert {"eng_Latn", "fra_Latn", "score", "loss", "clips_per_second"} <= set(log_of(run)[0])
    about = ["--title", "Mine", "--licence", "CC0", "--trained-on", "my tones", "--command", "python -m clap.train clap"]
    assert main(["publish", str(run), "--name", "mine", "--folder", str(shelf), "--languages", "eng_Latn", "fra_Latn", *about]) == 0
    encoder = load_encoder("mine", shelf)
    assert encoder.embed_text(["le son 3"], "fra_Latn").shape == (1, 32)
    after, before = (load_weights(folder / "model.safetensors", ClapConfig)[0]["audio_proj.0.bias"] for folder in (run, trained))
    assert not torch.equal(after, before)


def test_streaming_from_files_learns_from_the_same_pairs(own_folder, trained, tmp_path):
    for name, more in (("packed", []), ("streamed", ["--stream", "--workers", "1"])):
        assert main(["clap", "--data", str(own_folder), "--init", str(trained), "--epochs", "1", "--out", str(tmp_path / name), *more]) == 0
    packed, streamed = (log_of(tmp_path / name)[0] for name in ("packed", "streamed"))
    assert packed["loss"] == pytest.approx(streamed["loss"], abs=1e-3) and packed["score"] == pytest.approx(streamed["score"], abs=1e-6)


def test_shards_are_trained_on(own_folder, trained, tmp_path):
    write_shards(load_dataset(str(own_folder)), tmp_path / "shards", 3)
    arguments = [
        "clap",
        "--data",
        str(tmp_path / "shards"),
        "--validation",
        str(own_folder),
        "--init",
        str(trained),
        "--ratio",
        "1",
        "--batch",
        "4",
    ]
    assert main([*arguments, "--epochs", "2", "--out", str(tmp_path / "run")]) == 0
    assert [row["step"] for row in log_of(tmp_path / "run")] == [1, 2]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "Give --data NAME or PATH"),
        (["--data", "{folder}", "--ratio", "1.7"], "between 0 and 1, got 1.7"),
        (["--data", "{folder}", "--batch", "1"], "at least two pairs"),
        (["--data", "{folder}", "--init", "no-such"], "Unknown checkpoint 'no-such'"),
        (["--data", "{folder}", "--init", "laion-clap"], "another system"),
        (["--data", "no-such", "--init", "{start}"], "Unknown data set 'no-such'"),
        (["--data", "{folder}", "--ced", "{folder}"], "cannot be read as safetensors"),
    ],
)
def test_wrong_calls_are_told_in_a_sentence(more, told, own_folder, trained, tmp_path, capsys):
    more = [part.format(folder=own_folder, start=trained) for part in more]
    assert main(["clap", "--out", str(tmp_path / "run"), *more]) == 2
    errors = capsys.readouterr().err
    assert told in errors and "Traceback" not in errors


def test_a_ratio_without_translations_is_refused(own_folder, trained, tmp_path, capsys):
    table = (own_folder / "metadata.csv").read_text().splitlines()
    (own_folder / "metadata.csv").write_text("\n".join(line for line in table if "fra_Latn" not in line) + "\n")
    assert main(["clap", "--data", str(own_folder), "--init", str(trained), "--ratio", "0.1", "--out", str(tmp_path / "run")]) == 2
    assert "English captions only" in capsys.readouterr().err


def test_one_language_can_be_chosen_and_must_be_there(own_folder, trained, tmp_path, capsys):
    arguments = ["clap", "--data", str(own_folder), "--init", str(trained), "--ratio", "1", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main([*arguments, "--mode", "deu_Latn"]) == 2
    assert "no captions in deu_Latn" in capsys.readouterr().err
    assert main([*arguments, "--mode", "fra_Latn"]) == 0


def test_the_compact_models_own_data_from_the_command_line(own_folder, tmp_path, monkeypatch):
    """As the shipped checkpoints were trained, with four clips for all of ESC-50 and the pool."""
    from clap.train import clap as command
    from clap.train.prepare import Recording, TrainingSet

    noise = [np.random.default_rng(n).normal(0, 0.1, 16_000).astype(np.float32) for n in range(4)]
    recordings = tuple(Recording(f"clip{n}", ("dog",), "single", lambda n=n: noise[n]) for n in range(4))
    captions = tuple(Caption(f"{n}", f"clip{n}", "eng_Latn", f"dog number {n}", "machine") for n in range(4))
    monkeypatch.setattr(command, "training_set", lambda *_, **__: TrainingSet(recordings, captions))
    assets = Path(command.__file__).parents[2] / "assets" / "checkpoints"
    start = ["--ced", str(assets / "compact-ced"), "--sonar", str(assets / "compact-sonar"), "--validation", str(own_folder)]
    arguments = ["clap", "--ratio", "0", "--esc50", "esc50", "--pool", "pool", "--epochs", "1", *start, "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    config = load_weights(tmp_path / "run" / "model.safetensors", ClapConfig)[1]
    assert config == compact() and (tmp_path / "run" / "data").read_text() and (tmp_path / "run" / "sentencepiece.model").is_file()


def test_the_papers_towers_can_start_from_released_weights(tiny, tmp_path, monkeypatch):
    """CED's from a folder that `clap convert` makes, SONAR's by sonar-space's card."""
    from clap.model import sonar
    from clap.train.clap import start_model

    torch.manual_seed(1)
    theirs = Clap(tiny)
    save_weights(tmp_path / "model.safetensors", theirs.audio_encoder.model.state_dict(), tiny.audio)
    monkeypatch.setattr(sonar, "load_released", lambda: (theirs.text_encoder.model, None))
    model = start_model(tiny, tmp_path, Path("released"), seed=0)
    towers = {key: value for key, value in theirs.state_dict().items() if "_encoder." in key}
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in towers.items())
    assert not torch.equal(model.audio_proj[0].weight, theirs.audio_proj[0].weight)
