"""Work that is done ahead on another thread: the same results, made once, and errors that are raised where they are asked for."""

import threading

import pytest

from jaxgen.cli.ahead import Ahead


def test_what_was_begun_is_made_once_on_another_thread():
    made = []

    def make(item):
        made.append((item, threading.get_ident()))
        return 2 * item

    with Ahead(make) as ahead:
        ahead.begin(1)
        ahead.begin(2)
        assert ahead.take(1) == 2 and ahead.take(3) == 6
    assert [item for item, _ in made] == [1, 3]
    assert made[0][1] != threading.get_ident() == made[1][1]


def test_another_item_than_was_begun_and_one_that_failed_are_made_anew():
    made = []

    def make(item):
        made.append(item)
        if item == "never" or made.count("once") == 1 == len(made):
            raise ValueError(item)
        return item

    with Ahead(make) as ahead:
        ahead.begin("once")
        assert ahead.take("once") == "once"
        ahead.begin("a")
        assert ahead.take("b") == "b" and ahead.begun is None
        ahead.begin("never")
        with pytest.raises(ValueError, match="never"):
            ahead.take("never")
    assert made == ["once", "once", "a", "b", "never", "never"]
