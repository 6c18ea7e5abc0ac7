"""ASGI middleware of the app: security headers, a limit on calls per visitor, and a guard over gradio's file route."""

from __future__ import annotations

import os
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.middleware import Middleware
from starlette.responses import JSONResponse

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)
"""Gradio compiles its templates in the page, hence 'unsafe-eval'; `connect-src` still keeps a visitor's sound on this host."""

HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
)
TOO_MANY_VISITORS = 10_000
_FILE_ROUTE = re.compile(r"/file[=/](.*)", re.DOTALL)
_WITH_SCHEME = re.compile(r"[\s/\\]*[a-z][a-z0-9+.-]*:|[\s\\]*(?://|\\\\)")


class SecurityHeaders:
    """Adds `HEADERS` to every HTTP response that does not set them itself."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                message = {**message, "headers": [*message["headers"], *(pair for pair in HEADERS if pair[0] not in present)]}
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def names_remote_file(path: str) -> bool:
    """Whether a request path asks gradio's file route for an address instead of a file, however it is encoded.

    Gradio 6.17.3 answers `/gradio_api/file=http://…` with a redirect to any address (CVE-2026-59806, mended in 6.20).
    """
    decoded, before = unquote(path), None
    while decoded != before:
        decoded, before = unquote(decoded), decoded
    found = _FILE_ROUTE.search(decoded.lower())
    return bool(found and _WITH_SCHEME.match(found.group(1)))


class RefuseRemoteFiles:
    """Answers 403 to a file request that names an address."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and names_remote_file(scope["path"]):
            await JSONResponse({"detail": "Only files of this app are served here."}, 403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


class RateLimit:
    """A token bucket per visitor over POST requests, which are the ones that cost: `per_minute` on average, `burst` at once."""

    def __init__(self, app: App, per_minute: float = 120, burst: int = 40, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.rate = per_minute / 60
        self.burst = burst
        self.clock = clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not self.admits(visitor(scope)):
            detail = "Too many requests at once; please wait a few seconds."
            await JSONResponse({"detail": detail}, 429, {"retry-after": "5"})(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def admits(self, name: str) -> bool:
        """Take one token from the bucket of `name`; False when there is none."""
        now = self.clock()
        tokens, since = self.buckets.pop(name, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - since) * self.rate)
        admitted = tokens >= 1
        self.buckets[name] = (tokens - 1 if admitted else tokens, now)
        while len(self.buckets) > TOO_MANY_VISITORS:
            self.buckets.popitem(last=False)
        return admitted


def visitor(scope: Scope) -> str:
    """The address that a request is counted under; on a Space, the first one its proxy reports."""
    forwarded = dict(scope["headers"]).get(b"x-forwarded-for")
    if forwarded and os.environ.get("SPACE_ID"):
        return forwarded.split(b",")[0].strip().decode("latin-1")[:64]
    return scope["client"][0] if scope.get("client") else "unknown"


def middleware() -> list[Middleware]:
    """What the app runs behind, outermost first."""
    return [Middleware(SecurityHeaders), Middleware(RefuseRemoteFiles), Middleware(RateLimit)]
