"""Plotly figures: pure functions of a tidy table (eval.dashboard.tables). No gradio, no torch."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from clap.languages import get_language
from eval.dashboard.tables import percent

FONT = "IBM Plex Sans"
STYLES = (("#94a3b8", "/"), ("#0f766e", ""), ("#d97706", "x"), ("#7c3aed", "."), ("#be123c", "\\"), ("#0369a1", "+"))
"""Colour and hatch of each checkpoint in turn: no checkpoint is told by colour alone."""
GRID = "rgba(128, 140, 158, 0.3)"
HEIGHT_PX = 340


def metric_figure(table: pd.DataFrame, metric: str, labels: Sequence[str]) -> go.Figure:
    """Grouped bars of one metric, in percent: a group per language, a bar per checkpoint with its interval, a chance line.

    `table` is a tidy table of one direction whose checkpoints are comparable; `labels` lists all checkpoints that a reader can
    choose, so that each keeps its colour and hatch whichever are shown.
    """
    rows = table[table["metric"] == metric]
    languages = list(dict.fromkeys(rows["language"]))
    figure = go.Figure()
    shown = set(rows["checkpoint"])
    for index, label in enumerate(labels):
        if label in shown:
            figure.add_trace(_bars(rows[rows["checkpoint"] == label], label, languages, *STYLES[index % len(STYLES)]))
    figure.add_trace(_chance_line(rows, languages))
    _lay_out(figure, metric, languages)
    return figure


def _bars(rows: pd.DataFrame, label: str, languages: list[str], colour: str, hatch: str) -> go.Bar:
    value, low, high = (100 * rows[column] for column in ("value", "low", "high"))
    text = [
        f"{get_language(row.language).name}<br>{label}: {percent(row.value)} % [{percent(row.low)}, {percent(row.high)}]"
        for row in rows.itertuples()
    ]
    return go.Bar(
        name=label,
        x=[languages.index(code) for code in rows["language"]],
        y=list(value),
        error_y={"array": list((high - value).clip(0)), "arrayminus": list((value - low).clip(0)), "thickness": 1.2, "width": 4},
        marker={"color": colour, "pattern": {"shape": hatch, "fgcolor": "#475569", "size": 7, "solidity": 0.25}},
        hovertext=text,
        hoverinfo="text",
    )


def _chance_line(rows: pd.DataFrame, languages: list[str]) -> go.Scatter:
    """A dashed line over the width of each language's group."""
    by_language = 100 * rows.groupby("language")["chance"].first()
    level = [float(by_language[code]) for code in languages]
    return go.Scatter(
        name="Chance",
        mode="lines",
        x=[edge for index in range(len(languages)) for edge in (index - 0.5, index + 0.5)],
        y=[value for value in level for _ in range(2)],
        line={"color": "#f43f5e", "width": 2, "dash": "dash"},
        hovertext=[f"Chance: {value:.1f} %" for value in level for _ in range(2)],
        hoverinfo="text",
    )


def _lay_out(figure: go.Figure, metric: str, languages: list[str]) -> None:
    names = [get_language(code).endonym for code in languages]
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "range": [-0.5, len(names) - 0.5]}
    axis = {"gridcolor": GRID, "zerolinecolor": GRID, "fixedrange": True}
    figure.update_layout(
        barmode="group",
        bargap=0.25,
        height=HEIGHT_PX,
        margin={"l": 56, "r": 12, "t": 44, "b": 40},
        font={"family": FONT, "size": 13},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        xaxis={**axis, **ticks, "showgrid": False, "zeroline": False},
        yaxis={**axis, "title": {"text": f"{metric} (%)"}, "rangemode": "tozero"},
    )
