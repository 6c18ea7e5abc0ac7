import json
import mmap
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from shutil import rmtree

import pytest
import torch

from clap import download
from clap.checkpoints import CARD, CATALOGUE, SHIPPED, get_card, load_encoder
from clap.errors import UserError
from clap.presets import PRESETS
from clap.released import PINS, SONAR_TOKENIZER, WORKING, fetch
from clap.weights import TOKENIZER, WEIGHTS, sha256_of
from tests.faulty_server import FaultyServer, Served
from tests.model.released import ml_clap_shapes, random_state

VOCABULARY = SHIPPED / "compact-mixture-le" / TOKENIZER


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory, tiny):
    """A released file in small: random weights under the released names."""
    path = tmp_path_factory.mktemp("released") / "pretrain.pt"
    torch.save(random_state(ml_clap_shapes(tiny)), path)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    """An empty folder for checkpoints, the preset "tiny", and no waiting between attempts."""
    monkeypatch.setenv("CLAP_CHECKPOINTS", str(tmp_path / "home"))
    monkeypatch.setitem(PRESETS, "tiny", lambda: tiny)
    monkeypatch.setattr(download, "PAUSES_S", (0,))
    return tmp_path / "home"


@pytest.fixture
def server(weights_file):
    made = FaultyServer()
    made.files = {"pretrain.pt": Served(weights_file.read_bytes()), "pieces.model": Served(VOCABULARY.read_bytes(), etag='"pieces"')}
    yield made
    made.close()


@pytest.fixture
def card(server, home):
    """A line in one's own catalogue that names both files, as a card."""
    line = {
        "name": "paper",
        "title": "The paper's",
        "kind": "ml-clap",
        "languages": ["eng_Latn", "fra_Latn"],
        "licence": "non-commercial",
        "trained_on": "sounds",
        "source": server.url("pretrain.pt"),
        "tokenizer_source": server.url("pieces.model"),
        "preset": "tiny",
    }
    home.mkdir()
    (home / CATALOGUE).write_text(json.dumps(line) + "\n")
    return get_card("paper")


def quiet(line):
    pass


def refused(card, match):
    with pytest.raises(UserError, match=match) as raised:
        fetch(card, quiet)
    assert "\n" not in str(raised.value) and not card.folder.exists()


def test_by_name_from_nothing_to_embeddings(card, server, home):
    encoder = load_encoder("paper")
    assert encoder.embed_text(["un chien aboie"], "fra_Latn").shape == (1, encoder.dim)
    found = get_card("paper")
    assert found.kind == "clap" and found.present and found.sha256 == sha256_of(found.folder / WEIGHTS) == encoder.fingerprint
    assert found.made["source"] == server.url("pretrain.pt") and found.made["preset"] == "tiny" and len(found.made["date"]) == 10
    assert (found.title, found.languages, found.licence) == (card.title, card.languages, card.licence)
    assert sorted(path.name for path in found.folder.iterdir()) == sorted([CARD, WEIGHTS, TOKENIZER])
    assert sorted(path.name for path in home.iterdir()) == sorted([WORKING, CATALOGUE, "paper", PINS])
    assert not (home / WORKING / "paper").exists()
    server.close()
    assert load_encoder("paper").fingerprint == encoder.fingerprint


def test_the_weights_are_those_of_the_file(card, weights_file):
    from clap.weights import load_clap

    model, _ = load_clap(fetch(card, quiet).folder)
    state, expected = model.state_dict(), torch.load(weights_file, weights_only=True)
    assert all(torch.equal(state[key], value) for key, value in expected.items()) and len(state) == len(expected)


def test_an_interrupted_fetch_goes_on(card, server):
    server.files["pretrain.pt"].broken_after = [100_000, 0]
    refused(card, "broke off in the middle")
    server.asked.clear()
    fetch(card, quiet)
    assert server.asked == [f"bytes={kept(server)}-"]


def kept(server):
    """Where the only request that goes on began."""
    (header,) = [one for one in server.asked if one]
    return int(header.removeprefix("bytes=").removesuffix("-"))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(download, "CHUNK_BYTES", 10_000)


def test_what_was_converted_by_half_is_done_again(card, monkeypatch, server):
    from clap.model import interop

    real = interop.convert

    def interrupted(source, preset, out_folder):
        (out_folder / WEIGHTS).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(interop, "convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(card, quiet)
    assert not card.folder.exists()
    monkeypatch.setattr(interop, "convert", real)
    server.asked.clear()
    assert fetch(card, quiet).present and server.asked == []


def test_the_first_fetch_pins_and_the_next_must_be_the_same(card, server, home):
    fetch(card, quiet)
    pins = json.loads((home / PINS).read_text())
    assert set(pins) == {card.source, card.tokenizer_source} and len(pins[card.source]) == 64
    rmtree(card.folder)
    server.files["pretrain.pt"] = Served(server.files["pretrain.pt"].body[:-1] + b"x", etag='"two"')
    refused(card, rf"it must be {pins[card.source][:12]}…; it was removed.*take its address out of .*pins.json")
    assert json.loads((home / PINS).read_text()) == pins


def test_a_missing_file_is_told(card, server):
    del server.files["pretrain.pt"]
    refused(card, r"has no such file \(404\)")
    assert not card.folder.exists()


class Bomb:
    """Makes a folder when it is unpickled carelessly."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["code", "short", "others"])
def test_files_that_are_no_such_weights_are_removed(card, server, home, tmp_path, tiny, name):
    torch.save(random_state(ml_clap_shapes(replace(tiny, joint_dim=16))), tmp_path / "others.pt")
    bodies = {
        "code": (pickle.dumps({"model": Bomb(tmp_path / "executed")}, protocol=2), "holds code"),
        "short": (server.files["pretrain.pt"].body[:-1000], "cut short"),
        "others": ((tmp_path / "others.pt").read_bytes(), "keys of another shape"),
    }
    server.files["pretrain.pt"].body, match = bodies[name]
    refused(card, rf"{match}.*; what http.*pretrain.pt sent was removed")
    assert not (tmp_path / "executed").exists() and not (home / PINS).exists()
    assert not list((home / WORKING / "paper").glob("pretrain*"))


def test_another_tokenizer_is_refused_before_the_weights_are_fetched(card, server, tmp_path):
    server.files["pieces.model"].body = b"no model"
    refused(card, "pieces.model is no SentencePiece model.*was removed")
    assert len(server.asked) == 1


def test_a_preset_of_one_tower_is_refused_at_once(card, server):
    refused(replace(card, preset="ced-base"), "one tower only")
    refused(replace(card, preset="huge"), "Unknown preset 'huge'")
    assert server.asked == []


def test_a_full_disk_while_converting_keeps_the_download(card, server, monkeypatch):
    from clap.model import interop

    def full(*_):
        raise UserError("model.safetensors could not be written (No space left on device); nothing was changed.") from OSError(28, "full")

    monkeypatch.setattr(interop, "convert", full)
    refused(card, "No space left")
    assert [path.parent.parent.name for path in (card.folder.parent / WORKING).rglob("pretrain.pt")] == ["paper"]


def test_two_addresses_of_one_last_part_are_two_files(card, server):
    for name in ("pretrain.pt", "pieces.model"):
        server.files[f"{name}/content"] = server.files.pop(name)
    fetch(replace(card, source=server.url("pretrain.pt/content"), tokenizer_source=server.url("pieces.model/content")), quiet)
    assert load_encoder("paper").dim == 32


def test_what_another_address_left_is_not_taken(card, server, weights_file, monkeypatch):
    """The conversion of one address was interrupted; the next one names the same file elsewhere, with other weights."""
    from clap.model import interop

    convert = interop.convert
    monkeypatch.setattr(interop, "convert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fetch(card, quiet)
    monkeypatch.setattr(interop, "convert", convert)
    state = {key: value * 2 for key, value in torch.load(weights_file, weights_only=True).items()}
    torch.save(state, card.folder.parent / "doubled.pt")
    server.files["v2/pretrain.pt"] = Served((card.folder.parent / "doubled.pt").read_bytes())
    moved = fetch(replace(card, source=server.url("v2/pretrain.pt")), quiet)
    assert moved.made["source_sha256"] == sha256_of(card.folder.parent / "doubled.pt")


def test_something_else_in_its_place_stays(card, server):
    card.folder.mkdir()
    (card.folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something that is no checkpoint; move it away"):
        fetch(card, quiet)
    assert (card.folder / "notes.txt").read_text() == "mine" and server.asked == []


def test_files_of_this_machine_are_left_alone(card, weights_file, server, home):
    local = replace(card, source=str(weights_file), tokenizer_source=str(VOCABULARY))
    assert fetch(local, quiet).present and weights_file.is_file() and server.asked == [] and json.loads((home / PINS).read_text()) == {}
    refused(replace(local, name="x", folder=home / "x", source="gone.pt"), "There is no file 'gone.pt'")


def test_a_broken_list_of_pins_is_told(card, home):
    (home / PINS).write_text("[1]")
    refused(card, "pins.json is no list of SHA-256")
    assert (home / PINS).read_text() == "[1]" and not card.folder.exists()


def test_a_folder_that_cannot_be_written(card, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="set CLAP_CHECKPOINTS to a folder"):
        fetch(replace(card, folder=tmp_path / "file" / "paper"), quiet)


def test_two_at_once_do_not_disturb_each_other(card, server, tiny):
    """The second waits for the first and then finds the checkpoint there."""
    answer = server.answer
    server.answer = lambda handler: (time.sleep(0.3), answer(handler))
    lines = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(fetch, [card, card], [lines.append] * 2)
    assert first == second and first.present and len(server.asked) == 2
    assert sum("waiting for it" in line for line in lines) == 1
    assert load_encoder("paper").dim == tiny.joint_dim


def test_the_shipped_lines_take_sonars_tokenizer():
    assert get_card("ml-clap-pretrain").tokenizer_source == SONAR_TOKENIZER


def vocabulary_of(size, path):
    """A SentencePiece file with `size` pieces: a small one, filled up with pieces that no text has."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(VOCABULARY.read_bytes())
    for number in range(size - len(model.pieces)):
        model.pieces.add(piece=f"<filler-{number}>", score=-1000.0)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.slow
def test_a_released_checkpoint_at_full_width_through_a_bad_server(tmp_path, monkeypatch):
    """856 million random weights under the released names. Takes 11 GB of disk and two minutes."""
    from clap.presets import ml_clap

    monkeypatch.setenv("CLAP_CHECKPOINTS", str(tmp_path / "home"))
    monkeypatch.setattr(download, "PAUSES_S", ())
    monkeypatch.setattr(download, "CHUNK_BYTES", 1 << 20)
    torch.save(random_state(ml_clap_shapes(ml_clap())), tmp_path / "pretrain.pt")
    server = FaultyServer()
    with (tmp_path / "pretrain.pt").open("rb") as file:
        body = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    server.files["pieces.model"] = Served(vocabulary_of(256_000, tmp_path / "pieces.model").read_bytes())
    server.files["pretrain.pt"] = Served(body, statuses=[404, 200, 200], broken_after=[len(body) // 2])
    card = replace(get_card("ml-clap-pretrain"), source=server.url("pretrain.pt"), tokenizer_source=server.url("pieces.model"))
    refused(card, r"has no such file \(404\)")
    assert not card.folder.exists()
    refused(card, "broke off in the middle; 1,.* MB are kept")
    fetch(card, quiet)
    assert kept(server) > len(body) // 2 - (2 << 20)
    encoder = load_encoder("ml-clap-pretrain")
    vectors = encoder.embed_text(["un chien aboie", "il pleut"], "fra_Latn")
    assert vectors.shape == (2, 1024) and (vectors[0] * vectors[1]).sum() < 0.9999
    rmtree(card.folder)
    body[-1] ^= 1
    refused(card, "it was removed")
    server.close()
