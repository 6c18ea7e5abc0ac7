"""Files from the web: they go on where they broke off, are checked, and stand under their name only when they are whole.

What has arrived waits in `NAME.part`, and beside it, in `NAME.part.version`, the server's own mark of the file's version,
so that a file which has changed since is never sewn to the beginning of another.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests
from tqdm import tqdm

from clap.errors import UserError
from clap.weights import sha256_of

PART, VERSION = ".part", ".version"
CHUNK_BYTES = 1 << 20
TIMEOUTS_S = (10, 60)
"""To be connected, and between two pieces."""
PAUSES_S = (1, 4)
"""Before the second attempt and the third, which is the last."""
REFUSALS = {
    401: "wants a password (401)",
    403: "refuses it (403)",
    404: "has no such file (404); the address may have changed",
    410: "has it no longer (410)",
}
PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which another attempt may succeed."""
Report = Callable[[str], None]


class WrongFile(UserError):
    """What was sent is not the file that is meant."""


class _Broken(Exception):
    """What another attempt may mend; the message goes on from the name of the host."""


def say(line: str) -> None:
    """One line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


def is_address(source: str) -> bool:
    """Whether `source` is an address of the web rather than a path."""
    try:
        return urlsplit(source).scheme in ("http", "https")
    except ValueError:
        return False


def download(url: str, path: Path, sha256: str | None = None, expected_bytes: int | None = None, report: Report = say) -> str:
    """Fetch `url` into `path`, whose folder exists, and return its SHA-256; what is there already, whole and right, stays.

    An attempt that breaks off is repeated (PAUSES_S) and goes on where it stopped, as does the next call, if the server can do
    that and the file is still the same. A bar on standard error shows how far it is; `report` takes lines of progress.
    Raises UserError, with what stood under `path` as it was: no connection, a refusal, another size, a web page instead of a
    file, a full disk (what has arrived is kept each time); WrongFile for another SHA-256 (what has arrived is removed).
    """
    if path.is_file():
        here = sha256_of(path)
        if sha256 in (None, here):
            return here
    part = path.with_name(path.name + PART)
    report(f"Downloading {url}")
    _receive_patiently(url, part, expected_bytes, report)
    return _put_in_place(part, path, url, sha256)


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise UserError when the disk that holds `folder` has no room for `what`."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise UserError(f"{what} needs {_megabytes(needed_bytes)} in {folder}, where {_megabytes(free)} are free; make room and try again.")


def _receive_patiently(url: str, part: Path, expected_bytes: int | None, report: Report) -> None:
    """`_receive` with attempts after PAUSES_S; raises UserError when the last one breaks off."""
    host = urlsplit(url).netloc
    for pause in PAUSES_S:
        try:
            return _receive(url, part, expected_bytes, report)
        except _Broken as error:
            report(f"{host} {error}; trying again in {pause} s")
            time.sleep(pause)
    try:
        _receive(url, part, expected_bytes, report)
    except _Broken as error:
        here = part.stat().st_size if part.is_file() and _remembered(part) else 0
        kept = f"{_megabytes(here)} are kept, and the next attempt goes on from there if the server can" if here else ""
        raise UserError(f"{host} {error}; {kept or 'check the network and try again'}.") from error


def _receive(url: str, part: Path, expected_bytes: int | None, report: Report) -> None:
    """Everything of `url` that is not in `part` yet."""
    headers = {"Accept-Encoding": "identity", **_resuming(part)}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS_S) as response:
            if not _is_complete(response, part):
                _require_file(response, url)
                _store(response, part, expected_bytes, report)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema) as error:
        raise UserError(f"{url!r} is no address of the web; it must begin with https:// or http://.") from error
    except requests.RequestException as error:
        raise _Broken(_reason(error)) from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{part.name} cannot be written ({reason}); what has arrived is kept, make room and try again.") from error


def _resuming(part: Path) -> dict[str, str]:
    """Headers that ask for the rest of what is in `part`, if it is still the same file; none where that cannot be known."""
    version = _remembered(part)
    if not version or not part.is_file() or not part.stat().st_size:
        return {}
    return {"Range": f"bytes={part.stat().st_size}-", "If-Range": version}


def _remembered(part: Path) -> str:
    mark = part.with_name(part.name + VERSION)
    return mark.read_text(encoding="utf-8") if mark.is_file() else ""


def _version_of(response: requests.Response) -> str:
    """What If-Range can name: a strong ETag, else the time of the last change; empty when the server gives neither."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _is_complete(response: requests.Response, part: Path) -> bool:
    """Whether the server says that nothing lies beyond what is here already."""
    if response.status_code != requests.codes.requested_range_not_satisfiable:
        return False
    if part.is_file() and response.headers.get("Content-Range") == f"bytes */{part.stat().st_size}":
        return True
    part.unlink(missing_ok=True)
    raise _Broken("cannot go on from what is here")


def _require_file(response: requests.Response, url: str) -> None:
    """Raise for an answer that is no file."""
    host, status = urlsplit(url).netloc, response.status_code
    if status in PASSING:
        raise _Broken(f"cannot serve it now ({status})")
    if not response.ok:
        raise UserError(f"{host} {REFUSALS.get(status, f'refuses it ({status})')}: {url}.")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise UserError(f"{host} answered with a web page instead of a file; open {url} in a browser to see what it says.")


def _store(response: requests.Response, part: Path, expected_bytes: int | None, report: Report) -> None:
    """Append the rest, or write all of it anew where the answer is the whole file."""
    start, total = _span(response, part)
    if expected_bytes is not None and total not in (None, expected_bytes):
        raise UserError(f"{response.url} has {total:,} bytes, {expected_bytes:,} were expected; it is not the file that is meant.")
    require_space(part.parent, (total or 0) - start, part.name.removesuffix(PART))
    if not start:
        _start_anew(response, part, report)
    with part.open("ab") as file, _bar(part, start, total) as bar:
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(chunk)
            bar.update(len(chunk))
    wanted = expected_bytes if total is None else total
    if wanted is not None and part.stat().st_size != wanted:
        raise _Broken(f"sent {part.stat().st_size:,} bytes of {wanted:,}")


def _span(response: requests.Response, part: Path) -> tuple[int, int | None]:
    """Where the answer begins and the size of the whole file, in bytes, None when it is not told."""
    if response.status_code != requests.codes.partial_content:
        length = response.headers.get("Content-Length")
        return 0, int(length) if length else None
    here = part.stat().st_size
    first, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    if first.partition("-")[0] != str(here):
        part.unlink()
        raise _Broken("sent another part of the file than was asked for")
    return here, int(total) if total.isdigit() else None


def _start_anew(response: requests.Response, part: Path, report: Report) -> None:
    """Drop what is here and remember which version comes now."""
    if part.is_file() and part.stat().st_size:
        same = _version_of(response) == _remembered(part)
        report(f"{part.name.removesuffix(PART)}: {'the server cannot go on' if same else 'another version than before'}, starting anew")
    part.unlink(missing_ok=True)
    part.with_name(part.name + VERSION).write_text(_version_of(response), encoding="utf-8")


def _bar(part: Path, start: int, total: int | None) -> tqdm:
    """The progress bar, on a terminal only."""
    name = part.name.removesuffix(PART)
    return tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, file=sys.stderr, disable=None, leave=False)


def _put_in_place(part: Path, path: Path, url: str, sha256: str | None) -> str:
    """Rename what is whole, if its hash is right; remove it otherwise."""
    found = sha256_of(part)
    part.with_name(part.name + VERSION).unlink(missing_ok=True)
    if sha256 not in (None, found):
        part.unlink()
        raise WrongFile(f"What {url} sent has SHA-256 {found[:12]}…, it must be {sha256[:12]}…; it was removed, nothing else was changed.")
    part.replace(path)
    return found


def _reason(error: requests.RequestException) -> str:
    """What went wrong with a connection, in a few words after the name of the host."""
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return f"does not answer within {TIMEOUTS_S[1]} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no certificate that is trusted here"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off in the middle"
    return "is not known here" if "resolve" in str(error) else "cannot be reached"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
