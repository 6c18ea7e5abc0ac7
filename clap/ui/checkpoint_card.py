"""The Checkpoints tab: what each checkpoint is, and the doctor's checks of it at the press of a button."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from clap.checkpoints import Card
from clap.doctor import Check, Diagnosis, mark, shown
from clap.errors import UserError
from clap.languages import get_language
from clap.ui.search_page import CALL

SIGNS = {True: "✓", False: "✗", None: "i"}
FACTS_CSS = """
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .45rem 1.25rem; margin: 0; color: var(--body-text-color); }
.facts dt { font-weight: 700; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts code { font-family: var(--font-mono); font-size: var(--text-sm); }
@media (max-width: 640px) { .facts { grid-template-columns: 1fr; gap: 0; } .facts dd { margin-bottom: .6rem; } }
"""
CHECKS_CSS = """
.message { margin-bottom: .75rem; }
table { width: 100%; border-collapse: collapse; color: var(--body-text-color); font-variant-numeric: tabular-nums; }
table, thead, tbody, tr { border: 0 !important; background: none; }
th, td { padding: .5rem .6rem; text-align: left; vertical-align: top; border: 0 !important; }
tbody :is(th, td) { border-top: 1px solid var(--border-color-primary) !important; }
thead th { font-size: var(--text-sm); color: var(--body-text-color-subdued); }
tbody th { font-weight: 700; overflow-wrap: anywhere; }
tbody th small { display: block; font-size: var(--text-sm); font-weight: 400; color: var(--body-text-color-subdued); }
.mark { white-space: nowrap; }
.mark span { display: inline-block; width: 1.4em; height: 1.4em; margin-right: .1em; line-height: 1.25em; text-align: center;
  font-weight: 700; border: 1.5px solid currentColor; border-radius: 50%; }
.is-failed .mark, .is-failed .value { font-weight: 700; }
.is-failed .mark span { color: #fff; background: #b91c1c; border-color: #b91c1c; border-radius: 4px; }
.is-passed .mark span { color: #fff; background: #0f766e; border-color: #0f766e; }
@media (max-width: 640px) {
  th, td { padding: .5rem .3rem; }
  .mark { white-space: normal; width: 5.2rem; }
  .value { width: 5rem; overflow-wrap: anywhere; }
}
"""


@dataclass(frozen=True)
class CheckpointPage:
    """The handlers, over the `cards` at hand and a function that examines the checkpoint of a name."""

    cards: Sequence[Card]
    examine_by_name: Callable[[str], Diagnosis]

    def show(self, name: str) -> list[str]:
        """The facts of a checkpoint, and no checks: those on the page are of another one."""
        return [facts_html(self._card(name)), ""]

    def examine(self, name: str) -> Iterator[str]:
        """A message to wait by, then the checks as a table; what cannot be loaded is a message."""
        yield _message(f"Examining {escape(self._card(name).title)} …")
        try:
            yield diagnosis_html(self._card(name).title, self.examine_by_name(name))
        except UserError as error:
            yield _message(escape(str(error)), wrong=True)

    def _card(self, name: str) -> Card:
        return next(card for card in self.cards if card.name == name)


def build_checkpoint_cards(cards: Sequence[Card], examine_by_name: Callable[[str], Diagnosis]) -> None:
    """Build the tab's content inside an open `gr.Tab`: a choice of `cards`, the facts of one, and its doctor."""
    page = CheckpointPage(cards, examine_by_name)
    if not cards:
        gr.HTML(_message("There are no checkpoints at hand."), js_on_load=None)
        return
    with gr.Row(equal_height=True):
        choices = [(card.title, card.name) for card in cards]
        name = gr.Dropdown(choices, value=cards[0].name, label="Checkpoint", filterable=False, scale=3, min_width=240, elem_id="checkpoint")
        button = gr.Button("Run the doctor", variant="primary", scale=1, min_width=160, elem_id="run-doctor")
    facts = gr.HTML(facts_html(cards[0]), css_template=FACTS_CSS, js_on_load=None, elem_id="checkpoint-facts")
    gr.HTML(
        '<p class="subdued">The doctor tries a checkpoint on sounds and captions whose answers tell whether it is healthy enough to be '
        "compared with others. It takes some seconds.</p>",
        js_on_load=None,
    )
    checks = gr.HTML(css_template=CHECKS_CSS, js_on_load=None, elem_id="checkpoint-checks")
    name.input(page.show, name, [facts, checks], api_visibility="private", show_progress="hidden", queue=False)
    button.click(page.examine, name, checks, api_visibility="private", show_progress="minimal", **{**CALL, "trigger_mode": "once"})


def facts_html(card: Card) -> str:
    """What a checkpoint's card says, as a list of terms; languages under their own names."""
    told = {
        "Name": f"<code>{escape(card.name)}</code>",
        "What it is": escape(card.title),
        "Languages": ", ".join(map(_endonym, card.languages)),
        "Licence": escape(card.licence),
        "Size": "known once it is fetched" if card.size_bytes is None else f"{card.size_bytes / 1e6:,.1f} MB",
        "Trained on": escape(card.trained_on),
        "How it was made": _made(card.made),
    }
    return '<dl class="facts">' + "".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in told.items() if text) + "</dl>"


def diagnosis_html(title: str, diagnosis: Diagnosis) -> str:
    """A verdict and the checks as a table, each with a sign, a word, its value and what it means."""
    passed, failed = sum(check.passed is True for check in diagnosis.checks), len(diagnosis.failed)
    verdict = "is not healthy enough to be judged" if failed else "is healthy"
    message = _message(f"{escape(title)} {verdict}: {passed} checks passed, {failed or 'none'} failed.", wrong=bool(failed))
    head = '<tr><th scope="col">Result</th><th scope="col">Check</th><th scope="col">Value</th></tr>'
    return f"{message}<table><thead>{head}</thead><tbody>{''.join(map(_row, diagnosis.checks))}</tbody></table>"


def _row(check: Check) -> str:
    word = mark(check)
    return (
        f'<tr class="is-{word.replace(" ", "-")}"><td class="mark"><span aria-hidden="true">{SIGNS[check.passed]}</span> {word}</td>'
        f'<th scope="row">{escape(check.title)}<small>{escape(check.explanation)}</small></th>'
        f'<td class="value">{escape(shown(check))}</td></tr>'
    )


def _made(made: dict[str, Any]) -> str:
    """Command, seed and minutes, as far as they are known."""
    command = f"<code>{escape(str(made['command']))}</code>" if "command" in made else ""
    rest = [f"seed {made['seed']}" if "seed" in made else "", f"{made['minutes']} minutes" if "minutes" in made else ""]
    return ", ".join(filter(None, [command, *map(escape, rest)]))


def _endonym(code: str) -> str:
    one = get_language(code)
    return f'<span lang="{one.tag}">{escape(one.endonym)}</span>'


def _message(html: str, wrong: bool = False) -> str:
    """A message that is announced, at once when something is wrong."""
    return f'<p class="message {"is-error" if wrong else "is-note"}" role="{"alert" if wrong else "status"}">{html}</p>'
