"""A web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import http.server
import mmap
import threading
from dataclasses import dataclass, field


@dataclass
class Served:
    """A file and the ways in which it is served; `broken_after` bytes the next answers break off, one entry an answer."""

    body: bytes | mmap.mmap
    etag: str | None = '"one"'
    ranges: bool = True
    broken_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    content_type: str = "application/octet-stream"
    length: bool = True
    shift: int = 0


class FaultyServer:
    """`files` by path; `asked` holds the Range header of every request, None where there was none."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, name: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def close(self) -> None:
        """Stop answering; connections are then refused."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """One request."""
        self.asked.append(handler.headers.get("Range"))
        served = self.files.get(handler.path.lstrip("/"))
        status = 404 if served is None else (served.statuses.pop(0) if served.statuses else 200)
        if status != 200:
            handler.send_error(status)
            return
        start = self._start(handler, served)
        if start and start >= len(served.body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(served.body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        self._head(handler, served, start)
        self._body(handler, served, start)

    def _start(self, handler: http.server.BaseHTTPRequestHandler, served: Served) -> int:
        wanted = handler.headers.get("Range")
        if not wanted or not served.ranges or handler.headers.get("If-Range") != served.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _head(self, handler: http.server.BaseHTTPRequestHandler, served: Served, start: int) -> None:
        handler.send_response(206 if start else 200)
        if start:
            first, last, size = start + served.shift, len(served.body) - 1, len(served.body)
            handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        if served.length:
            handler.send_header("Content-Length", str(len(served.body) - start))
        if served.etag:
            handler.send_header("ETag", served.etag)
        handler.send_header("Content-Type", served.content_type)
        handler.end_headers()

    def _body(self, handler: http.server.BaseHTTPRequestHandler, served: Served, start: int) -> None:
        rest = memoryview(served.body)[start:]
        handler.wfile.write(rest[: served.broken_after.pop(0)] if served.broken_after else rest)
        handler.close_connection = True
