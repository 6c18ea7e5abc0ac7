import numpy as np
import pytest

from clap.errors import UserError
from clap.index import VectorIndex


@pytest.fixture
def encoder(tone_world):
    return tone_world.FakeEncoder("mine")


def index_of(vectors, encoder):
    return VectorIndex([f"clip-{n}" for n in range(len(vectors))], np.asarray(vectors), encoder.name, encoder.fingerprint)


def test_ranks_by_inner_product_and_keeps_the_order_of_ties(encoder):
    index = index_of([[1, 0], [0, 1], [0.6, 0.8], [0, 1]], encoder)
    ids, scores = index.search(np.array([[0, 1]]), 3)
    assert ids == [["clip-1", "clip-3", "clip-2"]]
    assert scores.tolist() == [[1.0, 1.0, pytest.approx(0.8)]]


def test_a_constant_scorer_gives_the_order_of_the_index(encoder):
    ids, _ = index_of([[1, 0]] * 50, encoder).search(np.array([[1, 0]]), 50)
    assert ids[0] == [f"clip-{n}" for n in range(50)]


def test_one_row_per_query_and_never_more_than_there_are(encoder):
    ids, scores = index_of(np.eye(3), encoder).search(np.eye(3)[:2], 99)
    assert [row[0] for row in ids] == ["clip-0", "clip-1"]
    assert scores.shape == (2, 3)


def test_survives_a_file_and_leaves_no_other(encoder, tmp_path):
    path = tmp_path / "deep" / "clips.npz"
    index_of(np.eye(3), encoder).save(path)
    loaded = VectorIndex.load(path, encoder)
    assert loaded.search(np.eye(3)[2], 1)[0] == [["clip-2"]]
    assert [file.name for file in path.parent.iterdir()] == ["clips.npz"]


def test_refuses_another_checkpoint_and_names_the_command(encoder, tone_world, tmp_path):
    index_of(np.eye(3), encoder).save(tmp_path / "clips.npz")
    with pytest.raises(UserError, match=r"made by mine .*not by other .*`rm .*clips.npz && python -m clap search --checkpoint other rain`"):
        VectorIndex.load(tmp_path / "clips.npz", tone_world.FakeEncoder("other"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_a_broken_file_is_a_sentence(encoder, tmp_path, content):
    (tmp_path / "clips.npz").write_bytes(content)
    with pytest.raises(UserError, match="not a complete index; rebuild it"):
        VectorIndex.load(tmp_path / "clips.npz", encoder)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [(["a"], [[3.0, 4.0]], "unit vectors"), (["a"], [[np.nan, 1.0]], "unit vectors"), (["a", "b"], [[1.0, 0.0]], "one vector per id")],
)
def test_refuses_what_is_not_an_embedding(ids, vectors, message):
    with pytest.raises(UserError, match=message):
        VectorIndex(ids, np.array(vectors), "mine", "hash")


@pytest.mark.parametrize(("query", "top", "message"), [([1, 0, 0], 1, "vectors of 2 numbers"), ([1, 0], 0, "at least 1")])
def test_refuses_a_wrong_query(encoder, query, top, message):
    with pytest.raises(UserError, match=message):
        index_of(np.eye(2), encoder).search(np.array(query), top)
