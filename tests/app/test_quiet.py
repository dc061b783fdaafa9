"""What the start made is no work for the garbage collector, and what comes later still is."""

from __future__ import annotations

import gc
import weakref

from app import quiet


class _Ring:
    def __init__(self) -> None:
        self.me = self


def test_old_things_are_left_out_and_new_garbage_is_found() -> None:
    before = len(gc.get_objects())
    quiet.leave_out()
    try:
        assert len(gc.get_objects()) < before / 100
        gone = weakref.ref(_Ring())
        gc.collect()
        assert gone() is None
    finally:
        quiet.take_back()
    assert len(gc.get_objects()) > before / 2
