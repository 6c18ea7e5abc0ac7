import errno
import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from clap import download as module
from clap.download import download, is_address
from clap.errors import UserError
from tests.faulty_server import FaultyServer, Served

BODY = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch):
    """The server with one good file, no waiting between attempts, and small pieces."""
    monkeypatch.setattr(module, "PAUSES_S", (0, 0))
    monkeypatch.setattr(module, "CHUNK_BYTES", 10_000)
    made = FaultyServer()
    made.files["w.pt"] = Served(BODY)
    yield made
    made.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.pt"


def names(path):
    return sorted(file.name for file in path.parent.iterdir())


def fails(server, path, match, **options):
    """The sentence of a failed download, which is one line without any trace."""
    with pytest.raises(UserError, match=match) as raised:
        download(server.url("w.pt"), path, report=lambda line: None, **options)
    assert "\n" not in str(raised.value) and "Error" not in str(raised.value)
    return str(raised.value)


def test_a_whole_file(server, path):
    assert download(server.url("w.pt"), path, SHA256, len(BODY)) == SHA256
    assert path.read_bytes() == BODY and names(path) == ["w.pt"] and server.asked == [None]


def test_what_is_here_and_right_is_not_fetched_again(server, path):
    path.write_bytes(BODY)
    assert download(server.url("w.pt"), path, SHA256) == SHA256 == download(server.url("w.pt"), path)
    assert server.asked == []


def test_a_broken_connection_goes_on_where_it_stopped(server, path):
    server.files["w.pt"].broken_after = [100_000, 50_000]
    said = []
    assert download(server.url("w.pt"), path, report=said.append) == SHA256
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"] and path.read_bytes() == BODY
    assert said[0] == f"Downloading {server.url('w.pt')}" and len(said) == 3
    assert all("broke off in the middle; trying again" in line for line in said[1:])


def test_the_next_call_goes_on_too(server, path):
    server.files["w.pt"].broken_after = [100_000, 0, 0]
    message = fails(server, path, "broke off in the middle")
    assert "0.1 MB are kept" in message and (path.parent / "w.pt.part").read_bytes() == BODY[:100_000]
    server.asked.clear()
    assert download(server.url("w.pt"), path) == SHA256 and server.asked == ["bytes=100000-"]
    assert names(path) == ["w.pt"]


@pytest.mark.parametrize("change", [{"etag": '"two"'}, {"etag": None}, {"etag": 'W/"two"'}])
def test_a_file_that_changed_meanwhile_starts_anew(server, path, change):
    server.files["w.pt"].broken_after = [100_000, 0, 0]
    fails(server, path, "broke off")
    server.files["w.pt"] = Served(OTHER, **change)
    said = []
    download(server.url("w.pt"), path, report=said.append)
    assert path.read_bytes() == OTHER and said[1:] == ["w.pt: another version than before, starting anew"]


@pytest.mark.parametrize("etag", [None, 'W/"one"'])
def test_a_server_that_names_no_exact_version_is_never_resumed(server, path, etag):
    server.files["w.pt"] = Served(BODY, etag=etag, broken_after=[100_000])
    assert download(server.url("w.pt"), path, report=lambda line: None) == SHA256 and server.asked == [None, None]


def test_a_server_without_ranges_starts_anew(server, path):
    server.files["w.pt"] = Served(BODY, ranges=False, broken_after=[100_000])
    said = []
    assert download(server.url("w.pt"), path, report=said.append) == SHA256
    assert said[-1] == "w.pt: the server cannot go on, starting anew"


def test_a_part_that_was_whole_already_is_only_renamed(server, path):
    (path.parent / "w.pt.part").write_bytes(BODY)
    (path.parent / "w.pt.part.version").write_text('"one"')
    assert download(server.url("w.pt"), path) == SHA256 and server.asked == ["bytes=300000-"] and names(path) == ["w.pt"]


def test_a_part_longer_than_the_file_is_dropped(server, path):
    (path.parent / "w.pt.part").write_bytes(BODY + b"x")
    (path.parent / "w.pt.part.version").write_text('"one"')
    assert download(server.url("w.pt"), path, report=lambda line: None) == SHA256 and path.read_bytes() == BODY


def test_another_part_than_asked_for_is_not_sewn_on(server, path):
    server.files["w.pt"] = Served(BODY, broken_after=[100_000], shift=7)
    assert download(server.url("w.pt"), path, report=lambda line: None) == SHA256 and path.read_bytes() == BODY


def test_wrong_bytes_are_removed_and_what_was_there_stays(server, path):
    path.write_bytes(b"before")
    server.files["w.pt"] = Served(OTHER)
    fails(server, path, rf"SHA-256 \w{{12}}…, it must be {SHA256[:12]}…; it was removed", sha256=SHA256)
    assert path.read_bytes() == b"before" and names(path) == ["w.pt"]


def test_another_length_is_refused_before_it_is_fetched(server, path):
    fails(server, path, "300,000 bytes, 5 were expected", expected_bytes=5)
    assert names(path) == []


def test_a_length_that_the_server_does_not_tell_is_checked_at_the_end(server, path):
    server.files["w.pt"] = Served(BODY, length=False, broken_after=[100_000, 0, 0])
    fails(server, path, "sent 100,000 bytes of 300,000", expected_bytes=len(BODY))
    assert not path.exists()


@pytest.mark.parametrize(
    ("status", "match"),
    [(404, r"has no such file \(404\)"), (403, r"refuses it \(403\)"), (401, "wants a password"), (418, r"refuses it \(418\)")],
)
def test_refusals_are_told_at_once(server, path, status, match):
    server.files["w.pt"].statuses = [status]
    assert server.url("w.pt") in fails(server, path, match)
    assert len(server.asked) == 1 and names(path) == []


def test_a_server_in_trouble_is_asked_again(server, path):
    server.files["w.pt"].statuses = [500, 503]
    assert download(server.url("w.pt"), path, report=lambda line: None) == SHA256
    server.files["x.pt"] = Served(BODY, statuses=[500, 429, 500])
    with pytest.raises(UserError, match=r"cannot serve it now \(500\); check the network and try again"):
        download(server.url("x.pt"), path.with_name("x.pt"), report=lambda line: None)


def test_a_web_page_is_no_file(server, path):
    server.files["w.pt"].content_type = "text/html; charset=utf-8"
    fails(server, path, "a web page instead of a file")
    assert names(path) == []


def test_no_server(server, path):
    server.close()
    fails(server, path, "cannot be reached; check the network")
    assert names(path) == []


def test_no_such_host(path, monkeypatch):
    monkeypatch.setattr(module, "PAUSES_S", ())
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="nowhere.invalid is not known here"):
        download("http://nowhere.invalid/w.pt", path)


def test_what_is_no_address(path):
    with pytest.raises(UserError, match="no address of the web"):
        download("http://", path)
    assert is_address("https://a/b") and not is_address("http://[") and not is_address("a/b") and not is_address("/a/b.pt")


def test_a_silent_server_is_not_waited_for_for_ever(server, path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUTS_S", (0.2, 0.2))
    answer = server.answer
    monkeypatch.setattr(server, "answer", lambda handler: module.time.sleep(0.5))
    fails(server, path, "does not answer within 0.2 s")
    assert names(path) == []
    monkeypatch.setattr(server, "answer", answer)


def test_a_server_that_falls_silent_in_the_middle(server, path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUTS_S", (0.2, 0.2))
    monkeypatch.setattr(module, "PAUSES_S", ())
    body = server._body
    monkeypatch.setattr(server, "_body", lambda *request: (body(*request), module.time.sleep(0.5)))
    server.files["w.pt"].broken_after = [100_000]
    assert "0.1 MB are kept" in fails(server, path, "does not answer within 0.2 s")


def test_too_little_room_is_told_before(server, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000))
    fails(server, path, r"w.pt needs 0.3 MB in .* where 0.0 MB are free; make room")
    assert names(path) == []


def test_a_disk_that_fills_up_keeps_what_arrived(server, path, monkeypatch):
    opened = Path.open

    def nearly_full(self, mode="r", *rest, **options):
        file = opened(self, mode, *rest, **options)
        return _Full(file) if mode == "ab" else file

    monkeypatch.setattr(Path, "open", nearly_full)
    fails(server, path, "w.pt.part cannot be written .No space left on device.; what has arrived is kept")
    monkeypatch.setattr(Path, "open", opened)
    kept = (path.parent / "w.pt.part").stat().st_size
    assert kept == 100_000 and not path.exists()
    server.asked.clear()
    assert download(server.url("w.pt"), path) == SHA256 and server.asked == [f"bytes={kept}-"]


class _Full:
    """A file on a disk with room for 100,000 bytes."""

    def __init__(self, file):
        self.file, self.left = file, 100_000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        if len(data) > self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.left -= len(data)
        return self.file.write(data)
