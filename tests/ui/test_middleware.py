import http.client
import json
from contextlib import contextmanager
from urllib.parse import urlsplit

import gradio as gr
import pytest

from clap.ui.middleware import RateLimit, middleware, names_remote_file, visitor

REMOTE = [
    "/gradio_api/file=http://example.org/x",
    "/gradio_api/file=https://example.org/x",
    "/gradio_api/file=HTTP://example.org/x",
    "/gradio_api/file%3Dhttp://example.org/x",
    "/gradio_api/file=%68ttp%3A%2F%2Fexample.org",
    "/gradio_api/file=%2568ttp%253A%252F%252Fexample.org",
    "/GRADIO_API/FILE=http://example.org/x",
    "/gradio_api/file/http://example.org/x",
    "/gradio_api/file=//example.org/x",
    "/gradio_api/file=%20http://example.org/x",
    "/gradio_api/file=ftp://example.org/x",
]
LOCAL = ["/gradio_api/file=/tmp/gradio/abc/clip.wav", "/gradio_api/upload", "/clips/dog-0.mp3", "/"]


@pytest.mark.parametrize("path", REMOTE)
def test_a_remote_address_is_recognised_however_it_is_written(path):
    assert names_remote_file(path)


@pytest.mark.parametrize("path", LOCAL)
def test_files_of_the_app_are_let_through(path):
    assert not names_remote_file(path)


@contextmanager
def serving(**settings):
    """A small gradio app; yields a function that sends a path exactly as written and returns status and headers."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Markdown("page")
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **settings)

    def get(path):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}

    yield get
    blocks.close()


@pytest.fixture(scope="module")
def get():
    with serving(app_kwargs={"middleware": middleware()}) as get:
        yield get


@pytest.mark.parametrize("path", [path for path in REMOTE if " " not in path])
def test_gradio_never_redirects_to_a_remote_address(get, path):
    status, headers = get(path)
    assert status == 403
    assert "location" not in headers


def test_without_the_guard_gradio_does_redirect():
    """The guard can go when this fails: gradio has mended it."""
    with serving() as get:
        assert get(REMOTE[0])[0] == 302


def test_every_page_carries_the_headers_and_keeps_data_here(get):
    status, headers = get("/")
    assert status == 200
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["permissions-policy"].startswith("microphone=(self)")


def test_a_bucket_empties_and_fills_again():
    now = [0.0]
    limit = RateLimit(None, per_minute=60, burst=3, clock=lambda: now[0])
    assert [limit.admits("a") for _ in range(4)] == [True, True, True, False]
    assert limit.admits("b")
    now[0] = 1.0
    assert [limit.admits("a"), limit.admits("a")] == [True, False]


def call(app, method):
    """Send one request through an ASGI app; its status and body."""
    sent = []

    async def send(message):
        sent.append(message)

    request = {"type": "http", "method": method, "path": "/gradio_api/queue/join", "headers": [], "client": None}
    with pytest.raises(StopIteration):  # the coroutine never waits, so one step runs it whole, whatever loop the browser tests hold
        app(request, None, send).send(None)
    return sent[0]["status"], sent[1]["body"]


def test_refused_calls_answer_429_with_a_sentence():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limited = RateLimit(app, per_minute=1, burst=2)
    assert [call(limited, "POST")[0] for _ in range(3)] == [200, 200, 429]
    assert "wait" in json.loads(call(limited, "POST")[1])["detail"]
    assert call(limited, "GET")[0] == 200


def test_the_proxy_is_believed_only_on_a_space(monkeypatch):
    scope = {"headers": [(b"x-forwarded-for", b"1.2.3.4, 5.6.7.8")], "client": ("10.0.0.1", 1)}
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert visitor(scope) == "10.0.0.1"
    monkeypatch.setenv("SPACE_ID", "someone/space")
    assert visitor(scope) == "1.2.3.4"
