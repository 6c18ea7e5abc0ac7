"""The Search page: a query in words or as sound, answered by every checkpoint side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from clap.audio import SAMPLE_RATE_HZ, load, require_sound
from clap.errors import UserError
from clap.languages import ENGLISH, LANGUAGES, get_language
from clap.search import MAX_QUERY_CHARACTERS, Searcher, query_language, require_query
from clap.ui.clip_list import ClipList, rows
from clap.ui.examples import Examples
from clap.ui.sound_field import SoundField

TOP_CLIPS = 10
TOP_CAPTIONS = 5
MAX_SOUND_SECONDS = 300
AUTOMATIC = "auto"
CALL = {"concurrency_id": "model", "concurrency_limit": 1, "trigger_mode": "always_last"}
"""One call at a time over all visitors; a question asked while another is answered waits, instead of being lost."""
REMEMBER_IN_ADDRESS = """(query, language) => {
  const url = new URL(location.href);
  url.searchParams.delete("q");
  url.searchParams.delete("lang");
  if (query.trim() && query.length <= %d) {
    url.searchParams.set("q", query);
    if (language !== "%s") url.searchParams.set("lang", language);
  }
  history.replaceState(null, "", url);
  return [query, language];
}""" % (MAX_QUERY_CHARACTERS, AUTOMATIC)


@dataclass(frozen=True)
class Column:
    """One checkpoint's answers: its `title`, one line (`note`) on what it is, and its `searcher`."""

    title: str
    note: str
    searcher: Searcher


@dataclass(frozen=True)
class SearchPage:
    """The handlers. Each answers a message in HTML and one ClipList value per column."""

    columns: Sequence[Column]
    clips_dir: Path

    def search_text(self, query: str, language: str) -> list[Any]:
        """Clips for a description; `language` is a FLORES-200 code, or `auto` to detect it."""
        try:
            text = require_query(query or "")
            code = query_language(text, None if language == AUTOMATIC else language)
            before = self._cut()
            lists = [self._clips_for(column, text, code) for column in self.columns]
        except UserError as error:
            return self._refused(error)
        return [_text_note(code, language == AUTOMATIC, cut=self._cut() > before), *lists]

    def _clips_for(self, column: Column, text: str, code: str) -> dict[str, Any]:
        """One column's answer; a checkpoint that does not read the language says so in its own list."""
        if not column.searcher.knows(code):
            return {"clips": [], "note": f"{column.title} does not read {get_language(code).name}."}
        return {"clips": rows(column.searcher.by_text(text, code, TOP_CLIPS), self.clips_dir)}

    def search_audio(self, path: str | None, language: str) -> list[Any]:
        """Captions and clips for a sound file, in English for `auto` and where a checkpoint knows no other. No file changes nothing."""
        if path is None:
            return [gr.skip()] * (1 + len(self.columns))
        code = ENGLISH if language == AUTOMATIC else language
        try:
            waveform = load(Path(path), MAX_SOUND_SECONDS)
            require_sound(waveform)
            spoken = [code if column.searcher.knows(code) else ENGLISH for column in self.columns]
            found = [column.searcher.clips_and_captions(waveform, TOP_CLIPS, one) for column, one in zip(self.columns, spoken)]
        except UserError as error:
            return self._refused(error)
        lists = [{"clips": rows(clips, self.clips_dir), "captions": rows(texts[:TOP_CAPTIONS], self.clips_dir)} for clips, texts in found]
        return [_message(f"Closest to your sound, captioned in {_endonym(code)}."), *lists]

    def change_language(self, language: str, query: str, path: str | None, sound_message: str) -> list[Any]:
        """Answer the last question again in another language: a message for each field, then the lists."""
        if path and sound_message:
            message, *lists = self.search_audio(path, language)
            return ["", message, *lists]
        if (query or "").strip():
            message, *lists = self.search_text(query, language)
            return [message, "", *lists]
        return [gr.skip()] * (2 + len(self.columns))

    def restore(self, request: gr.Request) -> list[Any]:
        """The search that the address names (`?q=…&lang=…`): query, language, message and lists."""
        query, language = request.query_params.get("q", ""), request.query_params.get("lang", AUTOMATIC)
        if not query:
            return [gr.skip()] * (3 + len(self.columns))
        known = language == AUTOMATIC or any(language == one.code for one in LANGUAGES)
        return [query, language if known else AUTOMATIC, *self.search_text(query, language)]

    def _cut(self) -> int:
        """How many texts the encoders that count them have cut so far."""
        return sum(getattr(column.searcher.encoder, "truncated", 0) for column in self.columns)

    def _refused(self, error: UserError) -> list[Any]:
        return [_message(escape(str(error)), wrong=True), *[gr.skip()] * len(self.columns)]


def build_page(blocks: gr.Blocks, columns: Sequence[Column], clips_dir: Path) -> None:
    """Build the page inside an open tab of `blocks`; `clips_dir` is the folder that the app serves as clips."""
    page = SearchPage(columns, clips_dir)
    with gr.Row(equal_height=True):
        query, language, button = _query_fields()
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            query_message = gr.HTML(js_on_load=None, elem_id="query-message")
            examples = Examples()
        with gr.Column(scale=2, min_width=300):
            sound, sound_message = _sound_field()
    lists = _result_columns(columns)
    _wire_text(page, [query, language], query_message, sound_message, lists, [query.submit, button.click], examples)
    _wire_sound(page, [sound, language], query_message, sound_message, lists)
    language.input(
        page.change_language,
        [language, query, sound, sound_message],
        [query_message, sound_message, *lists],
        api_visibility="private",
        show_progress="hidden",
        **CALL,
    )
    blocks.load(page.restore, None, [query, language, query_message, *lists], api_visibility="private", show_progress="hidden", **CALL)


def _query_fields() -> tuple[gr.Textbox, gr.Dropdown, gr.Button]:
    query = gr.Textbox(
        label="Describe a sound, in any of eight languages",
        placeholder="a dog barks · un chien aboie · 犬が吠えている",
        max_lines=1,
        scale=4,
        min_width=280,
        elem_id="query",
    )
    choices = [("Detect automatically", AUTOMATIC), *((_capital(one.endonym), one.code) for one in LANGUAGES)]
    language = gr.Dropdown(choices, value=AUTOMATIC, label="Language", filterable=False, scale=2, min_width=180, elem_id="language")
    return query, language, gr.Button("Search", variant="primary", scale=1, min_width=120, elem_id="search")


def _sound_field() -> tuple[SoundField, gr.HTML]:
    sound = SoundField(
        sources=["microphone", "upload"],
        type="filepath",
        label="…or record or upload a sound",
        buttons=[],
        editable=False,
        elem_id="sound",
        waveform_options=gr.WaveformOptions(sample_rate=SAMPLE_RATE_HZ),
    )
    return sound, gr.HTML(js_on_load=None, elem_id="sound-message")


def _result_columns(columns: Sequence[Column]) -> list[ClipList]:
    lists = []
    with gr.Row():
        for number, column in enumerate(columns, 1):
            with gr.Column(min_width=300):
                head = f'<div class="column-head"><h2>{escape(column.title)}</h2><p>{escape(column.note)}</p></div>'
                gr.HTML(head, js_on_load=None)
                lists.append(ClipList(label=column.title, elem_id=f"results-{number}"))
    gr.HTML('<p class="subdued">Scores are cosine similarities, from −1 to 1, and compare within one list only.</p>', js_on_load=None)
    return lists


def _wire_text(
    page: SearchPage,
    fields: list[Any],
    message: gr.HTML,
    other_message: gr.HTML,
    lists: list[ClipList],
    triggers: list[Any],
    examples: Examples,
) -> None:
    settings = {"js": REMEMBER_IN_ADDRESS, "show_progress": "hidden", **CALL}
    searched = gr.on(
        triggers,
        page.search_text,
        fields,
        [message, *lists],
        api_name="search_text",
        api_description="The clips closest to a description, for each checkpoint. Language: `auto` or a FLORES-200 code.",
        **settings,
    )
    picked = examples.pick(_picked, None, fields, api_visibility="private", show_progress="hidden", queue=False)
    answered = picked.then(page.search_text, fields, [message, *lists], api_visibility="private", **settings)
    for event in (searched, answered):
        _clear(event, other_message)


def _wire_sound(page: SearchPage, fields: list[Any], other_message: gr.HTML, message: gr.HTML, lists: list[ClipList]) -> None:
    searched = fields[0].input(
        page.search_audio,
        fields,
        [message, *lists],
        api_name="search_audio",
        api_description="The clips and captions closest to a sound, for each checkpoint. Language: `auto` or a FLORES-200 code.",
        show_progress="minimal",
        **CALL,
    )
    _clear(searched, other_message)


def _clear(event: Any, message: gr.HTML) -> None:
    event.then(None, None, message, js="() => ''", api_visibility="private")


def _picked(event: gr.EventData) -> list[str]:
    return [str(event.query), AUTOMATIC]


def _text_note(code: str, detected: bool, cut: bool = False) -> str:
    end = " Only the beginning of your description was read: it is longer than the text encoder takes." if cut else ""
    if detected:
        return _message(f"Language detected: {_endonym(code)}. If that is wrong, choose yours above.{end}")
    return _message(f"Searched in {_endonym(code)}.{end}")


def _message(html: str, wrong: bool = False) -> str:
    """A message beside a field; announced at once when something is wrong."""
    return f'<p class="message {"is-error" if wrong else "is-note"}" role="{"alert" if wrong else "status"}">{html}</p>'


def _endonym(code: str) -> str:
    one = get_language(code)
    return f'<span lang="{one.tag}">{escape(_capital(one.endonym))}</span>'


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
