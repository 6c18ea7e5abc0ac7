"""The dashboard: tables, refusals, figures that show the table's numbers, and a page without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eval import reference
from eval.dashboard import tables
from eval.dashboard.figures import metric_figure
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO
from eval.results import save

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pair(toy):
    """Two comparable records: one checkpoint mistakes three clips of twelve in English."""
    return {"good": toy.run(toy.Encoder("good")), "weak": toy.run(toy.Encoder("weak", wrong=(1, 2, 3)))}


def test_tidy_table_holds_value_interval_and_chance(pair):
    table = tables.tidy(pair)
    assert len(table) == 2 * 2 * 2 * 8
    row = table.query("checkpoint == 'weak' and language == 'eng_Latn' and direction == 'text_to_audio' and metric == 'R@1'").iloc[0]
    assert row.value == 0.75 and 0.4 <= row.low < 0.75 < row.high <= 1.0
    assert row.chance == pytest.approx(1 / 12)
    assert list(dict.fromkeys(table["language"])) == ["eng_Latn", "jpn_Jpan"]


def test_bootstrap_moves_the_captions_of_a_clip_together():
    rng = np.random.default_rng(0)
    by_clip = (rng.random(100) < 0.5).astype(float)
    clips = [f"c{n:03d}" for n in range(100)]
    alone = tables.bootstrap(by_clip, clips)
    five_times = tables.bootstrap(np.repeat(by_clip, 5), np.repeat(clips, 5))
    assert five_times == pytest.approx(alone)
    assert alone[1] - alone[0] == pytest.approx(2 * 1.96 * 0.05, abs=0.03)
    order = rng.permutation(100)
    assert tables.bootstrap(by_clip[order], [clips[i] for i in order]) == pytest.approx(alone)


def test_difference_is_paired_by_query(pair):
    mean, low, high = tables.difference(pair["weak"], pair["good"], "eng_Latn", TEXT_TO_AUDIO, "R@1")
    assert mean == 0.25 and 0 <= low < 0.25 < high <= 0.6
    same = tables.difference(pair["good"], pair["good"], "jpn_Jpan", AUDIO_TO_TEXT, "mAP@10")
    assert same == (0.0, 0.0, 0.0)


def test_other_pools_are_refused_with_the_reason(toy, pair):
    other = {**pair, "small": toy.run(toy.Encoder("small"), toy.dataset(10))}
    table = tables.choose(tables.tidy(other), TEXT_TO_AUDIO, list(other))
    reason = tables.refusal(table)
    assert "different pool sizes" in reason and "small: 10" in reason and "good: 12" in reason
    assert tables.refusal(tables.choose(table, TEXT_TO_AUDIO, ["good", "weak"])) is None


def test_other_ground_truth_of_one_size_is_refused(toy, pair):
    dataset = toy.dataset()
    first, *rest = dataset.captions
    renamed = replace(dataset, captions=(replace(first, id="renamed"), *rest))
    table = tables.tidy({**pair, "renamed": toy.run(dataset=renamed)})
    assert "different ground truths (qrels)" in tables.refusal(tables.choose(table, TEXT_TO_AUDIO, ["good", "renamed"]))


def test_figure_has_the_very_numbers_of_the_table(pair):
    table = tables.choose(tables.tidy(pair), AUDIO_TO_TEXT, list(pair))
    for metric in tables.SHOWN_METRICS:
        figure = metric_figure(table, metric, list(pair))
        assert [trace.name for trace in figure.data] == ["good", "weak", "Chance"]
        for trace in figure.data[:2]:
            rows = table[(table["metric"] == metric) & (table["checkpoint"] == trace.name)]
            assert [figure.layout.xaxis.ticktext[x] for x in trace.x] == ["English", "日本語"]
            np.testing.assert_allclose(trace.y, 100 * rows["value"])
            np.testing.assert_allclose(np.add(trace.y, trace.error_y.array), 100 * rows["high"])
            np.testing.assert_allclose(np.subtract(trace.y, trace.error_y.arrayminus), 100 * rows["low"], atol=1e-9)
        assert figure.data[2].y[0] == pytest.approx(100 * rows["chance"].iloc[0])
        assert figure.data[0].marker.pattern.shape != figure.data[1].marker.pattern.shape


def test_a_checkpoint_keeps_its_colour_when_others_are_hidden(pair):
    table = tables.tidy(pair)
    both = metric_figure(tables.choose(table, TEXT_TO_AUDIO, ["good", "weak"]), "R@1", list(pair))
    alone = metric_figure(tables.choose(table, TEXT_TO_AUDIO, ["weak"]), "R@1", list(pair))
    assert alone.data[0].name == "weak" and alone.data[0].marker == both.data[1].marker


def test_readable_table_says_what_the_chart_shows(pair):
    text = tables.readable(pair, tables.tidy(pair), TEXT_TO_AUDIO, ["R@1"]).iloc[0]
    assert text["R@1 good"] == "100.0 [100.0, 100.0]"
    assert text["R@1 weak"].startswith("75.0 [") and text["R@1 difference"].startswith("−25.0 [−")
    assert text["R@1 chance"] == "8.3"


def test_a_language_that_one_checkpoint_lacks_is_a_dash(toy, pair):
    records = {"good": pair["good"], "english": toy.run(languages=("eng_Latn",))}
    text = tables.readable(records, tables.tidy(records), TEXT_TO_AUDIO, ["R@1"]).iloc[1]
    assert (text["R@1 english"], text["R@1 difference"]) == ("–", "–")


def test_sentence_names_what_is_compared(pair):
    text = tables.what_is_compared(tables.choose(tables.tidy(pair), TEXT_TO_AUDIO, list(pair)))
    ranking = "24 captions per language, each ranking 12 clips"
    for part in ("good (weights good-weights)", "toy (test split)", ranking, "human", "qrels English"):
        assert part in text


def test_folder_is_read_with_its_problems(pair, tmp_path):
    save(pair["good"], tmp_path / "a.json")
    save(replace(pair["good"], created="2020-01-01T00:00:00Z"), tmp_path / "b.json")
    save(replace(pair["good"], fingerprint="other-weights"), tmp_path / "c.json")
    (tmp_path / "d.json").write_text("[]")
    results = tables.read_results(tmp_path)
    assert list(results.labelled("toy")) == ["good (good-wei)", "good (other-we)"]
    assert all(record.created > "2021" for record in results.records["toy"])
    assert len(results.problems) == 2 and any("'d.json'" in problem for problem in results.problems)


def test_paper_rows():
    table = reference.language_enhancement().set_index("Trained with")
    assert len(table) == 9
    assert table.loc["LE with French", "Clotho, text → audio, R@1"] == "19.8"
    assert table.loc["Mixture LE", "AudioCaps, audio → text, mAP@10"] == "39.6"


@pytest.fixture
def page(pair, tmp_path):
    from eval.dashboard.page import Page

    for label, record in pair.items():
        save(record, tmp_path / f"{label}.json")
    return Page.of_folder(tmp_path)


def test_page_shows_both_metrics_or_one(page):
    from eval.dashboard.page import BOTH_METRICS

    refusal, first, second, compared, table = page.show("toy", TEXT_TO_AUDIO, BOTH_METRICS, ["good", "weak"])
    assert (refusal["visible"], first["visible"], second["visible"]) == (False, True, True)
    drawn = json.loads(first["value"].plot)
    assert drawn["config"]["toImageButtonOptions"]["filename"] == "toy-text_to_audio-R1"
    assert "24 captions" in compared["value"] and '<span lang="ja">日本語</span>' in table["value"]
    assert [update["visible"] for update in page.show("toy", TEXT_TO_AUDIO, "mAP@10", ["good"])[1:3]] == [False, True]


def test_page_refuses_instead_of_drawing(page):
    updates = page.show("toy", TEXT_TO_AUDIO, "R@1", [])
    assert "Choose at least one checkpoint" in updates[0]["value"]
    assert not any(update["visible"] for update in updates[1:])


def test_downloads_hold_the_tidy_table(page):
    import pandas as pd

    rows = pd.read_csv(page.download("toy", "csv"))
    pd.testing.assert_series_equal(rows["value"], page.tidy["toy"]["value"])
    assert len(json.loads(Path(page.download("toy", "json")).read_text())) == len(rows)
    assert len(page.rows("toy", AUDIO_TO_TEXT)) == len(rows) // 2


WITHOUT_TORCH = """
import sys
from pathlib import Path
sys.modules["torch"] = None
import gradio as gr
from eval.dashboard.page import build_page
with gr.Blocks(analytics_enabled=False) as demo:
    with gr.Tab("Evaluate"):
        build_page(Path(sys.argv[1]))
print([block.value for block in demo.blocks.values() if isinstance(block, gr.HTML)])
"""


def _build(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_page_builds_without_torch_and_with_results(pair, tmp_path):
    for label, record in pair.items():
        save(record, tmp_path / f"{label}.json")
    assert "24 captions per language" in _build(tmp_path)


def test_page_without_results_says_how_to_make_them(tmp_path):
    assert "python -m eval run --checkpoint compact-baseline" in _build(tmp_path / "assets" / "results")


def test_every_published_row_stands_in_a_table():
    tables = reference.published()
    assert [len(table) for table in tables.values()] == [2, 9, 19, 5]
    third = tables["Table 3, English, with other systems"].set_index("Model")
    assert third.loc["CED+SONAR + mixture LE, fine-tuning", "AudioCaps, audio → text, R@1"] == "60.7"
    assert third.loc["HTSAT-22+GPT2, pretraining", "Clotho, text → audio, R@5"] == ""
    assert tables["Table 4, mixing ratio"].set_index("Mixing ratio").loc["30 %", "AudioCaps, text → audio, mAP@10"] == "57.8"
