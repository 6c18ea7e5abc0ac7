"""The Evaluate page: a gradio skin over the pure tables and figures. Reads JSON; starts with no torch."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
from gradio.components.plot import PlotData

from clap.languages import get_language
from eval import reference
from eval.dashboard import tables
from eval.dashboard.figures import metric_figure
from eval.qrels import DIRECTIONS, TEXT_TO_AUDIO

CSS = """
.eval-plot .js-plotly-plot text{fill:var(--body-text-color)!important;font-family:var(--font)!important}
.eval-plot .js-plotly-plot .hoverlayer text{fill:#fff!important}
.eval-plot .js-plotly-plot .errorbar path{stroke:var(--body-text-color)!important}
.eval-table{overflow-x:auto;background:var(--block-background-fill);border-radius:var(--radius-lg)}
.eval-table{border:1px solid var(--border-color-primary)}
.eval-table table{border-collapse:collapse;width:100%;margin:0;font-variant-numeric:tabular-nums}
.eval-table caption{text-align:left;padding:.6rem .75rem;color:var(--body-text-color-subdued)}
.eval-table :is(table,thead,tbody,tr){border:0!important;background:none}
.eval-table th,.eval-table td{padding:.45rem .75rem;text-align:right;white-space:nowrap}
.eval-table th,.eval-table td{border:0;border-top:1px solid var(--border-color-primary)}
.eval-table thead th{white-space:normal;vertical-align:bottom;font-weight:700}
.eval-table th:first-child{text-align:left;position:sticky;left:0;background:var(--block-background-fill)}
.eval-note{color:var(--body-text-color-subdued);overflow-wrap:anywhere}
.eval-refusal{padding:.75rem 1rem;border-left:4px solid #d97706;background:var(--background-fill-secondary)}
"""
"""Added to the app's own CSS."""

BOTH_METRICS = "Both"
PLOT_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["zoom2d", "pan2d", "select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"],
}
HELP = (
    "R@1 is the share of queries with a right answer in first place (the hit rate). mAP@10 averages the precision at each right answer "
    "in the top ten, over all right answers. Bars carry 95 % intervals: 1,000 bootstrap resamples of the clips, "
    "a clip's captions moving together. The downloads hold more metrics, as fractions."
)
OTHER_DATA = "From other clips, captions and pool sizes: to read beside the results above, not to compare with them."


@dataclass(frozen=True)
class Page:
    """The committed results and the handlers that show them."""

    results: tables.Results
    tidy: dict[str, pd.DataFrame]
    downloads: tempfile.TemporaryDirectory = field(repr=False)

    @classmethod
    def of_folder(cls, folder: Path) -> Page:
        """Read a folder of results and write the downloads of each data set."""
        results = tables.read_results(folder)
        page = cls(
            results, {name: tables.tidy(results.labelled(name)) for name in results.records}, tempfile.TemporaryDirectory(prefix="results-")
        )
        for name, table in page.tidy.items():
            table.to_csv(page.download(name, "csv"), index=False)
            table.to_json(page.download(name, "json"), orient="records", indent=1)
        return page

    def download(self, dataset: str, kind: str) -> str:
        """The path of the file that holds a data set's tidy table, as `csv` or `json`."""
        folder = Path(self.downloads.name) / str(list(self.results.records).index(dataset))
        folder.mkdir(exist_ok=True)
        return str(folder / f"{re.sub(r'[^a-zA-Z0-9_-]', '_', dataset)}-results.{kind}")

    def show(self, dataset: str, direction: str, metric: str, checkpoints: Sequence[str]) -> list[Any]:
        """Updates of the refusal, the figure of each metric, the sentence of what is compared, and the table."""
        labelled = self.results.labelled(dataset)
        records = {label: record for label, record in labelled.items() if label in checkpoints}
        table = tables.choose(self.tidy[dataset], direction, list(records))
        reason = tables.refusal(table) if records else "Choose at least one checkpoint."
        if reason:
            hidden = [gr.update(visible=False)] * (len(tables.SHOWN_METRICS) + 2)
            return [gr.update(value=_refusal(reason), visible=True), *hidden]
        metrics = [name for name in tables.SHOWN_METRICS if metric in (name, BOTH_METRICS)]
        name = f"{dataset}-{direction}"
        plots = [_plot(table, m, list(labelled), name) if m in metrics else gr.update(visible=False) for m in tables.SHOWN_METRICS]
        readable = tables.readable(records, self.tidy[dataset], direction, metrics)
        return [
            gr.update(visible=False),
            *plots,
            gr.update(value=_note(tables.what_is_compared(table)), visible=True),
            gr.update(value=_results_table(readable, direction), visible=True),
        ]

    def choose_dataset(self, dataset: str) -> list[Any]:
        """Updates of the checkpoints that can be chosen, and of the two downloads."""
        labels = list(self.results.labelled(dataset))
        files = [gr.update(value=self.download(dataset, kind)) for kind in ("csv", "json")]
        return [gr.update(choices=labels, value=labels), *files]

    def rows(self, dataset: str, direction: str) -> list[dict]:
        """The tidy rows of one data set and direction, for programs; an unknown name is answered with the known ones."""
        for value, known in ((dataset, tuple(self.tidy)), (direction, DIRECTIONS)):
            if value not in known:
                raise gr.Error(f"{value!r} is unknown here; choose one of {', '.join(known)}.", print_exception=False)
        table = self.tidy[dataset]
        return json.loads(table[table["direction"] == direction].to_json(orient="records"))


def _plot(table: pd.DataFrame, metric: str, labels: Sequence[str], name: str) -> dict:
    """An update of a gr.Plot with its download settings: gr.Plot takes a figure's configuration only inside PlotData."""
    figure = json.loads(metric_figure(table, metric, labels).to_json())
    file_name = f"{name}-{metric.replace('@', '')}"
    figure["config"] = {**PLOT_CONFIG, "toImageButtonOptions": {"format": "svg", "filename": file_name}}
    return gr.update(value=PlotData(type="plotly", plot=json.dumps(figure)), visible=True)


def _note(text: str) -> str:
    return f'<p class="eval-note">{escape(text)}</p>'


def _refusal(text: str) -> str:
    return f'<p class="eval-refusal" role="status">{escape(text)}</p>'


def _results_table(readable: pd.DataFrame, direction: str) -> str:
    caption = f"{tables.DIRECTION_NAMES[direction]}, in percent with 95 % intervals"
    head = ["Language", *readable.columns[1:]]
    rows = []
    for language, *cells in readable.itertuples(index=False):
        known = get_language(language)
        rows.append([f'<span lang="{known.tag}">{escape(known.endonym)}</span>', *map(escape, cells)])
    return _html_table(caption, head, rows)


def _paper_tables() -> str:
    source = reference.paper_tables()["source"]
    return "".join(
        _html_table(f"{title}: {source}", list(table.columns), [list(map(escape, row)) for row in table.itertuples(index=False)])
        for title, table in reference.published().items()
    )


def _html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A scrollable table; `rows` are HTML, the rest is text. The first column heads the rows."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for first, *cells in rows)
    table = f"<table><caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="eval-table" tabindex="0" role="region" aria-label="{escape(caption)}">{table}</div>'


def _no_results(folder: Path) -> str:
    out = f"{folder.parent.name}/{folder.name}/compact-baseline.gallery-test.json"
    command = f"python -m eval run --checkpoint compact-baseline --dataset gallery-test --out {out}"
    return f"<p>There are no results to show yet. Make some with <code>{escape(command)}</code> and start the app again.</p>"


def build_page(results_dir: Path) -> None:
    """Build the page inside an open gr.Blocks or gr.Tab from the results in a folder; a folder without any says how to make them."""
    page = Page.of_folder(results_dir)
    for problem in page.results.problems:
        gr.HTML(_refusal(problem), js_on_load=None)
    if page.tidy:
        _build_results(page)
    else:
        gr.HTML(_no_results(results_dir), js_on_load=None)
    with gr.Accordion("Published results of the paper, on other data", open=False):
        gr.HTML(_note(OTHER_DATA), js_on_load=None)
        gr.HTML(_paper_tables(), js_on_load=None)


def _build_results(page: Page) -> None:
    names = list(page.tidy)
    labels = list(page.results.labelled(names[0]))
    first = page.show(names[0], TEXT_TO_AUDIO, BOTH_METRICS, labels)
    with gr.Row():
        dataset = gr.Dropdown(names, value=names[0], label="Data set", min_width=200)
        direction = gr.Radio([(tables.DIRECTION_NAMES[d], d) for d in DIRECTIONS], value=TEXT_TO_AUDIO, label="Direction", min_width=260)
        metric = gr.Radio([BOTH_METRICS, *tables.SHOWN_METRICS], value=BOTH_METRICS, label="Metric", min_width=260)
    checkpoints = gr.CheckboxGroup(labels, value=labels, label="Checkpoints")
    refusal = gr.HTML(js_on_load=None, **_initial(first[0]))
    plots = [gr.Plot(show_label=False, elem_classes="eval-plot", **_initial(update)) for update in first[1:-2]]
    compared, table = (gr.HTML(js_on_load=None, **_initial(update)) for update in first[-2:])
    gr.HTML(_note(HELP), js_on_load=None)
    with gr.Row():
        files = [gr.DownloadButton(f"Download {kind.upper()}", page.download(names[0], kind), size="md") for kind in ("csv", "json")]
    chosen, shown = [dataset, direction, metric, checkpoints], [refusal, *plots, compared, table]
    switched = dataset.input(page.choose_dataset, dataset, [checkpoints, *files], api_visibility="private")
    switched.then(page.show, chosen, shown, api_visibility="private")
    gr.on([direction.input, metric.input, checkpoints.input], page.show, chosen, shown, api_visibility="private", show_progress="hidden")
    gr.api(page.rows, api_name="results", api_description="The committed results of a data set in one direction, as tidy rows.")


def _initial(update: dict) -> dict:
    """The constructor arguments of an update."""
    return {key: value for key, value in update.items() if key in ("value", "visible")}
