"""Consistency across languages against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eval.consistency import clip_ranks, embedding_gap, off_diagonal_mean, overlap_matrix, rank_biased_overlap, rank_variance


def test_rank_variance_is_over_the_languages():
    ranks = np.array([[1, 2], [3, 2], [5, 2]])
    np.testing.assert_allclose(rank_variance(ranks), [8 / 3, 0])


def test_overlap_of_three_items_by_hand():
    """Lists a b c and a c b: overlaps 1/1, 1/2, 3/3; then the same items for ever."""
    first, second = np.array([1, 2, 3]), np.array([1, 3, 2])
    by_hand = 0.1 * (1 + 0.9 * 0.5 + 0.81 * 1) + 0.9**3
    assert rank_biased_overlap(first, second) == pytest.approx(by_hand) == pytest.approx(0.955)


def test_overlap_of_reversed_lists_by_hand():
    """a b c d and d c b a: overlaps 0, 0, 2/3, 1."""
    first, second = np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1])
    assert rank_biased_overlap(first, second, p=0.5) == pytest.approx(0.5 * (0.25 * 2 / 3 + 0.125) + 0.0625)


def test_overlap_weighs_the_top_most_and_is_1_for_equal_lists():
    same = np.arange(1, 101)
    top, bottom = same.copy(), same.copy()
    top[:2], bottom[-2:] = [2, 1], [100, 99]
    assert rank_biased_overlap(same, same) == pytest.approx(1)
    assert rank_biased_overlap(same, top) == pytest.approx(0.9)
    assert 1 - 1e-4 < rank_biased_overlap(same, bottom) < 1


def test_overlap_of_every_two_languages():
    ranks = np.array([[[1, 2, 3]] * 2, [[1, 2, 3], [1, 3, 2]]])
    matrix = overlap_matrix(ranks)
    np.testing.assert_allclose(matrix, [[1, 0.9775], [0.9775, 1]])
    assert off_diagonal_mean(matrix) == pytest.approx(0.9775)


def test_gap_is_in_the_spread_of_the_queries():
    """Two languages, two queries each one step from its language's mean; the means lie three steps apart."""
    vectors = np.array([[[1.0, 0], [-1, 0]], [[1, 3], [-1, 3]]])
    np.testing.assert_allclose(embedding_gap(vectors), [[0, 3], [3, 0]])
    np.testing.assert_allclose(embedding_gap(vectors + 7), [[0, 3], [3, 0]])
    np.testing.assert_allclose(embedding_gap(np.stack([vectors[0]] * 2)), 0)


def test_clips_whose_languages_differ_most_come_first():
    ranks = np.array([[1, 3, 5], [1, 9, 6]])
    assert clip_ranks(ranks, ["a", "b", "b"]) == {"b": [4.0, 7.5], "a": [1.0, 1.0]}
