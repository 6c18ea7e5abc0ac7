"""The audio input, guarded: it takes what was recorded or uploaded here, never an address for the server to fetch."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr


class SoundField(gr.Audio):
    """`gr.Audio`, but a call whose file is an address is refused instead of downloaded by the server, whatever its size."""

    is_template = True  # gradio: drawn as the component it derives from

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        """The path of an uploaded file in gradio's cache; raises gr.Error for an address."""
        if urlsplit(str(url_or_file_path or "")).scheme:
            raise gr.Error("Only sounds recorded or uploaded here can be searched with.", print_exception=False)
        return await super().async_move_resource_to_block_cache(url_or_file_path)
