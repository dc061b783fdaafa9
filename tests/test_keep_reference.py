"""What DISTS makes of the first picture is kept between calls and changes no value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models import perceptual
from models.trunks import Trunk


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    perceptual.keep_reference(0)


def pictures(count: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(4)
    return [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


def test_a_kept_reference_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, b, c = pictures(4)
    pairs = [(first, b), (first, c), (first.copy(), b), (second, b), (second, c), (first, second)]
    plain = [perceptual.dists(x, y) for x, y in pairs]
    runs: list[int] = []
    features = Trunk.features

    def counted(self: Trunk, *arguments: Any, **options: Any) -> Any:
        runs.append(1)
        return features(self, *arguments, **options)

    monkeypatch.setattr(Trunk, "features", counted)
    perceptual.keep_reference()
    assert [perceptual.dists(x, y) for x, y in pairs] == plain
    assert len(runs) == 2 * len(pairs) - 3  # the same picture came again three times


def test_a_large_reference_is_not_kept() -> None:
    first, b = pictures(2)
    perceptual.keep_reference(1000)
    assert perceptual.dists(first, b) == perceptual.dists(first, b)
    assert perceptual._reference._known is None
