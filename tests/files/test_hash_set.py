"""Sets of millions of hashes."""

import numpy as np
import pytest

from esc_cli.files.hash_set import Hashes, repeated

FOUND = [5, -(2**63), 2**63 - 1, 5, 0]


@pytest.mark.parametrize("numbers", [FOUND, iter(FOUND), np.array(FOUND, np.int64)])
def test_what_is_there_is_found_one_by_one_and_together(numbers):
    hashes = Hashes(numbers)
    assert len(hashes) == 4
    asked = np.array([-(2**63), 4, 5, 6, 2**63 - 1], np.int64)
    assert hashes.among(asked).tolist() == [True, False, True, False, True]
    assert [int(one) in hashes for one in asked] == hashes.among(asked).tolist()


def test_nothing_is_in_none():
    assert not Hashes([])
    assert 0 not in Hashes([])
    assert Hashes([]).among(np.array([0, 1], np.int64)).tolist() == [False, False]


def test_what_is_there_more_than_once_is_told_once():
    assert repeated(np.array([3, 1, 3, 2, 1, 3], np.int64)).tolist() == [1, 3]
    assert repeated(np.array([], np.int64)).tolist() == []
