"""ClipList: ranked playable clips, and ranked captions, as one gradio component."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from clap.languages import get_language
from clap.search import Hit

CLIPS_ROUTE = "clips"
"""Where the app serves the clips, relative to its page."""

_HERE = Path(__file__).parent


class ClipList(gr.HTML):
    """Shows `{"clips": [...], "captions": [...]}`, each a list of rows as `rows` makes them; either may be absent.
    `"note"` is what stands in place of no clips.

    The template is constant and the list is built in the browser from text nodes: gradio compiles what a filled-in
    template says as JavaScript, so a caption must never be part of one.
    """

    def __init__(self, value: dict[str, Any] | None = None, **settings: Any) -> None:
        super().__init__(
            value=value or {},
            html_template='<div class="clips"></div>',
            css_template=(_HERE / "clip_list.css").read_text(encoding="utf-8"),
            js_on_load=(_HERE / "clip_list.js").read_text(encoding="utf-8"),
            apply_default_css=False,
            **settings,
        )

    def api_info(self) -> dict[str, Any]:
        """The shape of the value, for the page that documents the endpoints."""
        return {"type": "object", "description": "clips, and for an audio query captions: ranked, with cosine similarities"}


def rows(hits: Iterable[Hit], clips_dir: Path) -> list[dict[str, Any]]:
    """Hits as JSON for ClipList; `clips_dir` is the folder that is served under `CLIPS_ROUTE`. Durations are in seconds."""
    return [
        {
            "rank": hit.rank,
            "id": hit.clip.id,
            "score": round(hit.score, 4),
            "caption": hit.caption,
            "lang": get_language(hit.language).tag,
            "duration": hit.clip.duration_s,
            "peaks": hit.clip.peaks,
            "url": f"{CLIPS_ROUTE}/{quote(hit.clip.path.resolve().relative_to(clips_dir.resolve()).as_posix())}",
        }
        for hit in hits
    ]
