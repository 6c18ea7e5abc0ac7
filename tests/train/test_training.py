"""The recipe: what is learned, what chooses among epochs, and settings by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from clap.config import CedConfig, ClapConfig
from clap.data.records import Caption, Dataset
from clap.errors import UserError
from clap.languages import ENGLISH, ENHANCED_CODES
from clap.model.clap import Clap
from clap.train import ced as ced_training
from clap.train.augment import augment_logmel, mix
from clap.train.distributed import engine
from clap.train.fit import contrast, fit, tokens
from clap.train.hearing import Spectrograms
from clap.train.presets import MIXES, TRAININGS, ClapTraining, fine_tuning, paper_training
from clap.train.source import PairSource, Share, clip_key, cut
from clap.train.validation import map10, validation_on
from clap.weights import load_weights

TINY_CED = CedConfig(embed_dim=48, depth=2, num_heads=3, outputdim=2)


def tone_logmel(band, frames=96):
    """A spectrogram with one loud band: what a clip of one pitch looks like."""
    out = torch.full((64, frames), -60.0) + torch.rand(64, frames)
    out[band : band + 20] = -10
    return out


def captions_of(clips):
    """Two English captions and a French one of each clip."""
    english = [
        Caption(f"{clip}-{n}", clip, ENGLISH, f"a {clip} tone" if n else f"the {clip} one", "machine") for clip in clips for n in (0, 1)
    ]
    return [*english, *(Caption(f"{clip}-fr", clip, ENHANCED_CODES[0], f"un son {clip}", "machine") for clip in clips)]


@pytest.fixture
def source():
    bands = {"low": 0, "high": 44, "middle": 22}
    return PairSource({clip: tone_logmel(band) for clip, band in bands.items()}, captions_of(bands))


def quick(model):
    """The model with a batch norm that settles within a short test."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.5
    return model


def test_training_lowers_the_loss_and_finds_the_pairs(tiny, tokenizer, source, tmp_path):
    torch.manual_seed(0)
    model = quick(Clap(tiny))
    fit(model, tokenizer, source, ClapTraining(1.0, 60, 6, 2e-3, 1e-3), tmp_path, None, engine("cpu"))
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.6 * losses[0]
    with torch.inference_mode():
        audio = model.eval().encode_spectrogram(torch.stack(list(source.audio.values())))
        ids, _ = model.tokenize(tokenizer, [f"a {clip} tone" for clip in source.audio], ENGLISH)
        assert (model.encode_tokens(ids) @ audio.T).argmax(dim=1).tolist() == [0, 1, 2]
    state, config = load_weights(tmp_path / "model.safetensors", ClapConfig)
    assert config == tiny and set(state) == set(model.state_dict())


def test_the_weights_of_the_best_epoch_are_kept(tiny, tokenizer, source, tmp_path):
    scores, seen = iter([0.2, 0.9, 0.5]), []

    def validate(model):
        assert not model.training
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        return {"score": next(scores)}

    fit(Clap(tiny), tokenizer, source, ClapTraining(epochs=3, batch=3), tmp_path, validate, engine("cpu"))
    state, _ = load_weights(tmp_path / "model.safetensors", ClapConfig)
    key = "audio_proj.2.bias"  # a vector is stored as it is
    assert torch.equal(state[key], seen[1][key]) and not torch.equal(state[key], seen[2][key])


def test_captions_without_audio_are_told():
    with pytest.raises(UserError, match="high"):
        PairSource({"low": tone_logmel(0), "middle": tone_logmel(22)}, captions_of(["low", "high", "middle"]))


def test_groups_of_similar_length_come_padded_to_their_longest(tiny, source):
    hearing = Spectrograms(Clap(tiny).audio_encoder.model)
    audio = {"long": tone_logmel(0, 96), "short": tone_logmel(0, 40), "middling": tone_logmel(0, 48)}
    plan = ClapTraining(batch=3, group=2)
    (batch,) = PairSource(audio, captions_of(audio)).batches(plan, hearing, 0, 0, Share())
    assert batch.clips == ("short", "middling", "long") and [group.shape for group in batch.groups] == [(2, 64, 48), (1, 64, 96)]
    assert (batch.groups[0][0, :, 40:] == -100).all()


def test_the_parts_of_all_ranks_are_the_batch(tiny, source):
    """Whatever the number of ranks, each clip is disturbed in the same way and padded to the same length."""
    hearing, plan = Spectrograms(Clap(tiny).audio_encoder.model), ClapTraining(ratio=1.0, batch=6, group=2)
    (whole,) = source.batches(plan, hearing, 0, 0, Share())
    parts = [next(source.batches(plan, hearing, 0, 0, Share(rank, 2))) for rank in range(2)]
    audio = [
        {clip: row for part in some for clip, row in zip(part.clips, [row for group in part.groups for row in group], strict=True)}
        for some in ([whole], parts)
    ]
    assert audio[0].keys() == audio[1].keys() and all(torch.equal(row, audio[1][clip]) for clip, row in audio[0].items())
    assert sorted(pair.text for part in parts for pair in part.pairs) == sorted(pair.text for pair in whole.pairs)
    assert len({len(part.groups) for part in (whole, *parts)}) == 1


def test_reading_processes_prepare_the_same_batches(tiny, source):
    hearing, plan = Spectrograms(Clap(tiny).audio_encoder.model), ClapTraining(batch=2)
    here, there = (list(source.batches(plan, hearing, 3, 0, Share(workers=workers))) for workers in (0, 1))
    assert [batch.pairs for batch in here] == [batch.pairs for batch in there]
    assert all(torch.equal(one, other) for a, b in zip(here, there, strict=True) for one, other in zip(a.groups, b.groups, strict=True))


def test_a_pair_left_alone_joins_the_batch_before():
    assert [len(batch) for batch in cut(range(9), 4)] == [4, 5]
    assert [len(batch) for batch in cut(range(10), 4)] == [4, 4, 2] and [len(batch) for batch in cut(range(4), 4)] == [4]


def test_captions_of_one_clip_are_not_negatives_of_one_another():
    """Two clips on the axes, two texts of the first: perfect at a low temperature, but for the shared target."""
    axes = torch.eye(2)
    keys = torch.tensor([clip_key("a"), clip_key("b")])
    loss = contrast(axes, keys, axes[[0, 1, 0]], keys[[0, 1, 0]], torch.tensor(0.01))
    assert loss.item() == pytest.approx(2 / 3 * np.log(2), abs=1e-4)
    assert clip_key("a") == clip_key("a") != clip_key("b")


def test_tokens_keep_the_order_of_the_pairs(tiny, tokenizer, source):
    model = Clap(tiny)
    pairs = next(source.batches(ClapTraining(ratio=1.0), Spectrograms(model.audio_encoder.model), 0, 0, Share())).pairs
    alone = [model.tokenize(tokenizer, [pair.text], pair.language)[0][0].tolist() for pair in pairs]
    assert [ids.tolist() for ids in tokens(model, tokenizer, pairs)] == alone and len({pair.language for pair in pairs}) == 2


def test_map10_by_hand():
    """Relevant clips at ranks 1, 4 and 12; then a tie, which counts against the model."""
    scores = -torch.arange(12.0).repeat(3, 1)
    assert map10(scores, torch.tensor([0, 3, 11])) == pytest.approx((1 + 1 / 4 + 0) / 3)
    assert map10(torch.zeros(1, 4), torch.tensor([2])) == pytest.approx(1 / 4)


def test_validation_judges_every_language_there_is_and_scores_by_those_trained_on(tiny, tokenizer, tone_world):
    clips = tone_world.dataset.clips[:4]
    captions = tuple(
        c for c in tone_world.dataset.captions if c.clip in {clip.id for clip in clips} and c.language in (ENGLISH, "fra_Latn")
    )
    waveforms = [torch.from_numpy(tone_world.tone(440 + 10 * n)) for n in range(4)]
    figures = validation_on(Dataset("held", clips, captions), tokenizer, waveforms, (ENGLISH,))(Clap(tiny).eval())
    assert set(figures) == {ENGLISH, "fra_Latn", "score"} and figures["score"] == figures[ENGLISH]
    with pytest.raises(UserError, match="deu_Latn"):
        validation_on(Dataset("held", clips, captions), tokenizer, waveforms, ("deu_Latn",))


def test_the_papers_settings():
    plan = paper_training()
    assert (plan.epochs, plan.batch, plan.learning_rate, plan.tower_rate, plan.warmup) == (20, 128, 5e-5, 5e-5, 0.0)
    assert fine_tuning(plan).learning_rate == fine_tuning(plan).tower_rate == pytest.approx(5e-6)
    assert TRAININGS["paper"][1] == "ml-clap" and MIXES["large"][0] == ("audiocaps-train", "clotho-development", "wavcaps")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"ratio": 1.7}, "between 0 and 1"),
        ({"batch": 1}, "at least two pairs"),
        ({"epochs": 0}, "one epoch"),
        ({"mode": "klingon"}, "klingon"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, told):
    with pytest.raises(UserError, match=told):
        replace(ClapTraining(), **wrong)


def test_one_clip_alone_is_refused():
    with pytest.raises(UserError, match="at least two"):
        PairSource({"low": tone_logmel(0)}, captions_of(["low"]))


def test_tagger_learns_two_classes(tmp_path):
    torch.manual_seed(0)
    logmels = [tone_logmel(band, 120).half() for band in (0, 44)] * 16
    data = ced_training.Tagged(logmels, torch.eye(2).repeat(16, 1))
    plan = ced_training.CedTraining(epochs=6, batch=8, pool_share=0.0)
    ced_training.fit(quick(ced_training.Ced(TINY_CED)), data, 32, data, plan, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["validation_accuracy"] == 1.0 and rows[-1]["loss"] < rows[0]["loss"]


def test_augmentation_keeps_the_shape_and_changes_the_values():
    logmel, rng = tone_logmel(8, 300), np.random.default_rng(0)
    made = augment_logmel(logmel, rng, 200)
    assert made.shape == (64, 200) and not torch.equal(made, logmel[:, :200])
    assert torch.allclose(mix(logmel, logmel - 5, 10.0), logmel + 5, atol=1e-4)


def test_epochs_take_their_share_of_the_pool():
    rows = ced_training.epoch_rows(300, 1000, 0.25, np.random.default_rng(0))
    assert len(rows) == 400 and set(range(300)) <= set(rows.tolist()) and len(set(rows.tolist())) == 400
