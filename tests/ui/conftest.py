"""One server and one Chromium for all browser tests: the real app over a small world of tones."""

from __future__ import annotations

import shutil
from urllib.parse import urlsplit

import pytest

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
             "--autoplay-policy=no-user-gesture-required"]  # fmt: skip
MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{this}} C:\\users\\x <b>dog</b>"


@pytest.fixture(scope="session")
def site(tone_world, tmp_path_factory):
    """The address of the app with two checkpoints, one that knows English only; a clip carries a hostile caption."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        import app
        from clap.search import Searcher
        from clap.ui.search_page import Column

        dataset = tone_world.with_caption(tone_world.dataset, "bell-1", "eng_Latn", HOSTILE)
        encoders = [tone_world.FakeEncoder("compact-baseline", ("eng_Latn",)), tone_world.FakeEncoder("compact-mixture-le")]
        columns = [Column(encoder.name, "One line.", Searcher(encoder, dataset)) for encoder in encoders]
        blocks = app.build_app(columns, tone_world.folder, _results(encoders, tone_world.dataset, tmp_path_factory.mktemp("results")))
        _, address, _ = blocks.launch(prevent_thread_lock=True, **app.launch_settings(tone_world.folder))
        yield address
        blocks.close()


def _results(encoders, dataset, folder):
    from clap.audio import load
    from eval.results import save
    from eval.retrieval import evaluate

    for encoder in encoders:
        save(evaluate(encoder, dataset, ["eng_Latn", "jpn_Jpan"], load, doctor={"passed": True}), folder / f"{encoder.name}.json")
    return folder


@pytest.fixture(scope="session")
def browser(tone_world, tmp_path_factory):
    """Chromium with a microphone that hears a tone of 880 Hz, which stands for rain."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    heard = tone_world.write_wav(tmp_path_factory.mktemp("microphone") / "rain.wav", tone_world.tone(880, 10, 48_000), 48_000)
    with sync_playwright() as playwright:
        arguments = [*ARGUMENTS, *MICROPHONE, f"--use-file-for-fake-audio-capture={heard}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(site, browser):
    """Opens the app as a new visitor: `visit(query_string, **context_settings)` -> page.

    Afterwards the test fails if a page raised an error or an alert, logged an error, or asked another host.
    """
    contexts, trouble = [], []

    def open_page(query="", **settings):
        context = browser.new_context(permissions=["microphone"], reduced_motion="reduce", locale="en-GB", **settings)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        _watch(page, urlsplit(site).netloc, trouble)
        page.goto(site + query)
        page.locator("#search").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


def _watch(page, host, trouble):
    page.on("pageerror", lambda error: trouble.append(f"error {error}"))
    page.on("console", lambda message: trouble.append(f"console {message.text}") if _is_ours(message) else None)
    page.on("dialog", lambda dialog: (trouble.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: trouble.append(f"off-host {request.url}") if _is_elsewhere(request.url, host) else None)


def _is_ours(message):
    """An error on the console, but for gradio's own client giving up its event stream when a page closes early."""
    return message.type == "error" and not message.text.startswith("AbortError: signal is aborted")


def _is_elsewhere(url, host):
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host


@pytest.fixture(scope="session")
def hostile():
    """A caption and query that would run as code if it were ever read as HTML or as a template."""
    return HOSTILE


@pytest.fixture
def search():
    """Types a query and presses Search; waits for the answer's message and returns it."""

    def run(page, query, wanted="status"):
        page.fill("#query input", query)
        page.locator("#search").click()
        message = page.locator(f"#query-message [role={wanted}]")
        message.wait_for()
        return message.inner_text()

    return run
