"""The registry of checkpoints: what there is, by name, and the one door to an Encoder.

A checkpoint is a folder: `model.safetensors` (weights, with the configuration in its metadata), the tokenizer's file and
`card.json` (what it is, what it was trained on, how it was made, the weights' SHA-256). Folders lie in `assets/checkpoints`
and in `clap.cache.checkpoints_folder()`. Either place may hold a `catalogue.jsonl`, one line a checkpoint that lies
elsewhere: a folder of one's own, the paper's weights to be fetched, or another system that its own package loads.
docs/checkpoints.md tells how to use and write all of it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from clap.cache import checkpoints_folder
from clap.config import wrong_types
from clap.errors import UserError
from clap.languages import get_language
from clap.weights import TOKENIZER, WEIGHTS, sha256_of, tokenizer_in

if TYPE_CHECKING:
    from clap.embed import Encoder

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "checkpoints"
CARD, CATALOGUE = "card.json", "catalogue.jsonl"
OWN, RELEASED = "clap", "ml-clap"
PACKAGES = {"laion-clap": "transformers", "ms-clap": "msclap", "glap": "glap_model"}
SYSTEMS = tuple(PACKAGES)
KINDS = (OWN, RELEASED, *SYSTEMS)
"""A folder of this project, weights of the paper to be converted into one, and systems behind their own packages."""
NEEDED = {
    OWN: (),
    RELEASED: ("source", "tokenizer_source", "preset"),
    **dict.fromkeys(SYSTEMS, ("source",)),
}
"""What a catalogue's line of each kind must have beside what every card has."""


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself. `languages` are FLORES-200 codes; `made` tells command, seed, data hash and minutes.

    `sha256` is that of the weights, the fingerprint under which results and indexes are kept; empty until they are here.
    `source` is the address of weights to be fetched, or what a system's own package loads; `tokenizer_source` likewise.
    `preset` is the configuration of released weights, and `bytes` their size where it is known before they are here.
    """

    name: str
    title: str
    kind: str
    languages: tuple[str, ...]
    licence: str
    trained_on: str
    folder: Path
    made: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    tokenizer_sha256: str = ""
    source: str = ""
    tokenizer_source: str = ""
    preset: str = ""
    bytes: int | None = None

    @property
    def present(self) -> bool:
        """Whether the weights are on this machine; another system's package alone knows, and is asked when it is loaded."""
        return (self.folder / WEIGHTS).is_file()

    @property
    def size_bytes(self) -> int | None:
        """Size of the weights, in bytes; None when they are not here and nobody said."""
        return (self.folder / WEIGHTS).stat().st_size if self.present else self.bytes


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder; raises UserError for one that is no JSON or lacks an entry."""
    try:
        return _card(_object((folder / CARD).read_text(encoding="utf-8")), folder)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{folder.name}/{CARD} is no card of a checkpoint ({_told(error)}); fetch the checkpoint again.") from error


def read_catalogue(path: Path) -> list[Card]:
    """The checkpoints that a catalogue names, one JSON object a line; raises UserError with the line that is wrong.

    A line of kind "clap" has `name`, `folder` and whatever its card lacks or says otherwise; the others have all that a card says.
    """
    cards: dict[str, Card] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            card = card_of_line(_object(line), path.parent)
            if card.name in cards:
                raise ValueError(f"{card.name} stands in a line before")
        except (OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise UserError(f"{path}, line {number}: no entry of a checkpoint ({_told(error)}); correct or remove the line.") from error
        cards[card.name] = card
    return list(cards.values())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text ({_told(error)}); correct or remove it.") from error


def _object(text: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("it must be a JSON object")
    return data


def _told(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")


def card_of_line(data: dict[str, Any], home: Path) -> Card:
    """The card of one entry of the catalogue in the folder `home`; raises ValueError for one that is wrong."""
    kind = data.get("kind", OWN)
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}, the kinds are {', '.join(KINDS)}")
    _require_entries(data, ("name", "folder") if kind == OWN else NEEDED[kind])
    if kind != OWN:
        return _card(data, checkpoints_folder() / str(data["name"]))
    folder = home / Path(data["folder"]).expanduser()
    own = _object((folder / CARD).read_text(encoding="utf-8")) if (folder / CARD).is_file() else {}
    if not own and not folder.is_dir() and not data.get("sha256"):
        raise ValueError(f"there is no folder {folder}")
    merged = {"kind": OWN, **own, **{key: value for key, value in data.items() if key != "folder"}}
    _require_entries(merged, ("sha256",))
    if merged["kind"] != OWN:
        raise ValueError(f"the card in {folder} is of kind {merged['kind']!r}, a single tower's; only {OWN!r} can be searched with")
    return _card(merged, folder)


def _require_entries(data: dict[str, Any], names: Sequence[str]) -> None:
    missing = [name for name in names if data.get(name) in (None, "")]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")


def _card(data: dict[str, Any], folder: Path) -> Card:
    unknown = sorted(set(data) - {one.name for one in fields(Card)} | set(data) & {"folder"})
    if unknown:
        raise ValueError(f"unknown entries {', '.join(unknown)}")
    _require_entries(data, ("name", "title", "kind", "languages", "licence", "trained_on"))
    wrong = wrong_types(get_type_hints(Card) | {"made": dict, "languages": list}, data)
    if wrong:
        raise ValueError(wrong)
    require_name(data["name"])
    return Card(**{**data, "languages": tuple(get_language(code).code for code in data["languages"]), "folder": folder})


def require_name(name: str) -> None:
    """Raise UserError for a name that cannot be a folder's on every machine."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", str(name), re.ASCII):
        raise UserError(f"{name!r} cannot be a checkpoint's name: letters, digits, '.', '_' and '-', a letter or digit first.")


def catalogue(places: Sequence[Path] | None = None) -> list[Card]:
    """Every checkpoint that can be named, in order of name: shipped, fetched, one's own, and those to be fetched.

    `places` are the folders to look in. Raises UserError where two checkpoints have one name; only a folder takes the place of
    the line that names it, or that its weights were fetched by.
    """
    found: dict[str, Card] = {}
    for place in places if places is not None else (SHIPPED, checkpoints_folder()):
        for card in (*listed(place), *available(place)):
            before = found.get(card.name, card)
            if before != card and (before.folder != card.folder or before.kind in SYSTEMS):
                raise UserError(f"Two checkpoints are called {card.name!r}, one of them in {place}; rename or remove that one.")
            found[card.name] = card
    return sorted(found.values(), key=lambda card: card.name)


def listed(place: Path) -> list[Card]:
    """The checkpoints in the catalogue of a folder; none where it has no catalogue."""
    return read_catalogue(place / CATALOGUE) if (place / CATALOGUE).is_file() else []


def available(folder: Path = SHIPPED) -> list[Card]:
    """The CLAP checkpoints whose folders lie in `folder`, in order of name: by default those the repository carries."""
    return [card for card in map(read_card, sorted(path.parent for path in folder.glob(f"*/{CARD}"))) if card.kind == OWN]


def get_card(name: str, folder: Path | None = None) -> Card:
    """The card of a named checkpoint, looked for in `folder` or everywhere; raises UserError with the closest names."""
    cards = {card.name: card for card in catalogue(None if folder is None else (folder,))}
    if name in cards:
        return cards[name]
    close = difflib.get_close_matches(name, cards, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"the checkpoints are {', '.join(cards) or 'none'}."
    raise UserError(f"Unknown checkpoint {name!r}; {hint}")


def verify(card: Card) -> None:
    """Raise UserError when a checkpoint's files are missing or are not those its card was written for."""
    tokenizer = [(tokenizer_in(card.folder) or card.folder / TOKENIZER, card.tokenizer_sha256)] if card.tokenizer_sha256 else []
    for part, expected in ((card.folder / WEIGHTS, card.sha256), *tokenizer):
        if not part.is_file():
            raise UserError(f"Checkpoint {card.name!r} lacks its {part.name}; fetch it again.")
        found = sha256_of(part)
        if found != expected:
            raise UserError(
                f"{part.name} of {card.name!r} has SHA-256 {found[:12]}…, its card says {expected[:12]}…; fetch or add it again."
            )


def load_encoder(name: str, folder: Path | None = None) -> Encoder:
    """The Encoder of a named checkpoint, fetched first where it must be.

    Raises UserError when the name is unknown, the weights differ from their card, cannot be fetched, or need a package
    that is not installed.
    """
    card = get_card(name, folder)
    if card.kind in SYSTEMS:
        from clap import systems

        return systems.load(card.kind, card.name, card.source)
    if card.kind == RELEASED:
        from clap.released import fetch

        card = fetch(card)
    verify(card)
    from clap.model.clap import ClapEncoder
    from clap.weights import load_clap

    return ClapEncoder(card.name, card.sha256, load_clap(card.folder))
