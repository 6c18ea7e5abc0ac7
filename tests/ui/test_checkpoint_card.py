"""The Checkpoints tab: its HTML, its handlers, and a page of it in a browser."""

import gradio as gr
import pytest

from clap.checkpoints import get_card
from clap.doctor import Check, Diagnosis
from clap.errors import UserError
from clap.ui.checkpoint_card import CheckpointPage, build_checkpoint_cards, diagnosis_html, facts_html
from clap.ui.theme import CSS, theme

NAMES = ("compact-mixture-le", "compact-baseline")
HOSTILE = "<img src=x onerror=alert(1)> ${alert(2)} {{this}}"
CHECKS = (
    Check("audio-spread", "Audio: different sounds point apart", True, 0.3, "mean cosine", "Different sounds must differ."),
    Check("text-spread", "Text: different captions point apart", False, 0.9991, "mean cosine", f"Said: {HOSTILE}"),
    Check("rate", "Sample rate", None, 16, "kHz", "The rate at which clips are given."),
)


def examine_by_name(name):
    """One fine checkpoint, and one that cannot be loaded."""
    if name == "compact-baseline":
        raise UserError(f"The weights of {name!r} are <cut> short; fetch them again.")
    return Diagnosis(name, "weights", ("eng_Latn",), CHECKS)


@pytest.fixture
def page():
    return CheckpointPage([get_card(name) for name in NAMES], examine_by_name)


def test_facts_name_languages_by_their_own_names_and_how_it_was_made():
    html = facts_html(get_card("compact-mixture-le"))
    for part in ('<span lang="ja">日本語</span>', "CC-BY-4.0", "Trained on", "--ratio 0.1", "seed 0", "18.0 minutes", " MB"):
        assert part in html


def test_another_checkpoint_takes_the_checks_away(page):
    facts, checks = page.show("compact-baseline")
    assert "Compact baseline" in facts and checks == ""


def test_the_doctor_says_that_it_works_and_then_what_it_found(page):
    waiting, found = page.examine("compact-mixture-le")
    assert "Examining Compact mixture LE" in waiting
    assert "is not healthy enough to be judged: 1 checks passed, 1 failed" in found and 'role="alert"' in found
    assert [found.count(f"</span> {word}</td>") for word in ("passed", "failed", "for information")] == [1, 1, 1]
    assert "0.999 mean cosine" in found and "16 kHz" in found


def test_what_cannot_be_loaded_is_a_message(page):
    _, message = page.examine("compact-baseline")
    assert 'role="alert"' in message and "&lt;cut&gt; short; fetch them again." in message


def test_what_a_check_says_is_escaped():
    html = diagnosis_html("<b>", Diagnosis("x", "", ("eng_Latn",), CHECKS))
    assert "<img" not in html and "<b>" not in html and "&lt;img" in html


@pytest.fixture(scope="module")
def address():
    with gr.Blocks(analytics_enabled=False) as blocks, gr.Tabs(), gr.Tab("Checkpoints"):
        build_checkpoint_cards([get_card(name) for name in NAMES], examine_by_name)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, theme=theme(), css=CSS)
    yield address
    blocks.close()


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_in_a_browser(address, browser, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(15_000)
    alerts = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    page.locator("#checkpoint-facts dd", has_text="日本語").wait_for()
    page.locator("#run-doctor").click()
    page.locator("#checkpoint-checks table").wait_for()
    assert page.locator("#checkpoint-checks tr.is-failed .mark").inner_text().split() == ["✗", "failed"]
    assert "${alert(2)} {{this}}" in page.locator("#checkpoint-checks").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.locator("#checkpoint input").click()
    page.get_by_role("option", name="Compact baseline").click()
    page.locator("#checkpoint-facts dd", has_text="Compact baseline").wait_for()
    page.locator("#checkpoint-checks table").wait_for(state="detached")
    page.locator("#run-doctor").click()
    page.locator("#checkpoint-checks [role=alert]", has_text="fetch them again").wait_for()
    context.close()
    assert alerts == []
