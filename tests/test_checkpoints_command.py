import json
import re
import shutil

import pytest
import torch

from clap import checkpoints_command, download
from clap.__main__ import main, parser
from clap.checkpoints import CARD, CATALOGUE, SHIPPED, card_of_line, catalogue, get_card, load_encoder
from clap.presets import PRESETS
from clap.released import WORKING
from clap.weights import TOKENIZER, WEIGHTS, sha256_of
from tests.faulty_server import FaultyServer, Served
from tests.model.released import ml_clap_shapes, random_state

COMPACT = SHIPPED / "compact-baseline"
ABOUT = ["--licence", "mine alone", "--languages", "eng_Latn", "fra_Latn", "--trained-on", "my garden"]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    """A folder for checkpoints that does not exist yet, and the preset "tiny"."""
    monkeypatch.setenv("CLAP_CHECKPOINTS", str(tmp_path / "home"))
    monkeypatch.setitem(PRESETS, "tiny", lambda: tiny)
    monkeypatch.setattr(download, "PAUSES_S", ())
    return tmp_path / "home"


@pytest.fixture
def run_folder(tmp_path):
    """Weights and tokenizer, no card: what training leaves."""
    folder = tmp_path / "run"
    folder.mkdir()
    for part in (WEIGHTS, TOKENIZER):
        shutil.copyfile(COMPACT / part, folder / part)
    return folder


@pytest.fixture
def weights_file(tmp_path, tiny):
    torch.save(random_state(ml_clap_shapes(tiny)), tmp_path / "theirs.pt")
    return tmp_path / "theirs.pt"


@pytest.fixture
def call(capsys):
    """Runs `python -m clap checkpoints …`; what went to standard output, or the sentence when it failed."""

    def run(*words):
        status = main(["checkpoints", *map(str, words)])
        out, err = capsys.readouterr()
        if status:
            *progress, err = err.splitlines()
            assert out == "" and all(line.startswith("Downloading http") for line in progress)
        return out if status == 0 else err

    return run


def rows(call):
    return {row["name"]: row for row in map(json.loads, call("--json").strip().split("\n"))}


def test_everything_is_listed(home, call, monkeypatch):
    monkeypatch.setattr(checkpoints_command, "find_spec", lambda package: package != "msclap" or None)
    listed = rows(call)
    assert listed["compact-baseline"]["state"] == "present" and listed["compact-baseline"]["bytes"] == (COMPACT / WEIGHTS).stat().st_size
    assert listed["ml-clap-pretrain"]["state"] == "to be fetched" and "non-commercial" in listed["ml-clap-pretrain"]["licence"]
    assert listed["ms-clap-2023"]["state"] == "needs msclap" and listed["glap"]["state"] == "through glap_model"
    lines = call().splitlines()
    assert [line.split()[0] for line in lines] == sorted(listed) and not home.exists()
    assert "size unknown" in next(line for line in lines if line.startswith("glap ")) and "615.0 MB" in lines[3]


def test_a_folder_with_a_card_is_added_by_name(home, call):
    assert "Added mine" in call("add", COMPACT, "--name", "mine")
    (line,) = map(json.loads, (home / CATALOGUE).read_text().splitlines())
    assert line["folder"] == str(COMPACT) and line["sha256"] == sha256_of(COMPACT / WEIGHTS)
    assert rows(call)["mine"]["title"] == "Compact baseline" and load_encoder("mine").name == "mine"


def test_a_title_of_any_characters_is_read_back(home, call):
    assert "Added mine" in call("add", COMPACT, "--name", "mine", "--title", "a\u2028b\x85c")
    assert rows(call)["mine"]["title"] == "a\u2028b\x85c"
    call("remove", "mine")
    assert "mine" not in rows(call)


def test_a_folder_without_a_card_needs_licence_and_languages(home, call, run_folder):
    assert "it lacks languages, licence; the options" in call("add", run_folder, "--name", "mine")
    call("add", run_folder, "--name", "mine", *ABOUT)
    card = get_card("mine")
    assert (card.title, card.trained_on, card.languages) == ("mine", "my garden", ("eng_Latn", "fra_Latn"))
    assert not (run_folder / CARD).exists() and load_encoder("mine").fingerprint == card.sha256
    shutil.rmtree(run_folder)
    assert rows(call)["mine"]["state"] == "missing"


def test_a_folder_is_checked_before_it_is_added(home, call, run_folder):
    shutil.copyfile(SHIPPED / "compact-sonar" / WEIGHTS, run_folder / WEIGHTS)
    assert "ClapConfig has no" in call("add", run_folder, "--name", "mine", *ABOUT)
    shutil.copyfile(COMPACT / CARD, run_folder / CARD)
    assert "its card says" in call("add", run_folder, "--name", "mine")
    (run_folder / WEIGHTS).unlink()
    assert "holds no model.safetensors" in call("add", run_folder, "--name", "mine")
    assert not (home / CATALOGUE).exists()


def test_weights_of_a_file_are_converted(home, call, weights_file):
    words = ["add", weights_file, "--name", "theirs", "--preset", "tiny", "--tokenizer", COMPACT / TOKENIZER, *ABOUT]
    assert "Added theirs" in call(*words)
    assert load_encoder("theirs").dim == 32 and weights_file.is_file()
    assert "already" in call(*words) and len((home / CATALOGUE).read_text().splitlines()) == 1


def test_weights_of_an_address_are_fetched_mended_and_removed(home, call, weights_file):
    server = FaultyServer()
    server.files = {"w.pt": Served(weights_file.read_bytes()), "p.model": Served((COMPACT / TOKENIZER).read_bytes())}
    words = ["add", server.url("w.pt"), "--name", "theirs", "--preset", "tiny", "--tokenizer", server.url("p.model"), *ABOUT]
    server.files["w.pt"].statuses = [404]
    assert "has no such file" in call(*words) and not (home / CATALOGUE).exists()
    assert "Added theirs" in call(*words)
    (home / "theirs" / WEIGHTS).write_bytes(b"spoilt")
    server.files["w.pt"].statuses = [404]
    assert "has no such file" in call("fetch", "theirs") and (home / "theirs" / WEIGHTS).read_bytes() == b"spoilt"
    assert "theirs" in call("fetch", "theirs") and load_encoder("theirs").dim == 32
    asked = len(server.asked)
    assert "present" in call("fetch", "theirs") and len(server.asked) == asked
    server.close()
    assert call("remove", "theirs").count("\n") == 2
    assert not (home / "theirs").exists() and (home / CATALOGUE).read_text() == "" and "theirs" not in rows(call)


def test_a_line_written_by_hand(home, call, run_folder):
    home.mkdir()
    shutil.copyfile(COMPACT / CARD, run_folder / CARD)
    (home / CATALOGUE).write_text(json.dumps({"name": "by-hand", "folder": str(run_folder)}))
    assert rows(call)["by-hand"]["state"] == "present" and load_encoder("by-hand").name == "by-hand"
    call("add", COMPACT, "--name", "added")
    assert {"by-hand", "added"} <= set(rows(call))
    assert "Took by-hand out of" in call("remove", "by-hand")
    assert run_folder.is_dir() and "by-hand" not in rows(call) and "added" in rows(call)


def test_what_was_left_of_an_interrupted_fetch_is_removed(home, call):
    (home / WORKING / "ml-clap-pretrain").mkdir(parents=True)
    (home / WORKING / "ml-clap-pretrain" / "pretrain.pt.part").write_bytes(b"half")
    assert "Deleted" in call("remove", "ml-clap-pretrain") and not (home / WORKING / "ml-clap-pretrain").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["remove", "compact-baseline"], "comes with the project"),
        (["remove", "glap"], "comes with the project"),
        (["remove", "ml-clap-pretrain"], "nothing to remove"),
        (["remove", "ml-clap-pretrian"], "did you mean ml-clap-pretrain"),
        (["fetch", "ms-clap-2023"], "fetched by its own package, msclap"),
        (["fetch", "nothing"], "Unknown checkpoint 'nothing'"),
        (["add", "gone", "--name", "mine", *ABOUT], "There is nothing at 'gone'"),
        (["add", str(COMPACT), "--name", "a/b"], "'a/b' cannot be added: 'a/b' cannot be a checkpoint's name"),
        (["add", str(COMPACT), "--name", "mine", "--languages", "fr"], "Unknown language 'fr'"),
        (["add", str(COMPACT / WEIGHTS), "--name", "mine", *ABOUT], "it lacks preset"),
        (["add", str(COMPACT / WEIGHTS), "--name", "mine", "--preset", "huge", *ABOUT], "Unknown preset 'huge'"),
        (["add", str(COMPACT)], "--name"),
        (["sing"], "choose from"),
    ],
)
def test_what_the_caller_got_wrong_is_one_sentence(home, call, words, sentence):
    assert sentence in call(*words)
    assert not (home / CATALOGUE).exists()


def test_a_broken_catalogue_is_told_and_left_as_it_is(home, call):
    home.mkdir()
    (home / CATALOGUE).write_text("{\n")
    for words in ([], ["add", str(COMPACT), "--name", "mine"], ["remove", "compact-baseline"]):
        assert call(*words).startswith(f"{home / CATALOGUE}, line 1: ")
    assert (home / CATALOGUE).read_text() == "{\n"


def test_a_folder_beside_the_catalogue_is_not_deleted_by_name(home, call, run_folder):
    shutil.copyfile(COMPACT / CARD, run_folder / CARD)
    text = (run_folder / CARD).read_text().replace('"compact-baseline"', '"beside"')
    (run_folder / CARD).write_text(text)
    home.mkdir()
    shutil.move(run_folder, home / "beside")
    assert rows(call)["beside"]["state"] == "present"
    assert "delete its folder" in call("remove", "beside") and (home / "beside" / CARD).is_file()


def test_the_documentation_is_what_is_so(home):
    text = (SHIPPED.parents[1] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    commands = re.findall(r"^python -m clap ([^#\n]+)", text, re.MULTILINE)
    assert len(commands) == 7 and all(parser().parse_args(command.split()).run for command in commands)
    assert all(f"`{card.name}`" in text for card in catalogue())
    lines = [line for block in re.findall(r"```json\n(.+?)```", text, re.DOTALL) for line in block.splitlines()]
    minimal, *whole = map(json.loads, lines)
    assert set(minimal) == {"name", "folder"}
    assert [card_of_line(line, home).kind for line in whole] == ["clap", "ml-clap", "laion-clap"]
