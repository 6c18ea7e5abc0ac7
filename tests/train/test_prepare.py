from pathlib import Path

import numpy as np
import pytest
import torch

from clap.data.lexicon import load_lexicon
from clap.data.records import Caption, Clip
from clap.train.prepare import (
    Recording,
    data_hash,
    english_captions,
    heard_in_training,
    mixture,
    mixtures,
    ordered_classes,
    relation_of,
    told,
    trimmed,
)


def clip(*events):
    rows = tuple({"class": name, "start_s": start, "end_s": end, "background": back} for name, start, end, back in events)
    return Clip("c", Path("c.flac"), "pool", 8.0, "CC0-1.0", events=rows)


@pytest.mark.parametrize(
    ("events", "relation"),
    [
        ([("dog", 0, 1, False)], "single"),
        ([("dog", 0, 1, False), ("rain", 2, 4, False)], "sequence"),
        ([("dog", 0, 3, False), ("rain", 0.5, 3, False)], "simultaneous"),
        ([("rain", 0, 8, True), ("dog", 2, 3, False)], "background"),
        ([("dog", 0, 1, False), ("rain", 2, 3, False), ("cat", 4, 5, False)], "three"),
    ],
)
def test_relations_by_the_times_of_the_events(events, relation):
    assert relation_of(clip(*events)) == relation


def test_backgrounds_come_last_and_events_by_start():
    assert ordered_classes(clip(("rain", 0, 8, True), ("cat", 4, 5, False), ("dog", 1, 2, False))) == ("dog", "cat", "rain")


def test_quiet_ends_are_cut():
    wave = np.zeros(32_000, np.float32)
    wave[8000:16_000] = 0.5
    assert len(trimmed(wave)) == 8000
    assert len(trimmed(np.zeros(100, np.float32))) == 100


def test_mixtures_in_turn_and_at_once():
    one, two = np.full(16_000, 0.5, np.float32), np.full(32_000, 0.25, np.float32)
    assert len(mixture(one, two, "sequence")) == 52_000
    both = mixture(one, two, "simultaneous")
    assert len(both) == 32_000 and both[0] == 0.75 and both[-1] == 0.25


def test_mixtures_join_two_classes_and_follow_the_seed():
    real = [
        Recording(str(n), (name,), "single", lambda: np.ones(16_000, np.float32)) for n, name in enumerate(["dog", "dog", "rain", "cat"])
    ]
    made, again = (list(mixtures(real, 20, seed=1)) for _ in range(2))
    assert [item.classes for item in made] == [item.classes for item in again]
    assert all(len(set(item.classes)) == 2 for item in made) and {item.relation for item in made} == {"sequence", "simultaneous"}
    assert all(len(item.waveform()) >= 16_000 for item in made)


def test_captions_speak_of_the_recording():
    recording = Recording("r", ("church_bells", "dog"), "sequence", lambda: np.zeros(1))
    captions = english_captions(recording, load_lexicon(), np.random.default_rng(0))
    assert len({caption.id for caption in captions}) == 5 and {caption.clip for caption in captions} == {"r"}
    entries = load_lexicon().classes["eng_Latn"]["dog"]
    assert all(any(text in caption.text for text in entries["clauses"] + entries["phrases"]) for caption in captions)


def test_two_events_over_a_background_are_told_as_what_they_are():
    recording = Recording("r", ("door_wood_knock", "piano", "train"), "background", lambda: np.zeros(1))
    rng = np.random.default_rng(0)
    seen = {(relation, *classes) for relation, classes in (told(recording, rng) for _ in range(60))}
    assert seen == {
        ("background", "door_wood_knock", "train"),
        ("background", "piano", "train"),
        ("sequence", "door_wood_knock", "piano"),
    }


def test_events_after_the_part_that_is_trained_on_are_not_told():
    late = clip(("dog", 0, 1, False), ("rain", 9.9, 11.5, False))
    assert ordered_classes(heard_in_training(late)) == ("dog",)


def test_the_datas_hash_sees_sound_and_words():
    captions = [Caption("a", "c", "eng_Latn", "rain", "machine")]
    first = data_hash({"c": torch.zeros(64, 3)}, captions)
    assert first == data_hash({"c": torch.zeros(64, 3)}, captions) and len(first) == 64
    assert first != data_hash({"c": torch.ones(64, 3)}, captions)
    assert first != data_hash({"c": torch.zeros(64, 3)}, [*captions, Caption("b", "c", "fra_Latn", "pluie", "machine")])
