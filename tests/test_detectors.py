"""Are YuNet's and YOLO5Face's answers read rightly? Their files are not here: networks that see white squares
stand in, with the very inputs and outputs of the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import faces
from models.detectors import DETECTORS, Yolo5Face, YuNet, detector
from models.errors import CodecError, WeightsError
from models.picture import Picture
from tests.onnx_files import model, node

F = np.float32


def yolo(path: Path, columns: int = 16) -> Path:
    """Says a face of 40x60 pixels, with five landmarks at its centre, is on every white cell of 32 pixels."""
    kernel = np.zeros((columns, 3, 32, 32), F)
    kernel[4] = 1 / (3 * 32 * 32)  # objectness: the cell's mean, 1 where it is white
    grid = np.zeros((1, 400, columns), F)
    rows, across = np.divmod(np.arange(400), 20)
    for at in (0, 5, 7, 9, 11, 13):
        if at + 1 < columns:
            grid[0, :, at] = across * 32 + 16
            grid[0, :, at + 1] = rows * 32 + 16
    grid[0, :, 2:4], grid[0, :, -1] = (40, 60), 0.9
    nodes = [
        node("Conv", ["input", "kernel"], "cells", kernel_shape=[32, 32], strides=[32, 32]),
        node("Reshape", ["cells", "shape"], "flat"),
        node("Transpose", ["flat"], "rows", perm=[0, 2, 1]),
        node("Add", ["rows", "grid"], "output"),
    ]
    constants = {"kernel": kernel, "grid": grid, "shape": np.array([1, columns, 400], np.int64)}
    path.write_bytes(model(nodes, constants, {"input": (1, 3, 640, 640)}, {"output": (1, 400, columns)}))
    return path


def yunet(path: Path) -> Path:
    """The twelve outputs of YuNet; a face of 24x16 pixels on every white cell of 8."""
    side, nodes, constants, outputs = 64, [], {}, {}
    for stride in (8, 16, 32):
        cells = (side // stride) ** 2
        for kind, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            kernel = np.zeros((channels, 3, stride, stride), F)
            bias = np.zeros(channels, F)
            if kind in {"cls", "obj"} and stride == 8:
                kernel[0] = 1 / (3 * 255 * stride * stride)
            if kind == "bbox":  # offset of the centre in cells, logarithm of the size in cells
                bias[:] = (0.5, 0.5, np.log(24 / 8), np.log(16 / 8))
            if kind == "kps":
                bias[:] = (0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1)
            name = f"{kind}_{stride}"
            constants |= {f"k_{name}": kernel, f"b_{name}": bias}
            constants[f"s_{name}"] = np.array([1, channels, -1], np.int64)
            nodes += [
                node("Conv", ["input", f"k_{name}", f"b_{name}"], f"c_{name}",
                     kernel_shape=[stride, stride], strides=[stride, stride]),
                node("Reshape", [f"c_{name}", f"s_{name}"], f"r_{name}"),
                node("Transpose", [f"r_{name}"], name, perm=[0, 2, 1]),
            ]  # fmt: skip
            outputs[name] = (1, cells, channels)
    order = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]
    file = model(nodes, constants, {"input": (1, 3, side, side)}, {name: outputs[name] for name in order})
    path.write_bytes(file)
    return path


def squares(width: int, height: int, side: int, *corners: tuple[int, int]) -> Picture:
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top in corners:
        pixels[top : top + side, left : left + side] = 255
    return Picture(pixels)


def test_yolo5face_finds_the_boxes_its_network_names(tmp_path: Path) -> None:
    look = Yolo5Face().look(
        squares(640, 320, 32, (96, 64), (512, 224)).pixels, 1, 0.5, yolo(tmp_path / "y.onnx")
    )
    assert look.scores == pytest.approx([0.9, 0.9], abs=1e-4)
    boxes = look.boxes * (640, 320, 640, 320)
    assert boxes[0] == pytest.approx([112 - 20, 80 - 30, 112 + 20, 80 + 30], abs=0.01)
    assert boxes[1] == pytest.approx([528 - 20, 240 - 30, 528 + 20, 240 + 30], abs=0.01)
    assert look.landmarks[1] * (640, 320) == pytest.approx(np.full((5, 2), (528, 240)), abs=0.01)


def test_windows_cover_a_large_picture_and_share_their_edges() -> None:
    covered = np.zeros((1500, 900), bool)
    corners = list(Yolo5Face().windows(1500, 900))
    for top, left in corners:
        covered[top : top + 640, left : left + 640] = True
    assert covered.all() and len(corners) == 6
    assert list(Yolo5Face().windows(300, 640)) == [(0, 0)]


def test_a_face_in_the_second_window_is_where_it_is(tmp_path: Path) -> None:
    picture = squares(1024, 640, 32, (512 + 320, 96))
    look = Yolo5Face().look(picture.pixels, 1, 0.5, yolo(tmp_path / "y.onnx"))
    assert look.boxes[0] * (1024, 640, 1024, 640) == pytest.approx([828, 82, 868, 142], abs=0.01)


def test_detect_runs_a_chosen_detector_and_judges_what_is_small(tmp_path: Path) -> None:
    picture = squares(640, 640, 32, (320, 320))
    found = faces.detect(picture, name="yolo5face", weights=yolo(tmp_path / "y.onnx"))
    best = min(found, key=lambda f: abs(f.box[3] - f.box[1] - 30))
    assert best.small and len(best.landmarks) == 5 and all(f.score <= 1 for f in found)


def test_a_network_with_other_answers_is_refused(tmp_path: Path) -> None:
    picture = squares(64, 64, 32, (0, 0))
    with pytest.raises(WeightsError, match="not \\(1, N, 16\\)"):
        Yolo5Face().look(picture.pixels, 1, 0.5, yolo(tmp_path / "y.onnx", columns=6))
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    for one in DETECTORS:
        with pytest.raises(WeightsError, match=r"bad\.onnx"):
            one.look(picture.pixels, 1, 0.5, tmp_path / "bad.onnx")


def test_yunet_is_read_in_its_own_order(tmp_path: Path) -> None:
    look = YuNet().look(squares(64, 64, 8, (24, 40)).pixels, 1, 0.6, yunet(tmp_path / "n.onnx"))
    assert len(look.scores) == 1 and look.scores[0] == pytest.approx(1, abs=1e-3)
    left, top, right, bottom = look.boxes[0] * 64
    assert (right - left, bottom - top) == pytest.approx((24, 16), abs=0.01)
    assert (left + right) / 2 == pytest.approx(24 + 4, abs=0.01)
    assert (top + bottom) / 2 == pytest.approx(40 + 4, abs=0.01)
    assert look.landmarks[0][2] * 64 == pytest.approx((28, 44), abs=0.01)


def test_detectors_without_weights_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFLIC_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: str(tmp_path / "own"))
    for name in ("yunet", "yolo5face"):
        reason = faces.missing(name)
        assert "onnx" in reason and str(tmp_path) in reason and "https://" in reason
        with pytest.raises(WeightsError, match=r"are missing: (put|run)"):
            faces.detect(squares(40, 40, 8, (0, 0)), name=name)
    yolo(tmp_path / "yolov5n-face.onnx")
    assert faces.missing("yolo5face") == ""
    assert "no file" in faces.missing("yolo5face", tmp_path / "nowhere.onnx")
    assert faces.missing() == ""


def test_unknown_detectors_are_refused() -> None:
    with pytest.raises(CodecError, match="choose centerface, yunet, yolo5face"):
        detector("haar")


def test_another_network_in_place_of_centerface_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"y\.onnx is no CenterFace network"):
        detector("centerface").look(np.zeros((64, 64, 3), np.uint8), 1, 0.5, yolo(tmp_path / "y.onnx"))
    kernel = np.zeros((3, 3, 4, 4), F)
    nodes = [
        node("Conv", ["input", "kernel"], name, kernel_shape=[4, 4], strides=[4, 4])
        for name in ("537", "538", "539", "540")
    ]
    outputs = dict.fromkeys(("537", "538", "539", "540"), (1, 3, 16, 16))
    (tmp_path / "c.onnx").write_bytes(model(nodes, {"kernel": kernel}, {"input": (1, 3, 64, 64)}, outputs))
    with pytest.raises(WeightsError, match="not CenterFace's maps"):
        detector("centerface").look(np.zeros((64, 64, 3), np.uint8), 1, 0.5, tmp_path / "c.onnx")


def test_opencv_is_given_bytes_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot open a path that is not in the code page of Windows."""
    import cv2

    given: list[object] = []
    read, create = cv2.dnn.readNetFromONNX, cv2.FaceDetectorYN.create
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda file: given.append(file) or read(file))
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *of: given.extend(of[:3]) or create(*of))
    picture = squares(64, 64, 8, (24, 40))
    Yolo5Face().look(picture.pixels, 1, 0.5, yolo(tmp_path / "y.onnx"))
    YuNet().look(picture.pixels, 1, 0.6, yunet(tmp_path / "n.onnx"))
    assert len(given) == 4 and not any(str(tmp_path) in str(one) for one in given)
