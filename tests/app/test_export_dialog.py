"""The export dialog: what it offers and suggests, what it refuses, and that it can be stopped at any time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.exporting import Form, objection
from app.exports import ExportEvidence, ExportReport, Sweep
from app.panels.export import ExportDialog
from app.session import Session
from app.state import Phase, Side
from app.tasks import Compress, Measure
from app.window import Window
from models.codec import Rate
from models.picture import Picture
from tests.app.conftest import shown
from tests.app.engines import InlineEngine
from tests.app.hands import open_photo, settle


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, photo: Callable[..., Path]) -> Iterator[Window]:
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        open_photo(qtbot, made, photo("my cat.png"))
        yield made


def ask(qtbot: QtBot, window: Window, form: Form = Form.FIGURE) -> ExportDialog:
    """By the menu's action."""
    window.actions_by_id[form.value].trigger()
    dialog = window.findChild(ExportDialog)
    assert isinstance(dialog, ExportDialog)
    qtbot.waitUntil(dialog.isVisible)
    return dialog


def titles(dialog: ExportDialog, checked: bool | None = None) -> list[str]:
    items = [dialog.results.topLevelItem(at) for at in range(dialog.results.topLevelItemCount())]
    states = {True: Qt.CheckState.Checked, False: Qt.CheckState.Unchecked}
    return [i.text(0) for i in items if checked is None or i.checkState(0) is states[checked]]


def tick(dialog: ExportDialog, title: str, on: bool = True) -> None:
    item = next(dialog.results.topLevelItem(at) for at in range(dialog.results.topLevelItemCount())
                if dialog.results.topLevelItem(at).text(0) == title)  # fmt: skip
    item.setCheckState(0, Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)


def export(qtbot: QtBot, window: Window, dialog: ExportDialog) -> Path:
    with qtbot.waitSignal(window.session.saved, timeout=20000) as told:
        qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    assert told.args is not None
    return Path(told.args[0])


@pytest.mark.parametrize(("suffix", "begin"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_the_menu_writes_a_figure_sheet_of_the_chosen_format(
    qtbot: QtBot, window: Window, tmp_path: Path, suffix: str, begin: bytes
) -> None:
    dialog = ask(qtbot, window)
    assert dialog.path.text() == str(tmp_path / "my-cat-figure.png")
    dialog.kind.setCurrentIndex(dialog.kind.findData(suffix))
    path = export(qtbot, window, dialog)
    assert path == tmp_path / f"my-cat-figure{suffix}"
    assert path.read_bytes().startswith(begin)
    assert not dialog.isVisible()
    assert "Saved" in window.status.currentMessage()


def test_a_name_that_is_taken_is_not_suggested_and_its_loss_is_told(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    taken = tmp_path / "my-cat-figure.png"
    taken.write_bytes(b"mine")
    dialog = ask(qtbot, window)
    assert Path(dialog.path.text()).name == "my-cat-figure-2.png"
    dialog.path.setText(str(taken))
    assert "will be replaced" in dialog.hint.text()
    assert dialog.export.isEnabled()
    dialog.reject()
    assert taken.read_bytes() == b"mine"


def test_names_follow_form_and_format_until_a_person_gives_one(
    qtbot: QtBot, window: Window, tmp_path: Path
) -> None:
    dialog = ask(qtbot, window, Form.EVIDENCE)
    assert Path(dialog.path.text()).name == "my-cat-evidence.zip"
    dialog.kind.setCurrentIndex(1)
    assert Path(dialog.path.text()).name == "my-cat-evidence"
    dialog.form.setCurrentIndex(list(Form).index(Form.PAGE))
    assert Path(dialog.path.text()).name == "my-cat-comparison.html"
    dialog.path.setText(str(tmp_path / "mine.v2"))
    dialog.form.setCurrentIndex(list(Form).index(Form.FIGURE))
    assert Path(dialog.path.text()).name == "mine.v2.png"
    dialog.path.setText(str(tmp_path / "mine.svg"))
    assert dialog.kind.currentData() == ".svg"
    dialog.reject()


def test_the_dialog_says_what_the_evidence_holds_and_it_does(qtbot: QtBot, window: Window) -> None:
    dialog = ask(qtbot, window, Form.EVIDENCE)
    told = dialog.about.text()
    with zipfile.ZipFile(export(qtbot, window, dialog)) as archive:
        names = {name.split("/", 1)[1].split("/")[0] for name in archive.namelist()} - {"README.txt"}
    assert len(names) == 7
    for name in names:
        assert name in told


def test_the_evidence_of_a_picture_with_dots_in_its_name_goes_into_a_folder(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("IMG.2024.png", seed=3))
    dialog = ask(qtbot, window, Form.EVIDENCE)
    dialog.kind.setCurrentIndex(dialog.kind.findData(""))
    assert Path(dialog.path.text()).name == "IMG.2024-evidence"
    path = export(qtbot, window, dialog)
    assert path == tmp_path / "IMG.2024-evidence"
    assert (path / "results.json").is_file()
    assert "There is something in this folder" in objection(Form.EVIDENCE, path, None)
    (tmp_path / "IMG.2025-evidence").write_bytes(b"mine")
    assert "This is a file" in objection(Form.EVIDENCE, tmp_path / "IMG.2025-evidence", None)


def test_what_cannot_be_written_is_refused_in_words(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    dialog = ask(qtbot, window)
    for name, words in (
        ("", "Give a name"),
        (str(tmp_path / "gone" / "x.png"), "does not exist"),
        (str(tmp_path / "my cat.png"), "picture itself"),
    ):
        dialog.path.setText(name)
        assert words in dialog.hint.text()
        assert not dialog.export.isEnabled()
    dialog.path.setText(str(tmp_path / "x.png"))
    assert dialog.export.isEnabled()
    for title in titles(dialog):
        tick(dialog, title, on=False)
    assert "Choose a result" in dialog.hint.text()
    assert not dialog.export.isEnabled()
    dialog.form.setCurrentIndex(list(Form).index(Form.EVIDENCE))
    dialog.path.setText(str(tmp_path))
    dialog.reject()


def test_names_that_cannot_be_looked_at_are_refused_in_words(
    qtbot: QtBot, window: Window, tmp_path: Path, dead: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = ask(qtbot, window)
    for name, words in (
        (str(tmp_path / ("x" * 300 + ".png")), "File name too long"),
        (str(dead / "x.png"), "not connected"),
        ("~nobody.with.this.name/x.png", "does not exist"),
    ):
        dialog.path.setText(name)
        assert words in dialog.hint.text()
        assert not dialog.export.isEnabled()
    dialog.path.setText("~x.png")  # as in a shell: nobody's home is a name like any other
    assert dialog.export.isEnabled()
    dialog.form.setCurrentIndex(list(Form).index(Form.FILES))
    (tmp_path / "locked").mkdir()

    def refuse(path: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    dialog.path.setText(str(tmp_path / "locked"))
    assert dialog.export.isEnabled()
    dialog.form.setCurrentIndex(list(Form).index(Form.EVIDENCE))
    dialog.kind.setCurrentIndex(dialog.kind.findData(""))
    assert "Permission denied" in dialog.hint.text()
    dialog.reject()


def test_a_picture_with_a_very_long_name_is_exported_under_a_shorter_one(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    open_photo(qtbot, window, photo("\N{GREEK SMALL LETTER ALPHA}" * 125 + ".png", seed=5))
    dialog = ask(qtbot, window)
    assert dialog.export.isEnabled()
    path = export(qtbot, window, dialog)
    assert path.is_file() and path.name.endswith("-figure.png")


def test_files_of_a_picture_with_a_very_long_name_have_shorter_ones(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    open_photo(qtbot, window, photo("\N{GREEK SMALL LETTER ALPHA}" * 125 + ".png", seed=5))
    folder = export(qtbot, window, ask(qtbot, window, Form.FILES))
    assert {file.suffix for file in folder.iterdir()} == {".webp", ".jpg"}


def test_only_chosen_results_go_out_as_files(qtbot: QtBot, window: Window) -> None:
    dialog = ask(qtbot, window, Form.FILES)
    assert titles(dialog, checked=True) == ["A  WebP", "B  JPEG"]
    tick(dialog, "B  JPEG", on=False)
    folder = export(qtbot, window, dialog)
    files = list(folder.iterdir())
    coded = window.session.view(Side.LEFT).coded
    assert coded is not None
    assert [file.read_bytes() for file in files] == [coded.encoding.data]
    assert files[0].name == f"my-cat-webp-{coded.encoding.bpp:.3f}bpp.webp"


def test_a_codec_without_a_result_is_compressed_first_and_measured(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    dialog = ask(qtbot, window)
    assert "JPEG XL" in titles(dialog, checked=False)
    tick(dialog, "JPEG XL")
    dialog.kind.setCurrentIndex(dialog.kind.findData(".svg"))
    text = export(qtbot, window, dialog).read_text(encoding="utf-8")
    assert ">JPEG XL<" in text
    assert [window.session.choice(side).codec for side in Side] == ["webp", "jpeg"]
    assert inline.codecs_run().count("jxl") == 1
    items = inline.ran_of(ExportReport)[0].report.items
    assert [item.metric("psnr") is not None for item in items] == [True] * 3


def test_cancel_while_compressing_stops_it_and_the_dialog_stays(
    qtbot: QtBot, window: Window, inline: InlineEngine, tmp_path: Path
) -> None:
    inline.held = (Compress,)
    dialog = ask(qtbot, window)
    tick(dialog, "JPEG XL")
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "JPEG XL" in dialog.stage.text())
    assert dialog.bar.isVisible()
    assert not dialog.results.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    assert "stopped" in dialog.hint.text()
    assert inline.stopped
    assert dialog.export.isEnabled()
    settle(qtbot, window)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not (tmp_path / "my-cat-figure.png").exists()


def test_codecs_that_do_not_fit_into_memory_together_are_compressed_once(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    window.session.compressor.cache.limit = 1
    dialog = ask(qtbot, window, Form.FILES)
    missing = {"JPEG XL": "jxl", "AVIF": "avif", "JPEG 2000": "jpeg2000"}
    for title in missing:
        tick(dialog, title)
    assert len(list(export(qtbot, window, dialog).iterdir())) == 5
    assert [inline.codecs_run().count(id) for id in missing.values()] == [1, 1, 1]


def test_cancel_leaves_a_side_that_compresses_the_same_alone(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    inline.held = (Compress,)
    window.session.choose(Side.LEFT, "jxl")
    dialog = ask(qtbot, window)
    tick(dialog, "JPEG XL")
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert "stopped" in dialog.hint.text()
    assert window.session.view(Side.LEFT).phase is Phase.RUNNING
    assert inline.tasks(Compress)[-1].task.codec == "jxl"
    dialog.reject()


def unmeasured(qtbot: QtBot, window: Window, inline: InlineEngine) -> None:
    """Side A is done and its numbers never come."""
    inline.held = (Measure,)
    window.session.choose(Side.LEFT, "jxl")
    qtbot.waitUntil(lambda: window.session.view(Side.LEFT).phase is Phase.DONE, timeout=20000)
    qtbot.waitUntil(lambda: bool(window.session.judge._measuring))


def test_cancel_while_measuring_leaves_the_numbers_of_the_sides_on_their_way(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    unmeasured(qtbot, window, inline)
    running = inline.tasks(Measure)
    dialog = ask(qtbot, window)
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    assert dialog.stage.text() == "Measuring"
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert "stopped" in dialog.hint.text()
    assert inline.tasks(Measure) == running and window.session.judge.working
    dialog.reject()


def test_numbers_that_were_stopped_are_measured_for_an_export(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    unmeasured(qtbot, window, inline)
    window.session.cancel()
    dialog = ask(qtbot, window)
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    assert dialog.stage.text() == "Measuring"
    window.session.cancel()
    assert "measurement was stopped" in dialog.hint.text()
    inline.held = ()
    export(qtbot, window, dialog)
    items = inline.ran_of(ExportReport)[0].report.items
    assert [item.metric("psnr") is not None for item in items] == [True] * len(items)


def test_a_dialog_of_another_picture_exports_nothing(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    dialog = ask(qtbot, window)
    order = dialog_order(dialog)
    open_photo(qtbot, window, photo("other.png", seed=4))
    assert "Another picture" in dialog.hint.text()
    assert not dialog.export.isEnabled()
    why: list[str] = []
    dialog._exporter.ended.connect(lambda path, reason: why.append(reason))
    dialog._exporter.start(order)  # type: ignore[arg-type]
    assert "Another picture" in why[0] and not dialog._exporter.working
    tick(dialog, "JPEG XL")
    assert not dialog.export.isEnabled()
    dialog.reject()


def test_cancel_while_writing_leaves_nothing_half_written(
    qtbot: QtBot, window: Window, inline: InlineEngine, tmp_path: Path
) -> None:
    inline.held = (ExportEvidence,)
    dialog = ask(qtbot, window, Form.EVIDENCE)
    half = tmp_path / ".my-cat-evidence.zip.0123abcd.part"
    half.write_bytes(b"half")
    other = tmp_path / ".my-dog.zip.0123abcd.part"
    other.write_bytes(b"another program's")
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.stage.text() == "Working")
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)
    job = next(given.id for given in inline.given if isinstance(given.task, ExportEvidence))
    assert job in inline.stopped
    inline.cancelled.emit(job)  # as the engine answers
    assert "stopped" in dialog.hint.text()
    qtbot.waitUntil(lambda: bool(inline.ran_of(Sweep)) and window.session.idle)
    assert not half.exists()
    assert other.exists()
    dialog.reject()


def test_a_failure_is_told_in_the_dialog(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    dialog = ask(qtbot, window, Form.FILES)
    folder = tmp_path / "files"
    dialog.path.setText(str(folder))
    folder.write_text("in the way")  # since the name was checked
    with qtbot.waitSignal(window.session.save_failed, timeout=20000):
        dialog._exporter.start(dialog_order(dialog))
    assert "cannot write" in dialog.hint.text()
    assert dialog.isVisible()
    dialog.reject()


def dialog_order(dialog: ExportDialog) -> object:
    from app.exporter import Order

    return Order(Form.FILES, Path(dialog.path.text()), dialog.chosen, dialog._exporter.picture)


def test_boxes_are_named_and_a_labelled_crop_takes_the_selected_one(qtbot: QtBot, window: Window) -> None:
    window.session.crops.add(10, 12, 20, 16, "Ear")
    dialog = ask(qtbot, window, Form.LABELLED)
    assert "Ear" in dialog.places.text()
    assert Path(dialog.path.text()).name == "my-cat-crop-Ear.png"
    path = export(qtbot, window, dialog)
    assert Picture.open(path).width > 600


def test_browse_puts_what_was_found_into_the_name(
    qtbot: QtBot, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = ask(qtbot, window)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(tmp_path / "found.pdf"), ""))
    qtbot.mouseClick(dialog.browse, Qt.MouseButton.LeftButton)
    assert dialog.path.text() == str(tmp_path / "found.pdf")
    assert dialog.kind.currentData() == ".pdf"
    dialog.reject()


def test_another_picture_ends_an_export_that_still_waits(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    inline.held = (Compress,)
    dialog = ask(qtbot, window)
    tick(dialog, "JPEG XL")
    qtbot.mouseClick(dialog.export, Qt.MouseButton.LeftButton)
    window.session.open([photo("other.png", seed=4)])
    qtbot.waitUntil(lambda: "Another picture" in dialog.hint.text())
    dialog.reject()


def test_results_of_one_codec_and_size_keep_their_own_files(
    qtbot: QtBot, window: Window, inline: InlineEngine
) -> None:
    quality = window.session.view(Side.LEFT).coded
    assert quality is not None
    window.session.set_locked(False)
    window.session.set_rate(Side.LEFT, Rate(quality=quality.encoding.quality))
    settle(qtbot, window)
    dialog = ask(qtbot, window, Form.FILES)
    for title in titles(dialog):
        tick(dialog, title, on="WebP" in title)
    assert len(list(export(qtbot, window, dialog).iterdir())) == 2
