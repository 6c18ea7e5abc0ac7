"""Weights that others released: fetched by name, converted once, and from then on a checkpoint like any other.

Everything happens in a working folder beside the destination, which an interrupted fetch goes on from and which only one process
uses at a time; the finished folder is moved into place in one step. The first fetch of an address pins the SHA-256 of what it sent
in `pins.json`; every later one must send the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from clap.checkpoints import CARD, OWN, Card, read_card
from clap.config import ClapConfig
from clap.download import Report, WrongFile, download, is_address, require_space, say
from clap.errors import UserError
from clap.weights import TOKENIZER, sha256_of

WORKING, PINS = ".fetching", "pins.json"
SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".model")
SONAR_TOKENIZER = "https://dl.fbaipublicfiles.com/SONAR/sentencepiece.source.256000.model"
"""The released SONAR's, by the address in sonar-space's own card."""


def fetch(card: Card, report: Report = say) -> Card:
    """The checkpoint that a card of released weights stands for, converted into `card.folder`; nothing is done when it is there.

    `source` and `tokenizer_source` are addresses, or paths of files on this machine. Raises UserError, with everything as it was,
    as `download` does, for files that are not those pinned, not the preset's weights or hold more than data, and for a disk without
    room. What has been downloaded is kept for the next attempt, unless it was the wrong thing.
    """
    work = card.folder.parent / WORKING / card.name
    ready = work / "ready"
    _make_folder(work.parent)
    with _alone(work.parent / "lock", report):
        if not (card.folder / CARD).is_file():
            _require_free(card.folder)
            shutil.rmtree(ready, ignore_errors=True)
            _make_folder(ready)
            _prepare(card, work, ready, report)
            ready.replace(card.folder)
        shutil.rmtree(work, ignore_errors=True)
    return read_card(card.folder)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); set CLAP_CHECKPOINTS to a folder that can be written.") from error


def _require_free(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} holds something that is no checkpoint; move it away and fetch again.")


@contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    """While this lasts, no other process fetches into the same place; a process that dies lets go."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        report("Another process is fetching a checkpoint; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _prepare(card: Card, work: Path, ready: Path, report: Report) -> None:
    """Download into `work` and make the whole checkpoint in `ready`."""
    from clap.model.interop import convert, require_tokenizer
    from clap.presets import preset

    config, pins = preset(card.preset), card.folder.parent / PINS
    if not isinstance(config, ClapConfig):
        raise UserError(f"Preset {card.preset!r} is one tower only; released weights of both towers are needed, such as ml-clap's.")
    tokenizer, tokenizer_sha256 = _obtain(card.tokenizer_source, work, pins, report)
    with _nothing_kept_of(card.tokenizer_source, tokenizer, pins):
        require_tokenizer(tokenizer, config)
    source, source_sha256 = _obtain(card.source, work, pins, report)
    require_space(ready, source.stat().st_size, f"{source.name}, converted,")
    report(f"Converting {source.name}")
    with _nothing_kept_of(card.source, source, pins):
        sha256 = convert(source, card.preset, ready)
    shutil.copyfile(tokenizer, ready / TOKENIZER)
    made = {"source": card.source, "source_sha256": source_sha256, "preset": card.preset, "date": time.strftime("%Y-%m-%d")}
    _write_card(card, ready, {"made": made, "sha256": sha256, "tokenizer_sha256": tokenizer_sha256})
    found = {card.source: source_sha256, card.tokenizer_source: tokenizer_sha256}
    _write(pins, {**_pinned(pins), **{address: sha256 for address, sha256 in found.items() if is_address(address)}})


def _obtain(source: str, work: Path, pins: Path, report: Report) -> tuple[Path, str]:
    """The file of an address or path, and its SHA-256, which must be the pinned one."""
    if not is_address(source):
        path = Path(source).expanduser()
        if not path.is_file():
            raise UserError(f"There is no file {source!r}; give an existing file or an address that begins with https://.")
        return path, sha256_of(path)
    path = _work_file(source, work)
    _make_folder(path.parent)
    try:
        return path, download(source, path, _pinned(pins).get(source), report=report)
    except WrongFile as error:
        raise UserError(f"{error} If its owners have changed the file, take its address out of {pins}.") from error


def _work_file(source: str, work: Path) -> Path:
    """Where an address is downloaded to: a folder of its own, under the last part of its path that has a suffix of weights."""
    parts = [part for part in urlsplit(source).path.split("/") if part]
    named = [part for part in parts if Path(part).suffix in SUFFIXES] or parts or ["weights"]
    return work / hashlib.sha256(source.encode()).hexdigest()[:12] / named[-1]


@contextmanager
def _nothing_kept_of(source: str, path: Path, pins: Path) -> Iterator[None]:
    """Remove a file that was downloaded for the first time and turns out to be of no use; a full disk is no fault of the file."""
    try:
        yield
    except UserError as error:
        if isinstance(error.__cause__, OSError) or not is_address(source) or source in _pinned(pins):
            raise
        path.unlink()
        raise UserError(f"{str(error).rstrip('.')}; what {source} sent was removed.") from error


def _pinned(pins: Path) -> dict[str, str]:
    """SHA-256 by address; raises UserError for a file that is no longer that."""
    if not pins.is_file():
        return {}
    try:
        return dict(json.loads(pins.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{pins} is no list of SHA-256 by address ({error}); correct or remove it.") from error


def _write_card(card: Card, folder: Path, found: dict[str, object]) -> None:
    own = {key: getattr(card, key) for key in ("name", "title", "languages", "licence", "trained_on")}
    _write(folder / CARD, {**own, "kind": OWN, **found})


def _write(path: Path, data: dict[str, object]) -> None:
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} could not be written ({error.strerror}); nothing was changed.") from error
