"""Exporting and copying from the window: what is in the files and on the clipboard?"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEventLoop, QPointF, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from app import actions
from app.exporting import Form
from app.gather import report_of
from app.session import Session
from app.state import Side
from app.tasks import Compress
from app.window import Window
from models import codec
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


@pytest.fixture
def opened(qtbot: QtBot, window: Window, photo: Callable[..., Path]) -> Window:
    """A window with a compressed photo of 96 x 64 pixels."""
    window.commands.open_paths([photo("my cat.png")])
    settle(qtbot, window)
    return window


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle and window.session.picture is not None, timeout=20000)


def saved(qtbot: QtBot, window: Window, do: Callable[[], object]) -> Path:
    with qtbot.waitSignal(window.session.saved, timeout=20000) as told:
        do()
    assert told.args is not None
    return Path(told.args[0])


def pixels(window: Window, side: Side) -> np.ndarray:
    raster = window.session.view(side).raster
    assert raster is not None
    return raster.picture().pixels


def clipboard() -> np.ndarray:
    image = QApplication.clipboard().image().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def test_the_figure_takes_the_boxes_of_the_picture(qtbot: QtBot, opened: Window, tmp_path: Path) -> None:
    opened.session.crops.add(10, 12, 20, 16, "Ear")
    path = saved(qtbot, opened, lambda: opened.sharing.export(tmp_path / "sheet.svg"))
    text = path.read_text(encoding="utf-8")
    assert ">Ear<" in text and ">WebP<" in text and ">JPEG<" in text
    report = report_of(opened.session)
    assert report is not None
    assert [(box.name, box.text) for box in report[0].boxes] == [("Ear", "10,12,20,16")]


def test_without_boxes_a_detail_in_view_is_what_the_figure_shows(
    qtbot: QtBot, opened: Window, tmp_path: Path
) -> None:
    opened.viewport.zoom_to(32)
    opened.viewport.look_at(QPointF(48, 32))
    box = opened.sharing._detail()
    assert box is not None and box.width < 96 and box.x <= 48 < box.x + box.width
    opened.viewport.fit()
    assert opened.sharing._detail() is None  # the whole picture is no detail
    path = saved(qtbot, opened, lambda: opened.sharing.export(tmp_path / "sheet.png"))
    assert Picture.open(path).width > 600


def test_the_page_shows_what_was_tried_nearest_to_the_size(
    qtbot: QtBot, opened: Window, tmp_path: Path
) -> None:
    session = opened.session
    session.choose(Side.RIGHT, "avif")
    settle(qtbot, opened)
    session.set_rate(Side.LEFT, Rate(bpp=3.0))
    settle(qtbot, opened)
    path = saved(qtbot, opened, lambda: opened.sharing.export(tmp_path / "page.html"))
    found = re.search(r'id="data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    assert [p["name"] for p in json.loads(found[1])["pictures"]] == ["Original", "WebP", "AVIF", "JPEG"]


def test_the_evidence_holds_every_result_of_the_picture(qtbot: QtBot, opened: Window, tmp_path: Path) -> None:
    opened.session.set_rate(Side.LEFT, Rate(bpp=3.0))
    settle(qtbot, opened)
    path = saved(qtbot, opened, lambda: opened.sharing.export(tmp_path / "e.zip"))
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read("e/results.json"))
        assert sorted(line["codec"] for line in told["results"]) == ["jpeg", "jpeg", "webp", "webp"]
        for line in told["results"]:
            decoded = codec.decode(archive.read(f"e/{line['file']}"))
            (tmp_path / "again.png").write_bytes(archive.read(f"e/{line['decoded']}"))
            assert np.array_equal(decoded.pixels, Picture.open(tmp_path / "again.png").pixels)
            assert line["psnr"] > 20 and line["asked"]["bpp"] in (2.0, 3.0)


def test_all_boxes_go_into_a_folder(qtbot: QtBot, opened: Window, tmp_path: Path) -> None:
    opened.session.crops.add(10, 12, 20, 16, "Ear")
    opened.session.crops.add(40, 30, 24, 24, "Left/paw")
    folder = tmp_path / "crops"
    assert saved(qtbot, opened, lambda: opened.sharing.export_crops(folder)) == folder
    webp = opened.session.view(Side.LEFT).coded
    assert webp is not None and opened.session.picture is not None
    name = f"webp-{webp.encoding.bpp:.3f}bpp"
    for box, (x, y, w, h) in {"Ear": (10, 12, 20, 16), "Left-paw": (40, 30, 24, 24)}.items():
        original = opened.session.picture.picture().pixels[y : y + h, x : x + w]
        assert np.array_equal(Picture.open(folder / f"{box}-original.png").pixels, original)
        coded = pixels(opened, Side.LEFT)[y : y + h, x : x + w]
        assert np.array_equal(Picture.open(folder / f"{box}-{name}.png").pixels, coded)
        assert Picture.open(folder / f"{box}-labelled.png").width > 600  # three captioned columns
    boxed = Picture.open(folder / "boxes.png").pixels
    assert tuple(boxed[11, 15]) == (213, 94, 0)  # the line lies outside the box
    whole = opened.session.picture.picture().pixels
    assert np.array_equal(boxed[12:28, 10:30], whole[12:28, 10:30])


def test_a_labelled_crop_of_the_view(qtbot: QtBot, opened: Window, tmp_path: Path) -> None:
    opened.viewport.zoom_to(32)
    path = saved(qtbot, opened, lambda: opened.sharing.export_labelled(tmp_path / "crop.svg"))
    text = path.read_text(encoding="utf-8")
    assert text.count("<image") == 3 and ">Original<" in text and ">WebP<" in text


def test_copying_a_box_gives_both_sides_in_their_own_pixels(qtbot: QtBot, opened: Window) -> None:
    opened.session.crops.add(10, 12, 20, 16, "Ear")
    opened.canvas.setFocus()
    modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    qtbot.keyClick(opened.canvas, Qt.Key.Key_C, modifiers)
    copied = clipboard()
    assert copied.shape == (16, 48, 3)
    assert np.array_equal(copied[:, :20], pixels(opened, Side.LEFT)[12:28, 10:30])
    assert np.array_equal(copied[:, 28:], pixels(opened, Side.RIGHT)[12:28, 10:30])
    assert (copied[:, 20:28] == 255).all()
    assert "Ear" in opened.status.currentMessage()


def test_copying_without_a_box_takes_what_is_in_view(opened: Window) -> None:
    opened.actions_by_id["copy_crop"].trigger()
    assert clipboard().shape == (64, 96 * 2 + 8, 3)


def test_what_is_too_large_for_a_clipboard_is_told_and_not_copied(
    opened: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.sharing.LARGEST_COPY", 2 * 96 * 64 - 1)
    QApplication.clipboard().clear()
    opened.actions_by_id["copy_crop"].trigger()
    assert "too large to copy" in opened.messages.text
    assert QApplication.clipboard().image().isNull()
    opened.session.crops.add(10, 12, 20, 16, "Ear")
    opened.actions_by_id["copy_crop"].trigger()
    assert clipboard().shape == (16, 48, 3)


def test_a_crop_of_a_side_that_still_compresses_is_not_copied(opened: Window, inline: InlineEngine) -> None:
    QApplication.clipboard().clear()
    inline.held = (Compress,)
    opened.session.choose(Side.RIGHT, "jxl")
    opened.sharing.copy_crop()
    assert opened.messages.text == "The crop was not copied: side B has no finished picture now."
    assert QApplication.clipboard().image().isNull()
    opened.session.cancel()


def test_without_a_result_exporting_is_not_offered(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    ids = (*(form.value for form in Form), "copy_crop")
    assert not any(window.actions_by_id[id].isEnabled() for id in ids)
    window.sharing.export(tmp_path / "x.png")
    assert "no result" in window.messages.text
    assert not (tmp_path / "x.png").exists()


def test_a_place_that_cannot_be_written_is_a_message(qtbot: QtBot, opened: Window, tmp_path: Path) -> None:
    with qtbot.waitSignal(opened.session.save_failed, timeout=20000):
        opened.sharing.export(tmp_path / "gone" / "x.pdf")
    assert "does not exist" in opened.messages.text


def test_the_export_menu_holds_what_can_be_exported(opened: Window) -> None:
    menus = {a.text(): a.menu() for a in opened.menuBar().actions()}
    menu = menus[actions.EXPORT]
    assert isinstance(menu, QMenu)
    names = [a.objectName() for a in menu.actions() if not a.isSeparator()]
    assert names[:4] == ["export_figure", "export_page", "export_bundle", "export_files"]
    assert {"export_crop", "export_labelled", "export_crops", "copy_view", "copy_crop"} <= set(names)


def test_an_opened_compressed_file_is_told_without_a_rate(
    qtbot: QtBot, opened: Window, tmp_path: Path
) -> None:
    path = tmp_path / "low.webp"
    path.write_bytes(codec.get("webp").encode(Picture(scene(96, 64)), Rate(quality=20)).data)
    opened.session.open([path], Side.RIGHT)
    settle(qtbot, opened)
    found = report_of(opened.session)
    assert found is not None
    rates = [item.rate for item in found[0].items]
    assert None in rates and Rate(bpp=2.0) in rates


def test_the_writing_process_needs_neither_qt_nor_torch() -> None:
    script = (
        "import sys, app.exports, app.thumbs; print([m for m in ('PySide6', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_exporting_runs_beside_the_window(opened: Window, tmp_path: Path) -> None:
    """Asking returns at once: the file is made in a later turn, in the process that writes."""
    opened.sharing.export(tmp_path / "x.png")
    assert opened.session.saving == 1 and not (tmp_path / "x.png").exists()
    loop = QEventLoop()
    opened.session.saved.connect(lambda _: loop.quit())
    loop.exec()
    assert (tmp_path / "x.png").exists()
