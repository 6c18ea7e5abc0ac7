"""Queries to try, one click away, each marked with its language."""

from __future__ import annotations

from html import escape
from pathlib import Path

import gradio as gr

from clap.languages import CODES, get_language

QUERIES = (
    "a dog barks",
    "un chien aboie",
    "eine Kirchenglocke läutet",
    "suena una guitarra",
    "iemand klopt op de deur",
    "sona un telèfon",
    "犬が吠えている",
    "雨",
)
EXAMPLES = tuple(zip(CODES, QUERIES, strict=True))
"""(language, query); each is detected as what it is."""

CSS = """
.examples { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.examples span { font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.examples button { min-height: 36px; padding: 4px 12px; cursor: pointer; color: var(--body-text-color);
  background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 999px; }
.examples button:hover { border-color: var(--color-accent); }
.examples button:focus-visible { outline: 3px solid var(--color-accent); outline-offset: 2px; }
@media (max-width: 640px) {
  .examples { flex-wrap: nowrap; overflow-x: auto; padding: 4px; }
  .examples > * { flex: none; }
}
"""


class Examples(gr.HTML):
    """Buttons of `EXAMPLES`; the event `pick` carries the query of the one that was clicked."""

    def __init__(self) -> None:
        buttons = (f'<button type="button" lang="{get_language(code).tag}">{escape(query)}</button>' for code, query in EXAMPLES)
        super().__init__(
            f'<div class="examples" role="group" aria-label="Examples"><span>Try one</span>{"".join(buttons)}</div>',
            css_template=CSS,
            js_on_load=Path(__file__).with_name("examples.js").read_text(encoding="utf-8"),
            apply_default_css=False,
        )
