"""The study of a fake encoder that knows English only, and the file it is kept in."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from clap.errors import UserError
from eval.across_languages import load_study, parallel_captions, save_study, study
from eval.consistency import rank_biased_overlap
from eval.embeddings import Embedder

EVENTS = [({"class": name, "start_s": 0.0},) for name in ("dog", "rain", "cat")]


def embedder(toy):
    return Embedder(toy.Encoder(), toy.load)


@pytest.fixture
def found(toy):
    return study(embedder(toy), toy.dataset(), toy.passed)


def test_languages_are_compared(found):
    assert found.languages == ("eng_Latn", "jpn_Jpan")
    assert (found.pool_size, found.queries) == (12, 24)
    english, japanese = np.transpose(list(found.clips.values()))
    assert set(english) == {1.0} and japanese.max() > 1
    ranks_apart = found.rank_variance
    assert 0 < ranks_apart < 11**2 / 4 + 1e-9
    assert found.overlap[0][0] == 1 and 0 < found.overlap_mean == found.overlap[0][1] < 1
    assert found.gap[0] == [0, found.gap_mean] and found.gap_mean > 0


def test_a_wrong_tag_costs_what_the_encoder_loses(found):
    """Read as Japanese, English captions all say the same; read as English, Japanese ones are as good as English."""
    rows = np.array(found.tags["R@1"])
    assert rows[0][0] == rows[1][0] == 1
    assert rows[0][1] < 0.5 and rows[1][1] < 0.5
    assert np.array(found.tags["mAP@10"]).shape == (2, 2)


def test_styles_where_sounds_are_told(toy):
    """Clips n and n + 3 hold the same sound and so share a keyword query."""
    dataset = toy.dataset()
    dataset = replace(dataset, clips=tuple(replace(clip, events=EVENTS[n % 3]) for n, clip in enumerate(dataset.clips)))

    class Reader(toy.Encoder):
        def embed_text(self, captions, language):
            names = {"dog": 0, "rain": 1, "cat": 2}
            return super().embed_text([f"x {names[c]}" if c in names else c.strip("?") for c in captions], language)

    grid = study(Embedder(Reader(), toy.load), dataset).styles
    assert list(grid) == ["keyword", "sentence", "question", "paraphrase"]
    assert grid["keyword"]["eng_Latn"]["queries"] == 3 and grid["keyword"]["eng_Latn"]["R@1"] == 1
    assert grid["keyword"]["eng_Latn"]["mAP@10"] < 1
    for style in ("sentence", "question", "paraphrase"):
        cell = grid[style]["eng_Latn"]
        assert (cell["queries"], cell["R@1"], cell["mAP@10"]) == (12, 1, 1)


def test_the_order_of_captions_changes_nothing(toy, found):
    dataset = toy.dataset()
    turned = study(embedder(toy), replace(dataset, clips=dataset.clips[::-1], captions=dataset.captions[::-1]), toy.passed)
    assert replace(turned, created=found.created) == found


def test_captions_that_are_not_parallel_are_refused(toy):
    dataset = toy.dataset()
    with pytest.raises(UserError, match="'c11' has not the same number of captions in English and Japanese"):
        parallel_captions(replace(dataset, captions=dataset.captions[:-1]), ("eng_Latn", "jpn_Jpan"))
    with pytest.raises(UserError, match="has captions in 1"):
        study(embedder(toy), toy.dataset(languages=("eng_Latn",)))


CHANGES = {
    "schema_version must be 1": lambda rows: rows.update(schema_version=0),
    "its keys must be": lambda rows: rows.pop("gap"),
    "languages must be two or more of": lambda rows: rows.update(languages=["eng_Latn"]),
    "tags must be of type dict": lambda rows: rows.update(tags=[]),
    "overlap must have a row for each of the 2": lambda rows: rows["overlap"].pop(),
    r"tags.R@1\[1\] must have a number for each": lambda rows: rows["tags"]["R@1"][1].pop(),
    r"gap\[0\] must be a finite number, got nan": lambda rows: rows["gap"][0].__setitem__(1, float("nan")),
    "rank_variance must be a finite number": lambda rows: rows.update(rank_variance="much"),
    "styles.keyword.eng_Latn.R@1 must be": lambda rows: rows.update(styles={"keyword": {}}),
    "clips.c00 must have a number": lambda rows: rows["clips"].update(c00=[1]),
}


def test_round_trip(found, tmp_path):
    save_study(found, tmp_path / "study.json")
    assert load_study(tmp_path / "study.json") == found


@pytest.mark.parametrize("sentence", CHANGES)
def test_what_is_refused(found, tmp_path, sentence):
    path = tmp_path / "study.json"
    save_study(found, path)
    rows = json.loads(path.read_text())
    CHANGES[sentence](rows)
    path.write_text(json.dumps(rows))
    with pytest.raises(UserError, match=f"Study 'study.json': {sentence}"):
        load_study(path)


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UserError, match="'bad.json' cannot be read"):
        load_study(tmp_path / "bad.json")


def test_overlap_agrees_with_its_definition(found):
    """The same sum, written out depth by depth, for two random rankings of twelve clips."""
    rng = np.random.default_rng(0)
    first, second = (np.argsort(rng.random(12)) + 1 for _ in range(2))
    lists = [list(np.argsort(ranks)) for ranks in (first, second)]
    shares = [len(set(lists[0][:depth]) & set(lists[1][:depth])) / depth for depth in range(1, 13)]
    by_definition = 0.1 * sum(0.9 ** (depth - 1) * share for depth, share in enumerate(shares, 1)) + 0.9**12
    assert rank_biased_overlap(first, second) == pytest.approx(by_definition)
