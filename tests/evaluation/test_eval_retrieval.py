"""A whole evaluation of a fake encoder whose scores are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clap.errors import UserError
from eval.metrics import chance
from eval.qrels import AUDIO_TO_TEXT, TEXT_TO_AUDIO


def by_key(record):
    return {(result.language, result.direction): result for result in record.results}


def test_known_scores(toy):
    record = toy.run(toy.Encoder(wrong=(3, 7, 8)))
    result = by_key(record)["eng_Latn", TEXT_TO_AUDIO]
    assert (result.pool_size, result.queries, result.provenance) == (12, 24, ("human",))
    assert result.metrics["R@1"] == pytest.approx(9 / 12)
    assert result.ranks["c00-eng-0"] == [1]
    back = by_key(record)["eng_Latn", AUDIO_TO_TEXT]
    assert (back.pool_size, back.queries) == (24, 12)
    assert sorted(back.ranks["c00"]) == [1, 2]
    assert (record.dataset, record.split, record.fingerprint) == ("toy", "test", "fake-weights")


def test_indifferent_captions_are_near_chance(toy):
    record = toy.run(toy.Encoder(dim=200), toy.dataset(200))
    result = by_key(record)["jpn_Jpan", TEXT_TO_AUDIO]
    for metric in ("R@10", "R@50", "mAP@10"):
        assert result.metrics[metric] == pytest.approx(chance(metric, 200, 1), abs=0.05)


def test_order_of_clips_and_captions_changes_nothing(toy):
    dataset, rng = toy.dataset(), np.random.default_rng(1)
    shuffled = replace(
        dataset,
        clips=tuple(dataset.clips[i] for i in rng.permutation(len(dataset.clips))),
        captions=tuple(dataset.captions[i] for i in rng.permutation(len(dataset.captions))),
    )
    assert toy.run(dataset=shuffled).results == toy.run(dataset=dataset).results


def test_each_clip_is_embedded_once_for_all_languages(toy):
    encoder = toy.Encoder()
    toy.run(encoder)
    assert encoder.audio_calls == 12


def test_missing_data_is_an_error_and_not_a_shift(toy):
    dataset = toy.dataset()
    without = replace(dataset, captions=tuple(c for c in dataset.captions if (c.clip, c.language) != ("c05", "jpn_Jpan")))
    with pytest.raises(UserError, match="in Japanese: 1 clips of the pool have no caption, such as c05"):
        toy.run(dataset=without)
    with pytest.raises(UserError, match="no captions in French; it has eng_Latn, jpn_Jpan"):
        toy.run(languages=("fra_Latn",))
    blank = replace(dataset, captions=(replace(dataset.captions[0], text=" "), *dataset.captions[1:]))
    with pytest.raises(UserError, match="empty captions in English, such as 'c00-eng-0'"):
        toy.run(dataset=blank)


def test_a_broken_encoder_is_an_error(toy):
    class Broken(toy.Encoder):
        def embed_audio(self, waveforms):
            return super().embed_audio(waveforms) * np.float32("nan")

    with pytest.raises(UserError, match="not finite and of unit norm"):
        toy.run(Broken())
