"""Shards: what is packed comes back, each sample once over workers and nodes, and damage is told in a sentence."""

import gzip
import io
import json
import tarfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from clap.audio import load
from clap.command_line import Parser, run
from clap.data import pack
from clap.data.datasets import load_dataset
from clap.data.records import Dataset
from clap.data.shards import batches, caption_pairs, iterate, read_batches, read_shards, shard_files
from clap.errors import UserError
from clap.languages import CODES


@pytest.fixture(scope="module")
def shards(tmp_path_factory, tone_world):
    """The twelve tones in four shards, two captions a language each, to be trained on."""
    out = tmp_path_factory.mktemp("packed") / "tones"
    clips = tuple(replace(clip, split="train") for clip in tone_world.dataset.clips)
    assert pack.write_shards(replace(tone_world.dataset, clips=clips), out, 3) == 0
    return out


def ids(samples):
    return [sample.id for sample in samples]


def flac(seconds=0.2):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(16_000 * seconds), np.int16), 16_000, format="FLAC")
    return file.getvalue()


def told(**captions):
    return json.dumps({"captions": captions}).encode()


def make_shard(path, **files):
    """A tar of `<key>_<suffix>` arguments, as ml-clap's own."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_gallery_clips_come_back_from_shards(tmp_path):
    gallery = load_dataset("gallery-validation")
    clips = tuple(replace(clip, id=f"sub/{clip.id}.v1 é") for clip in gallery.clips[:5])
    captions = tuple(replace(c, clip=f"sub/{c.clip}.v1 é") for c in gallery.captions if c.clip in ids(gallery.clips[:5]))
    dataset = Dataset("some", clips, captions)
    pack.write_shards(dataset, tmp_path / "out", 2)
    samples = list(read_shards(tmp_path / "out"))
    assert [path.name for path in shard_files(tmp_path / "out")] == ["000000.tar", "000001.tar", "000002.tar"]
    assert ids(samples) == ids(clips)
    for clip, sample in zip(clips, samples, strict=True):
        assert {code: list(texts) for code, texts in sample.captions.items()} == {
            code: [c.text for c in captions if c.clip == clip.id and c.language == code] for code in CODES
        }
        exact = np.clip(np.rint(load(clip.path) * 32_768), -32_768, 32_767) / np.float32(32_768)
        assert sample.waveform.dtype == np.float32 and np.array_equal(sample.waveform, exact)


def test_sixteen_bit_audio_is_kept_to_the_bit(shards, tone_world):
    for clip, sample in zip(tone_world.dataset.clips, read_shards(shards), strict=True):
        assert np.array_equal(sample.waveform, load(clip.path))


def test_shards_are_ml_claps_format_and_the_same_each_time(shards, tmp_path, tone_world):
    with tarfile.open(shards / "000000.tar") as tar:
        assert tar.getnames()[:2] == ["dog-0.flac", "dog-0.json"]
        found = json.load(tar.extractfile("dog-0.json"))
    assert found["captions"]["fra_Latn"] == ["un chien aboie", "un chien aboie 1"] and found["provenance"]["fra_Latn"] == ["human", "human"]
    clips = tuple(replace(clip, split="train") for clip in tone_world.dataset.clips)
    pack.write_shards(replace(tone_world.dataset, clips=clips), tmp_path / "again", 3)
    assert all(
        (shards / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in ("000000.tar", "000003.tar", "shards.json")
    )


def test_two_workers_read_each_sample_once(shards, tone_world):
    found = ids(iterate(read_shards(shards, buffer=4), workers=2))
    assert Counter(found) == Counter(ids(tone_world.dataset.clips)) and found != ids(tone_world.dataset.clips)


def test_two_nodes_read_disjoint_halves(shards, tone_world, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    halves = []
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        halves.append(ids(iterate(read_shards(shards, buffer=4, seed=1, epoch=2), workers=2)))
    assert len(halves[0]) == len(halves[1]) == 6 and set(halves[0]) | set(halves[1]) == set(ids(tone_world.dataset.clips))
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(UserError, match="4 shards cannot be split over 5 nodes"):
        read_shards(shards)


def test_the_order_follows_seed_and_epoch(shards):
    orders = [ids(read_shards(shards, buffer=6, seed=seed, epoch=epoch)) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert orders[0] == orders[1] and len({tuple(order) for order in orders}) == 3


def test_pairs_are_one_english_caption_and_a_share_of_the_others(shards, tone_world):
    alone = list(caption_pairs(read_shards(shards)))
    assert ids_of(alone) == ids(tone_world.dataset.clips) and {pair.language for pair in alone} == {"eng_Latn"}
    everything = list(caption_pairs(read_shards(shards), ratio=1.0))
    assert Counter(pair.language for pair in everything) == {code: 12 if code == "eng_Latn" else 24 for code in CODES}
    some = list(caption_pairs(read_shards(shards), ratio=0.5, seed=3))
    assert 12 + 60 < len(some) < 12 + 108  # 168 translated captions, half expected, 3.7 standard deviations either way


def test_clips_of_held_splits_are_not_trained_on(tone_world, tmp_path):
    clips = [replace(clip, split="train" if number else "validation") for number, clip in enumerate(tone_world.dataset.clips)]
    pack.write_shards(replace(tone_world.dataset, clips=tuple(clips)), tmp_path / "out", 12)
    assert ids_of(caption_pairs(read_shards(tmp_path / "out"))) == [clip.id for clip in clips[1:]]


def ids_of(pairs):
    return [pair.clip for pair in pairs]


@pytest.fixture
def uneven(shards):
    """All 180 pairs, each of a random length."""
    rng = np.random.default_rng(0)
    return [replace(pair, waveform=np.zeros(rng.integers(100, 9_000))) for pair in caption_pairs(read_shards(shards), ratio=1.0)]


@pytest.mark.parametrize("pool", [9, 100])
def test_batches_are_of_one_language_and_lose_nothing(uneven, pool):
    cut = list(batches(iter(uneven), size=4, pool=pool))
    assert Counter((p.clip, p.text) for batch in cut for p in batch) == Counter((p.clip, p.text) for p in uneven)
    assert all(len({pair.language for pair in batch}) == 1 and len(batch) <= 4 for batch in cut)
    assert sum(len(batch) < 4 for batch in cut) <= len(CODES)
    assert any(len({pair.language for pair in batch}) > 1 for batch in batches(iter(uneven), size=4, by_language=False))


def test_batches_of_one_pool_never_overlap_in_length(uneven):
    lengths: dict[str, list] = {}
    for batch in batches(iter(uneven), size=4, pool=100):
        lengths.setdefault(batch[0].language, []).append(sorted(len(pair.waveform) for pair in batch))
    assert set(lengths) == set(CODES)
    for found in lengths.values():
        in_order = sorted(found)
        assert all(before[-1] <= after[0] for before, after in zip(in_order, in_order[1:]))
        assert len(found) >= 3


def test_batches_straight_from_shards_with_workers(shards):
    found = [pair for batch in iterate(read_batches(shards, size=2), workers=2) for pair in batch]
    assert len(found) == len({pair.clip for pair in found}) == 12
    with pytest.raises(UserError, match="between 0 and 1, got 1.7"):
        read_batches(shards, 2, ratio=1.7)


@pytest.mark.parametrize("kept", [0.4, 0.7])
def test_a_shard_cut_short(shards, tmp_path, kept):
    whole = (shards / "000000.tar").read_bytes()
    path = tmp_path / "a.tar"
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(UserError, match=r"^Shard a.tar was cut short; fetch it or pack the data set again.$"):
        read_shards(tmp_path)
    path.write_bytes(gzip.compress(whole)[: int(len(gzip.compress(whole)) * kept)])
    path.rename(tmp_path / "a.tar.gz")
    with pytest.raises(UserError, match=r"^Shard a.tar.gz is damaged or cut short after (its first sample|dog-\d); "):
        list(read_shards(tmp_path))


def test_a_zipped_shard_is_read_like_another(shards, tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress((shards / "000000.tar").read_bytes()))
    assert ids(read_shards([tmp_path / "a.tar.gz"])) == ["dog-0", "dog-1", "dog-2"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"k_json": told(eng_Latn=["a"])}, "sample k: the audio is missing"),
        ({"k_flac": flac()}, "sample k: the json is missing"),
        ({"k_flac": flac(), "k_json": told(xyz_Latn=["a"])}, "sample k: Unknown language 'xyz_Latn'; the languages are eng_Latn"),
        ({"k_flac": flac(), "k_json": told(eng_Latn="a")}, "sample k: the captions in eng_Latn must be a list of texts"),
        ({"k_flac": flac(), "k_json": told(eng_Latn=["a", ""])}, "sample k: the captions in eng_Latn must be a list of texts"),
        ({"k_flac": flac(), "k_json": b'{"texts": []}'}, "sample k: its json must be an object"),
        ({"k_flac": flac(), "k_json": b"[1"}, "sample k: its json must be an object"),
        ({"k_flac": b"fLaC-no", "k_json": told(eng_Latn=["a"])}, "sample k: its audio cannot be read"),
    ],
)
def test_samples_that_are_refused(tmp_path, files, said):
    make_shard(tmp_path / "b.tar", **files)
    with pytest.raises(UserError, match=f"^Shard b.tar, {said}"):
        list(iterate(read_shards(tmp_path)))


def test_a_workers_error_is_one_sentence(tmp_path):
    make_shard(tmp_path / "b.tar", k_json=told(eng_Latn=["a"]))
    with pytest.raises(UserError, match=r"^Shard b.tar, sample k: the audio is missing; a sample is <key>.flac and <key>.json.$"):
        list(iterate(read_shards(tmp_path), workers=1))


def test_ml_claps_own_shards_have_no_index_and_no_ids(tmp_path):
    make_shard(tmp_path / "b.tar", Yk_flac=flac(), Yk_json=told(eng_Latn=["a", "b"], fra_Latn=["c"]))
    (sample,) = read_shards(tmp_path)
    assert sample.id == "Yk" and sample.captions == {"eng_Latn": ("a", "b"), "fra_Latn": ("c",)} and sample.waveform.shape == (3200,)


def test_a_lost_shard_and_a_folder_without_any(shards, tmp_path):
    for path in (shards / "shards.json", shards / "000000.tar"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(UserError, match="There is no shard .*000001.tar"):
        read_shards(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="holds no shards"):
        read_shards(tmp_path / "none")


def test_a_clip_without_english_is_not_trained_on(tmp_path):
    make_shard(tmp_path / "b.tar", k_flac=flac(), k_json=told(fra_Latn=["a"]))
    with pytest.raises(UserError, match="without an English caption cannot be trained on: k"):
        list(caption_pairs(read_shards(tmp_path)))


def pack_command(*arguments):
    parser = Parser(prog="clap")
    pack.add_parser(parser.add_subparsers(required=True))
    return run(parser, lambda args: args.run(args), ["pack", *map(str, arguments)])


def test_the_command(tone_world, tmp_path, capsys):
    out = tmp_path / "50% of it"
    assert pack_command(tone_world.folder, "--out", out, "--shard-size", 5) == 0
    assert "12 clips with 0 captions" in capsys.readouterr().err and len(list(read_shards(out))) == 12
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert pack_command(tone_world.folder, "--out", out) == 2 and "exists; name a new folder" in capsys.readouterr().err
    assert pack_command(tone_world.folder, "--out", out, "--shard-size", 0) == 2
    assert pack_command("nothing", "--out", tmp_path / "new") == 2 and "Unknown data set 'nothing'" in capsys.readouterr().err


def test_nothing_is_left_of_a_pack_that_failed(tone_world, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pack, "_flac", full)
    with pytest.raises(UserError, match="cannot be written to .*: No space left on device"):
        pack.write_shards(tone_world.dataset, tmp_path / "out", 3)
    assert list(tmp_path.iterdir()) == []
