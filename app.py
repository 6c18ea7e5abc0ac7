"""The app: loads checkpoints, builds the pages and serves them. Run `python app.py`.

`CLAP_APP_CHECKPOINTS=name,name` names the checkpoints to compare, as `python -m clap checkpoints` lists them; without it,
those that the repository carries.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")

import gradio as gr  # noqa: E402
from starlette.routing import Mount  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

from clap.checkpoints import Card, available, get_card, load_encoder  # noqa: E402
from clap.data.datasets import load_dataset  # noqa: E402
from clap.detection import detect_language  # noqa: E402
from clap.doctor import Diagnosis, examine  # noqa: E402
from clap.errors import UserError  # noqa: E402
from clap.languages import CODES, get_language  # noqa: E402
from clap.search import Searcher  # noqa: E402
from clap.ui import search_page  # noqa: E402
from clap.ui.checkpoint_card import build_checkpoint_cards  # noqa: E402
from clap.ui.clip_list import CLIPS_ROUTE  # noqa: E402
from clap.ui.middleware import middleware  # noqa: E402
from clap.ui.search_page import Column  # noqa: E402
from clap.ui.theme import CSS, theme  # noqa: E402
from eval.dashboard import page as evaluate_page  # noqa: E402

ASSETS = Path(__file__).resolve().parent / "assets"
CLIPS, RESULTS = ASSETS / "gallery" / "clips", ASSETS / "results"
TITLE = "Multilingual sound search"
HERO = f"""<header class="hero"><h1>{TITLE}</h1>
<p>Describe a sound in eight languages, or play one to the microphone: two checkpoints answer side by side.</p></header>"""


def build_app(columns: Sequence[Column], clips_dir: Path, results_dir: Path, cards: Sequence[Card] = ()) -> gr.Blocks:
    """The whole interface: a Search tab over `columns`, an Evaluate tab over the results of a folder, and the checkpoints' `cards`."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 3600)) as app:
        gr.HTML(HERO, js_on_load=None)
        with gr.Tabs():
            with gr.Tab("Search"):
                search_page.build_page(app, columns, clips_dir)
            with gr.Tab("Evaluate"):
                evaluate_page.build_page(results_dir)
            if cards:
                with gr.Tab("Checkpoints"):
                    build_checkpoint_cards(cards, doctor_of(columns, cards))
    return app.queue(default_concurrency_limit=2, max_size=32)


def launch_settings(clips_dir: Path) -> dict[str, Any]:
    """Arguments of `Blocks.launch`: look, limits and guards; the port is that of `GRADIO_SERVER_PORT`, else gradio's."""
    return {
        "theme": theme(),
        "css": CSS + evaluate_page.CSS,
        "footer_links": ["api"],
        "quiet": True,
        "show_error": False,
        "ssr_mode": False,
        "mcp_server": False,
        "enable_monitoring": False,
        "max_file_size": "20mb",
        "max_threads": 16,
        "state_session_capacity": 200,
        "app_kwargs": {
            "openapi_url": None,
            "middleware": middleware(),
            "routes": [Mount(f"/{CLIPS_ROUTE}", StaticFiles(directory=clips_dir))],
        },
    }


def describe(card: Card) -> str:
    """One line on the captions a checkpoint was trained with."""
    if set(card.languages) == set(CODES):
        return "Trained with captions in all eight languages."
    names = " and ".join(get_language(code).name for code in card.languages)
    return f"Trained with captions in {names} only."


def doctor_of(columns: Sequence[Column], cards: Sequence[Card]) -> Callable[[str], Diagnosis]:
    """A checkpoint's name -> its examination, on the encoder that searches with it."""
    encoders = {column.searcher.encoder.name: column.searcher.encoder for column in columns}
    languages = {card.name: card.languages for card in cards}
    return lambda name: examine(encoders[name], languages[name])


def chosen_cards() -> list[Card]:
    """The checkpoints that `CLAP_APP_CHECKPOINTS` names, else those the repository carries; UserError for an unknown name."""
    names = [name.strip() for name in os.environ.get("CLAP_APP_CHECKPOINTS", "").split(",")]
    return [get_card(name) for name in dict.fromkeys(names) if name] or available()


def load_columns() -> tuple[list[Column], list[Card]]:
    """A column for each checkpoint, with the gallery embedded, and their cards; says on standard error what it waits for."""
    names = [card.name for card in chosen_cards()]
    if not names:
        raise UserError("There are no checkpoints to search with; restore assets/checkpoints from the repository.")
    gallery = load_dataset("gallery")
    columns, cards = [], []
    for name in names:
        print(f"Preparing {name} over {len(gallery.clips)} clips …", file=sys.stderr, flush=True)
        searcher, card = Searcher(load_encoder(name), gallery), get_card(name)
        searcher.prepare()
        columns.append(Column(card.title, describe(card), searcher))
        cards.append(card)
    return columns, cards


def main() -> int:
    """Load, build and serve until interrupted; 2 with one sentence when something needed is missing."""
    warnings.filterwarnings("ignore", "'HTTP_422_UNPROCESSABLE_ENTITY' is deprecated")  # gradio 6.17.3 with starlette 1, once a call
    try:
        columns, cards = load_columns()
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    detect_language("Load the detector before the first visitor asks.")
    app = build_app(columns, CLIPS, RESULTS, cards)
    _, address, _ = app.launch(prevent_thread_lock=True, **launch_settings(CLIPS))
    print(f"Ready on {address}", file=sys.stderr, flush=True)
    app.block_thread()
    return 0


if __name__ == "__main__":
    sys.exit(main())
