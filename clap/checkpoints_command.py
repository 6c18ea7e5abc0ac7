"""The `checkpoints` command: lists all that can be named, fetches, and keeps one's own catalogue."""

from __future__ import annotations

import argparse
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clap.cache import checkpoints_folder
from clap.checkpoints import (
    CARD,
    CATALOGUE,
    OWN,
    PACKAGES,
    RELEASED,
    SHIPPED,
    SYSTEMS,
    Card,
    available,
    card_of_line,
    catalogue,
    get_card,
    listed,
    verify,
)  # fmt: skip
from clap.errors import UserError
from clap.weights import WEIGHTS, sha256_of, tokenizer_in

NOT_STATED = "not stated"
COPIED = ("name", "title", "kind", "languages", "licence", "trained_on", "made", "sha256", "tokenizer_sha256")
"""What the catalogue repeats of a folder's card, so that the list is whole while the folder is out of reach."""


def state(card: Card) -> str:
    """Whether a checkpoint can be loaded now: present, missing, to be fetched, through a package, or needing one."""
    if card.kind in SYSTEMS:
        package = PACKAGES[card.kind]
        return f"through {package}" if find_spec(package) else f"needs {package}"
    if card.kind == RELEASED:
        return "to be fetched"
    return "present" if card.present else "missing"


def _list(args: argparse.Namespace) -> None:
    for card in catalogue():
        row = {
            "name": card.name, "title": card.title, "kind": card.kind, "languages": list(card.languages), "bytes": card.size_bytes,
            "licence": card.licence, "trained_on": card.trained_on, "state": state(card), "sha256": card.sha256,
        }  # fmt: skip
        print(json.dumps(row, ensure_ascii=False) if args.json else _line(card))


def _line(card: Card) -> str:
    size = "size unknown" if card.size_bytes is None else f"{card.size_bytes / 1e6:,.1f} MB"
    languages = card.languages[0] if len(card.languages) == 1 else f"{len(card.languages)} languages"
    return f"{card.name:<24} {state(card):<21} {size:>12}  {languages:<11}  {card.title}  [{card.licence}]"


def fetch(name: str) -> Card:
    """Bring a checkpoint of released weights here; one that is here and no longer what its card says is fetched anew."""
    by_line = {card.name: card for place in (SHIPPED, checkpoints_folder()) for card in listed(place) if card.kind == RELEASED}
    card = get_card(name)
    if card.kind == OWN and name in by_line:
        try:
            verify(card)
        except UserError:
            return _fetch_anew(by_line[name], card.folder)
    elif card.kind in SYSTEMS:
        raise UserError(f"{name} is fetched by its own package, {PACKAGES[card.kind]}, when it is used first; there is nothing to do here.")
    if name in by_line:
        return fetch_released(by_line[name])
    verify(card)
    return card


def _fetch_anew(line: Card, folder: Path) -> Card:
    """Fetch a checkpoint whose folder is there and broken; where that fails, the folder is as it was."""
    from clap.released import WORKING

    aside = folder.parent / WORKING / f"{folder.name}.old"
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(exist_ok=True)
    folder.replace(aside)
    try:
        card = fetch_released(line)
    except BaseException:
        aside.replace(folder)
        raise
    shutil.rmtree(aside)
    return card


def fetch_released(card: Card) -> Card:
    """See clap.released.fetch, which is imported when it is needed."""
    from clap.released import fetch

    return fetch(card)


def add(source: str, name: str, about: dict[str, Any]) -> Card:
    """Enter a checkpoint folder, or weights to be converted (a file or an address), in one's own catalogue under `name`.

    `about` may say `title`, `licence`, `languages`, `trained_on` and, for weights to be converted, `preset` and `tokenizer_source`.
    Raises UserError, with the catalogue as it was, for a name that is taken and for weights that do not load strictly.
    """
    if any(card.name == name for card in catalogue()):
        raise UserError(f"There is a checkpoint {name!r} already; choose another name, or remove that one if it is your own.")
    given = {key: value for key, value in about.items() if value is not None}
    if Path(source).is_dir():
        card = _own_folder(Path(source).resolve(), name, given)
        line = {key: getattr(card, key) for key in COPIED} | {"folder": str(card.folder)}
    else:
        line = _weights_line(source, name, given)
        card = fetch_released(_checked(line))
    _append(line)
    return card


def _own_folder(folder: Path, name: str, given: dict[str, Any]) -> Card:
    """The card of a folder, with what is `given` taking the place of what its own card says."""
    if not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder} holds no {WEIGHTS}, so it is no checkpoint; name its folder, or a file with --preset.")
    known = {} if (folder / CARD).is_file() else _made_here(folder, name)
    card = _checked({**known, **given, "name": name, "folder": str(folder)})
    verify(card)
    from clap.model.towers import require_languages
    from clap.weights import load_clap

    known = load_clap(folder)[0].text_encoder.languages
    require_languages(card.languages, known)
    return card


def _made_here(folder: Path, name: str) -> dict[str, Any]:
    tokenizer = tokenizer_in(folder)
    hashes = {"sha256": sha256_of(folder / WEIGHTS), "tokenizer_sha256": sha256_of(tokenizer) if tokenizer else ""}
    return {"title": name, "trained_on": NOT_STATED, **hashes}


def _weights_line(source: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    from clap.download import is_address
    from clap.released import SONAR_TOKENIZER

    if not is_address(source) and not Path(source).is_file():
        raise UserError(f"There is nothing at {source!r}; give a checkpoint's folder, a file of weights or an address.")
    local = {key: str(Path(value).resolve()) for key, value in given.items() if key == "tokenizer_source" and not is_address(value)}
    defaults = {"title": name, "trained_on": NOT_STATED, "tokenizer_source": SONAR_TOKENIZER}
    where = source if is_address(source) else str(Path(source).resolve())
    return {"kind": RELEASED, **defaults, **given, **local, "name": name, "source": where}


def _checked(line: dict[str, Any]) -> Card:
    try:
        return card_of_line(line, checkpoints_folder())
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).rstrip(".")
        raise UserError(f"{line['name']!r} cannot be added: {reason}; the options of `checkpoints add` say what a card lacks.") from error


def _append(line: dict[str, Any]) -> None:
    path = checkpoints_folder() / CATALOGUE
    before = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()] if path.is_file() else []
    _write(path, [*before, json.dumps(line, ensure_ascii=False)])


def remove(name: str) -> list[str]:
    """Take a name out of one's own catalogue and delete what was fetched for it; returns what was done, one sentence each.

    A folder of one's own that only the catalogue names stays where it is. Raises UserError when there is nothing to remove.
    """
    from clap.released import WORKING

    place = checkpoints_folder()
    own = {card.name for card in listed(place)}
    fetchable = {card.name for card in (*listed(SHIPPED), *listed(place)) if card.kind == RELEASED}
    done = []
    if name in fetchable:
        folders = [folder for folder in (place / name, place / WORKING / name) if folder.is_dir()]
        for folder in folders:
            shutil.rmtree(folder)
        done += [f"Deleted {folder}." for folder in folders]
    if name in own:
        path = place / CATALOGUE
        _write(path, [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip() and json.loads(line)["name"] != name])
        done.append(f"Took {name} out of {path}.")
    if not done:
        raise UserError(_why_not(get_card(name)))
    return done


def _why_not(card: Card) -> str:
    if card.kind == RELEASED:
        return f"Nothing of {card.name!r} is here, so there is nothing to remove."
    if card in (*listed(SHIPPED), *available()):
        return f"{card.name!r} comes with the project; only your own checkpoints and fetched ones can be removed."
    return f"{card.name!r} is no line of a catalogue; delete its folder, {card.folder}, if you no longer want it."


def _write(path: Path, lines: list[str]) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} could not be written ({error.strerror}); nothing was changed.") from error


def _run_add(args: argparse.Namespace) -> None:
    about = {key: getattr(args, key) for key in ("title", "licence", "languages", "trained_on", "preset", "tokenizer_source")}
    card = add(args.source, args.name, about)
    print(f"Added {_line(card)}")


def _run_remove(args: argparse.Namespace) -> None:
    print("\n".join(remove(args.name)))


def _run_fetch(args: argparse.Namespace) -> None:
    print(_line(fetch(args.name)))


def add_parser(commands: Any) -> None:
    """The `checkpoints` command of `python -m clap`, with what can be done beside listing."""
    parser = commands.add_parser("checkpoints", help="list the checkpoints; fetch, add or remove one")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=_list)
    actions = parser.add_subparsers(metavar="ACTION")
    one = actions.add_parser("fetch", help="bring released weights here, or mend them")
    one.add_argument("name", metavar="NAME")
    one.set_defaults(run=_run_fetch)
    two = actions.add_parser("remove", help="forget one of your own, delete what was fetched")
    two.add_argument("name", metavar="NAME")
    two.set_defaults(run=_run_remove)
    _add_add(actions.add_parser("add", help="enter one of your own in your catalogue"))


def _add_add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="PATH_OR_URL", help="a checkpoint's folder, or weights to be converted: a file or an address")
    parser.add_argument("--name", required=True)
    parser.add_argument("--title", help="the name by default, or what its card says")
    parser.add_argument("--licence", help="of the weights, where no card says it")
    parser.add_argument("--languages", nargs="+", metavar="CODE", help="of its training captions, where no card says them")
    parser.add_argument("--trained-on", metavar="TEXT", help=f"{NOT_STATED!r} by default, or what its card says")
    parser.add_argument("--preset", help="of weights to be converted, such as ml-clap")
    parser.add_argument(
        "--tokenizer", dest="tokenizer_source", metavar="PATH_OR_URL", help="of weights to be converted; the released SONAR's by default"
    )
    parser.set_defaults(run=_run_add)
