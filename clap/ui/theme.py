"""Colours, fonts and page-wide CSS."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

WEIGHTS = (400, 700)
"""The only weights of the bundled fonts that hold Latin letters."""

CSS = """
.gradio-container { width: 100% !important; max-width: 1180px !important; margin: 0 auto !important; }
.html-container { padding: 0 !important; }
:lang(ja) { font-family: 'IBM Plex Sans', 'Noto Sans CJK JP', 'Noto Sans JP', 'Hiragino Sans', 'Yu Gothic', sans-serif; }
:lang(zh) { font-family: 'IBM Plex Sans', 'Noto Sans CJK SC', 'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', sans-serif; }
.hero h1 { margin: 0; font-size: 1.7rem; font-weight: 700; color: var(--body-text-color); }
.hero p { margin: .25rem 0 0; color: var(--body-text-color-subdued); }
.tab-container button[aria-selected=true] { color: var(--link-text-color) !important; }
.message { margin: 0; padding: .6rem .8rem; border-radius: var(--radius-lg); border-left: 4px solid; overflow-wrap: anywhere;
  color: var(--body-text-color); background: var(--background-fill-secondary); }
.message.is-error { border-color: #dc2626; }
.message.is-note { border-color: var(--color-accent); }
.column-head h2 { margin: 0; font-size: 1.1rem; font-weight: 700; color: var(--body-text-color); }
.column-head p { margin: .15rem 0 0; font-size: var(--text-sm); color: var(--body-text-color-subdued); }
.subdued { margin: 0; font-size: var(--text-sm); color: var(--body-text-color-subdued); }
#sound time { color: var(--body-text-color) !important; }
footer .divider:last-of-type { display: none; }
@media (max-width: 640px) { .gradio-container { padding-left: 0 !important; padding-right: 0 !important; } }
"""


def theme() -> gr.themes.Base:
    """A quiet theme: teal on slate, IBM Plex from gradio's own files, so that nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=[LocalFont("IBM Plex Sans", weights=WEIGHTS), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=WEIGHTS), "ui-monospace", "monospace"],
    ).set(
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        color_accent="*primary_600",
        input_placeholder_color="*neutral_500",
    )
