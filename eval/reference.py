"""The paper's published rows, as data to read beside our own results, never in one chart with them.

Source: Yan et al., "Bridging Language Gaps in Audio-Text Retrieval", Interspeech 2024, arXiv:2406.07012.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from clap.languages import get_language

PAPER_TABLES = Path(__file__).resolve().parents[1] / "assets" / "paper_tables.json"
_DATASETS = {"audiocaps": "AudioCaps", "clotho": "Clotho"}
_ROWS = {"baseline": "Baseline (English only)", "mixture": "Mixture LE"}


@lru_cache(maxsize=1)
def paper_tables() -> dict:
    """The published tables; figures are percentages, `source` says where they were printed."""
    return json.loads(PAPER_TABLES.read_text(encoding="utf-8"))


def language_enhancement() -> pd.DataFrame:
    """Table 2: one row per training variant, and per data set, direction and metric a column of percentages as text."""
    named = {_ROWS.get(name) or f"LE with {get_language(name).name}": figures for name, figures in _table("table_2").items()}
    return _frame("Trained with", named)


def published() -> dict[str, pd.DataFrame]:
    """Every row of Tables 1 to 4, by the title of its table; a figure that the paper does not print is an empty text."""
    compared = {f"{row['model']}, {row['training']}": row for row in _table("table_3")}
    ratios = {f"{float(ratio):.0%}".replace("%", " %"): figures for ratio, figures in _table("table_4").items()}
    return {
        "Table 1, audio encoders": _frame("Audio encoder", _table("table_1")),
        "Table 2, language enhancement": language_enhancement(),
        "Table 3, English, with other systems": _frame("Model", compared),
        "Table 4, mixing ratio": _frame("Mixing ratio", ratios),
    }


def _table(prefix: str) -> Any:
    return next(value for key, value in paper_tables().items() if key.startswith(prefix))


def _frame(head: str, rows: Mapping[str, Mapping]) -> pd.DataFrame:
    return pd.DataFrame([{head: name, **_figures(figures)} for name, figures in rows.items()])


def _figures(figures: Mapping) -> dict[str, str]:
    row = {}
    for dataset, title in _DATASETS.items():
        for direction, arrow in (("text_to_audio", "text → audio"), ("audio_to_text", "audio → text")):
            for metric, value in figures[dataset][direction].items():
                row[f"{title}, {arrow}, {metric}"] = "" if value is None else f"{value:.1f}"
    return row
