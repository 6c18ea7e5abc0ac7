"""The paper's published rows, as data to read beside our own results, never in one chart with them.

Source: Yan et al., "Bridging Language Gaps in Audio-Text Retrieval", Interspeech 2024, arXiv:2406.07012.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

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
    return pd.DataFrame([_row(name, figures) for name, figures in paper_tables()["table_2_language_enhancement"].items()])


def _row(name: str, figures: dict) -> dict[str, str]:
    row = {"Trained with": _ROWS.get(name) or f"LE with {get_language(name).name}"}
    for dataset, title in _DATASETS.items():
        for direction, arrow in (("text_to_audio", "text → audio"), ("audio_to_text", "audio → text")):
            for metric, value in figures[dataset][direction].items():
                row[f"{title}, {arrow}, {metric}"] = f"{value:.1f}"
    return row
