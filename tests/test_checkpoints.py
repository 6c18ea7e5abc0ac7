import json

import pytest
import torch

from clap.checkpoints import (
    CARD,
    CATALOGUE,
    PACKAGES,
    SHIPPED,
    available,
    catalogue,
    get_card,
    listed,
    load_encoder,
    read_catalogue,
)
from clap.errors import UserError
from clap.presets import ced_compact
from clap.weights import WEIGHTS, save_weights, sha256_of

STATE = {"a": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)}


def write_card(folder, name, **change):
    card = {
        "name": name,
        "title": "t",
        "kind": "clap",
        "languages": ["eng_Latn"],
        "licence": "MIT",
        "trained_on": "nothing",
        "made": {},
        "sha256": "0" * 64,
        "tokenizer_sha256": "",
    }
    (folder / CARD).write_text(json.dumps({**card, **change}))


def test_registry(tmp_path):
    for name, kind in (("b", "clap"), ("a", "clap"), ("c", "sonar")):
        (tmp_path / name).mkdir()
        write_card(tmp_path / name, name, kind=kind)
    assert [card.name for card in available(tmp_path)] == ["a", "b"]
    with pytest.raises(UserError, match="Unknown checkpoint 'x'; the checkpoints are a, b"):
        get_card("x", tmp_path)


def test_a_broken_card_and_missing_weights_are_sentences(tmp_path):
    (tmp_path / "a").mkdir()
    write_card(tmp_path / "a", "a")
    with pytest.raises(UserError, match="lacks its model.safetensors"):
        load_encoder("a", tmp_path)
    (tmp_path / "a" / CARD).write_text("{")
    with pytest.raises(UserError, match="a/card.json is no card"):
        available(tmp_path)
    (tmp_path / "a" / CARD).write_text('{"name": "a", "languages": []}')
    with pytest.raises(UserError, match="it lacks title, kind, licence, trained_on"):
        available(tmp_path)


def test_weights_other_than_the_cards_are_refused(tmp_path):
    (tmp_path / "a").mkdir()
    save_weights(tmp_path / "a" / WEIGHTS, STATE, ced_compact())
    write_card(tmp_path / "a", "a")
    with pytest.raises(UserError, match="its card says 000000000000"):
        load_encoder("a", tmp_path)


@pytest.mark.parametrize(("name", "languages"), [("compact-baseline", 1), ("compact-mixture-le", 8)])
def test_the_shipped_checkpoints_are_whole(name, languages):
    card = get_card(name)
    assert card.sha256 == sha256_of(card.folder / WEIGHTS) and len(card.languages) == languages
    assert card.made["command"].startswith("python -m clap.train") and len(card.made["data_sha256"]) == 64 and card.made["minutes"] > 0
    encoder = load_encoder(name)
    vectors = encoder.embed_text(["a dog barks"], "eng_Latn")
    assert vectors.shape == (1, encoder.dim) and encoder.fingerprint == card.sha256


RELEASED = {
    "name": "big",
    "title": "t",
    "kind": "ml-clap",
    "languages": ["eng_Latn"],
    "licence": "l",
    "trained_on": "d",
    "source": "https://a/b.pt",
    "tokenizer_source": "https://a/t",
    "preset": "ml-clap",
}


def write_lines(folder, *lines):
    folder.mkdir(exist_ok=True)
    (folder / CATALOGUE).write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return folder / CATALOGUE


@pytest.fixture
def own(tmp_path, monkeypatch):
    """An empty folder for fetched checkpoints and one's own catalogue."""
    monkeypatch.setenv("CLAP_CHECKPOINTS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def test_a_line_needs_no_more_than_name_and_folder_where_there_is_a_card(tmp_path):
    (tmp_path / "runs").mkdir()
    write_card(tmp_path / "runs", "other")
    (card,) = read_catalogue(write_lines(tmp_path, "", {"name": "mine", "folder": "runs"}))
    assert (card.name, card.title, card.folder, card.present) == ("mine", "t", tmp_path / "runs", False)


def test_a_line_says_all_where_the_folder_is_out_of_reach(tmp_path):
    line = {"name": "mine", "folder": "gone", "title": "t", "languages": ["fra_Latn"], "licence": "l", "trained_on": "d", "sha256": "0"}
    (card,) = read_catalogue(write_lines(tmp_path, line))
    assert card.languages == ("fra_Latn",) and not card.present
    with pytest.raises(UserError, match="'mine' lacks its model.safetensors"):
        load_encoder("mine", tmp_path)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("{", "Expecting property name"),
        ("[1]", "it must be a JSON object"),
        ({"name": "x"}, "it lacks folder"),
        ({"name": "x", "folder": "gone"}, "there is no folder"),
        ({**RELEASED, "kind": "clip"}, "unknown kind 'clip', the kinds are clap, ml-clap, laion-clap, ms-clap, glap"),
        ({**RELEASED, "colour": "red"}, "unknown entries colour"),
        ({**RELEASED, "source": ""}, "it lacks source"),
        ({**RELEASED, "title": None}, "it lacks title"),
        ({**RELEASED, "languages": ["fr"]}, "Unknown language 'fr'"),
        ({**RELEASED, "name": "../../etc"}, "cannot be a checkpoint's name"),
        (RELEASED, "big stands in a line before"),
    ],
)
def test_a_wrong_line_is_told_with_its_file_and_number(tmp_path, line, match):
    path = write_lines(tmp_path, RELEASED, line)
    with pytest.raises(UserError, match=match) as raised:
        get_card("big", tmp_path)
    assert str(raised.value).startswith(f"{path}, line 2: ") and "\n" not in str(raised.value)


def test_a_catalogue_that_is_no_text(tmp_path):
    (tmp_path / CATALOGUE).write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        catalogue((tmp_path,))


def test_two_checkpoints_of_one_name_are_refused(own):
    write_lines(own, {**RELEASED, "name": "compact-baseline"})
    with pytest.raises(UserError, match=f"Two checkpoints are called 'compact-baseline', one of them in {own}"):
        get_card("compact-mixture-le")


def test_a_fetched_folder_takes_the_place_of_its_line(own):
    assert get_card("ml-clap-pretrain").kind == "ml-clap"
    (own / "ml-clap-pretrain").mkdir()
    write_card(own / "ml-clap-pretrain", "ml-clap-pretrain")
    assert get_card("ml-clap-pretrain").kind == "clap"
    (own / "glap").mkdir()
    write_card(own / "glap", "glap")
    with pytest.raises(UserError, match="Two checkpoints are called 'glap'"):
        catalogue()


def test_the_same_place_twice_is_one(monkeypatch):
    monkeypatch.setenv("CLAP_CHECKPOINTS", str(SHIPPED))
    assert [card.name for card in catalogue()] == [card.name for card in catalogue((SHIPPED,))]


def test_the_shipped_catalogue(own):
    cards = {card.name: card for card in listed(SHIPPED)}
    paper = [cards[f"ml-clap-{name}"] for name in ("pretrain", "audiocaps", "clotho")]
    files = ["pretrain.pt", "ac_finetune_le_mixture.pt", "clotho_finetune_le_mixture.pt"]
    assert [card.source for card in paper] == [f"https://zenodo.org/records/14229658/files/{file}?download=1" for file in files]
    assert all("non-commercial" in card.licence and card.folder == own / card.name for card in paper)
    assert {card.kind for card in cards.values()} == {"ml-clap", *PACKAGES}
    assert "fra_Latn" in cards["glap"].languages and cards["ms-clap-2023"].languages == ("eng_Latn",)


def test_the_size_of_the_papers_weights_is_that_of_their_preset():
    from math import prod

    from clap.presets import ml_clap
    from tests.model.released import ml_clap_shapes

    assert get_card("ml-clap-clotho").bytes == 4 * sum(map(prod, ml_clap_shapes(ml_clap()).values()))


def test_close_names_are_offered():
    with pytest.raises(UserError, match="Unknown checkpoint 'ml-clap-cloto'; did you mean ml-clap-clotho"):
        get_card("ml-clap-cloto")


@pytest.mark.parametrize(("change", "told"), [
    ({"name": 5}, "name must be of type str, got 5"),
    ({"bytes": "many"}, "bytes must be of type"),
    ({"sha256": 5}, "sha256 must be of type str"),
    ({"kind": "ced"}, "unknown kind 'ced'"),
    ({"folder": "~nobody-here/x"}, "line 1"),
])  # fmt: skip
def test_a_line_of_wrong_types_is_a_sentence(change, told, tmp_path):
    line = {"name": "mine", "folder": str(SHIPPED / "compact-baseline"), **change}
    (tmp_path / CATALOGUE).write_text(json.dumps(line) + "\n")
    with pytest.raises(UserError, match=told):
        catalogue((tmp_path,))


def test_a_folder_of_one_tower_is_no_checkpoint_to_search_with(tmp_path):
    (tmp_path / CATALOGUE).write_text(json.dumps({"name": "tower", "folder": str(SHIPPED / "compact-ced")}) + "\n")
    with pytest.raises(UserError, match="a single tower's"):
        catalogue((tmp_path,))
