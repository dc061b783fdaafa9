"""The perceptual map is LPIPS by place, the same in tiles; and which places are proposed of it."""

from __future__ import annotations

import numpy as np
import pytest

from models import metrics, perceptual, spatial
from models.errors import Cancelled
from models.metrics import MetricAbsent
from models.picture import Picture
from models.places import LARGEST, SMALLEST, Place, most_different, side_for
from models.spatial import CELL, lpips_map
from models.watch import Watch
from tests.app.conftest import scene


def picture(width: int, height: int, seed: int = 0) -> Picture:
    return Picture(scene(width, height, seed))


def test_the_map_has_a_cell_for_every_four_pixels_and_none_below_zero() -> None:
    found = lpips_map(picture(130, 97), picture(130, 97, 3))
    assert found.shape == (25, 33)
    assert found.dtype == np.float32
    assert found.min() >= 0


def test_equal_pictures_differ_nowhere() -> None:
    same = picture(80, 64)
    assert not lpips_map(same, same).any()


def test_its_mean_is_lpips_but_for_the_borders() -> None:
    original = picture(256, 192)
    blurred = Picture(np.asarray((original.pixels.astype(int) // 32 * 32 + 16).clip(0, 255), np.uint8))
    whole = metrics.compute("lpips", original, blurred)
    assert lpips_map(original, blurred).mean() == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize(("x", "y"), [(40, 60), (160, 90), (208, 152)])
def test_a_changed_spot_is_found_where_it_is(x: int, y: int) -> None:
    original = picture(256, 192)
    changed = original.pixels.copy()
    changed[y : y + 16, x : x + 16] = 255 - changed[y : y + 16, x : x + 16]
    found = lpips_map(original, Picture(changed)).astype(float)
    down, across = np.unravel_index(int(found.argmax()), found.shape)
    assert abs((across + 0.5) * CELL - (x + 8)) <= 8
    assert abs((down + 0.5) * CELL - (y + 8)) <= 8
    assert (
        found[max(y // 4 - 12, 0) : y // 4 + 16, max(x // 4 - 12, 0) : x // 4 + 16].sum() > 0.8 * found.sum()
    )


def test_tiles_give_the_map_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = picture(430, 330), picture(430, 330, 5)
    whole = lpips_map(a, b)
    monkeypatch.setattr(perceptual, "CORE", {"alex": 160, "vgg": 160})
    assert len(perceptual.tiles(330, 430, 160)) == 9
    np.testing.assert_allclose(lpips_map(a, b), whole, atol=2e-5)


def test_a_picture_too_small_says_so_and_cancelling_stops() -> None:
    with pytest.raises(MetricAbsent, match="31 pixels"):
        lpips_map(picture(30, 80), picture(30, 80, 1))
    with pytest.raises(Cancelled):
        lpips_map(picture(64, 64), picture(64, 64, 1), Watch(cancelled=lambda: True))


def test_receptive_fields_are_those_of_the_layers() -> None:
    # AlexNet: 11x11 with step 4 and 2 pixels of padding, then two poolings of 3x3 with step 2.
    assert spatial._places("alex") == [(3.5, 4), (7.5, 8), (15.5, 16), (15.5, 16), (15.5, 16)]
    assert spatial._places("vgg")[:2] == [(0.5, 1), (1.0, 2)]


# Places


def hills(*peaks: tuple[int, int, float], width: int = 480, height: int = 480) -> np.ndarray:
    """A map with a bright square of 12 cells a side around each (x, y) in pixels."""
    made = np.full((-(-height // CELL), -(-width // CELL)), 0.001, np.float32)
    for x, y, value in peaks:
        made[y // CELL - 6 : y // CELL + 6, x // CELL - 6 : x // CELL + 6] = value
    return made


def middles(places: tuple[Place, ...]) -> list[tuple[float, float]]:
    return [(place.x + place.width / 2, place.y + place.height / 2) for place in places]


def test_the_highest_places_come_first_and_do_not_meet() -> None:
    found = most_different(hills((100, 100, 0.5), (300, 120, 0.9), (200, 380, 0.7)), CELL, 480, 480)
    assert len(found) == 3  # the rest of the picture is not worth a look
    for (x, y), wanted in zip(middles(found), ((300, 120), (200, 380), (100, 100)), strict=True):
        assert abs(x - wanted[0]) <= 20  # anywhere that holds the whole square
        assert abs(y - wanted[1]) <= 20
    assert [place.score for place in found] == sorted((p.score for p in found), reverse=True)
    assert not any(a.meets(b) for a in found for b in found if a is not b)


def test_faces_come_first_even_where_other_places_differ_more() -> None:
    map_ = hills((100, 100, 0.2), (300, 120, 0.9), (200, 380, 0.1))
    found = most_different(map_, CELL, 480, 480, faces=[(180, 360, 220, 400), (70, 70, 130, 130)])
    assert [place.face for place in found[:3]] == [True, True, False]
    assert middles(found)[0] == (100, 100)  # of the faces, the one that differs more
    assert middles(found)[1] == (200, 380)


def test_many_faces_leave_room_for_other_places() -> None:
    faces = [(x, 20, x + 40, 60) for x in range(10, 470, 90)]
    map_ = hills(*((int(left) + 20, 40, 0.5) for left, *_ in faces), (300, 380, 0.4), (100, 380, 0.3))
    found = most_different(map_, CELL, 480, 480, count=5, faces=faces)
    assert [place.face for place in found] == [True, True, True, False, False]


def test_alike_pictures_have_no_places() -> None:
    assert most_different(np.zeros((30, 40), np.float32), CELL, 160, 120, faces=[(10, 10, 50, 50)]) == ()


@pytest.mark.parametrize("size", [(31, 31), (33, 500), (1001, 47), (250, 251)])
def test_places_lie_in_the_picture_whatever_its_size(size: tuple[int, int]) -> None:
    width, height = size
    random = np.random.default_rng(0).random((-(-height // CELL), -(-width // CELL))).astype(np.float32)
    found = most_different(random, CELL, width, height, faces=[(width - 20.5, height - 9.0, width, height)])
    assert found
    for place in found:
        assert 0 <= place.x <= place.x + place.width <= width
        assert 0 <= place.y <= place.y + place.height <= height


def test_a_place_is_a_sixth_of_the_shorter_side_within_limits() -> None:
    assert side_for(6000, 4000) == LARGEST
    assert side_for(768, 512) == 80
    assert side_for(200, 200) == SMALLEST
    assert side_for(500, 20) == 20
