"""An open file changes on disk: it is read again, once, and a person is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app import filewatch
from app.filewatch import FileWatch
from app.raster import from_picture
from app.session import Session
from app.state import FILE, Side
from app.tasks import OpenCoded, OpenFile
from app.window import Window
from models import codec
from models.codec import Rate
from models.paths import there
from models.picture import Picture
from tests.app.conftest import scene, shown
from tests.app.engines import InlineEngine


@pytest.fixture
def window(qtbot: QtBot, inline: InlineEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setattr(filewatch, "QUIET_MS", 60)
    session = Session(inline, "webp", "jpeg", Rate(bpp=2.0))  # type: ignore[arg-type]
    with shown(qtbot, session) as made:
        yield made


def settle(qtbot: QtBot, window: Window) -> None:
    qtbot.waitUntil(lambda: window.session.idle and window.session.picture is not None, timeout=20000)


def digest_of(path: Path) -> str:
    return Picture.open(path).digest


def shows(window: Window, digest: str) -> Callable[[], bool]:
    def there() -> bool:
        picture = window.session.picture
        return window.session.idle and picture is not None and picture.digest == digest

    return there


def test_a_changed_picture_is_read_again_and_compressed_anew(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    window.viewport.zoom_to(4.0)
    photo(seed=5)  # over the first
    qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)
    assert "changed on disk" in window.status.currentMessage()
    assert window.viewport.scale == 4.0  # the view stays
    for side in Side:
        assert not window.session.view(side).stale


def test_a_picture_that_is_replaced_is_noticed_every_time(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    for seed in (6, 7):  # as editors save: a new file takes the name
        photo("new.png", seed=seed).replace(path)
        qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)


def test_several_writes_are_one_reading(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    before = len(inline.ran_of(OpenFile))
    for seed in range(8, 13):
        photo(seed=seed)
    qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)
    assert len(inline.ran_of(OpenFile)) == before + 1


def test_a_deleted_picture_stays_open_and_comes_back(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    shown_picture = window.session.picture
    path.unlink()
    qtbot.waitUntil(lambda: "not there any more" in window.messages.text, timeout=20000)
    assert window.session.picture is shown_picture
    photo(seed=4)
    qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)
    assert window.messages.text == ""


def test_a_half_written_picture_is_a_message_and_the_last_one_stays(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    before = window.session.picture
    path.write_bytes(path.read_bytes()[:60])
    qtbot.waitUntil(lambda: path.name in window.messages.text, timeout=20000)
    assert window.session.picture is before


def test_a_changed_compressed_file_is_decoded_again(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    window.commands.open_paths([photo()])
    settle(qtbot, window)
    path, picture = tmp_path / "b.webp", Picture(scene(96, 64))
    path.write_bytes(codec.get("webp").encode(picture, Rate(quality=10)).data)
    window.session.open([path], Side.RIGHT)
    settle(qtbot, window)
    new = codec.get("webp").encode(picture, Rate(quality=90)).data
    path.write_bytes(new)

    def there() -> bool:
        coded = window.session.view(Side.RIGHT).coded
        return window.session.idle and coded is not None and coded.encoding.data == new

    qtbot.waitUntil(there, timeout=20000)


def compressed(path: Path, quality: int, width: int = 96, height: int = 64) -> bytes:
    """Write a WebP file, give its bytes."""
    data = codec.get("webp").encode(Picture(scene(width, height)), Rate(quality=quality)).data
    path.write_bytes(data)
    return data


def has(window: Window, side: Side, data: bytes) -> Callable[[], bool]:
    def there() -> bool:
        file = window.session.file(side)
        return window.session.idle and file is not None and file.encoding.data == data

    return there


def hidden_beside(qtbot: QtBot, window: Window, original: Path, path: Path) -> None:
    """Open a photo and a compressed file on side B, and then show a codec there."""
    window.commands.open_paths([original])
    settle(qtbot, window)
    compressed(path, 10)
    window.session.open([path], Side.RIGHT)
    settle(qtbot, window)
    window.session.choose(Side.RIGHT, "avif")
    settle(qtbot, window)


def test_a_changed_file_that_is_not_shown_waits_anew_and_never_becomes_the_picture(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    original, path = photo(), tmp_path / "b.webp"
    hidden_beside(qtbot, window, original, path)
    others: list[None] = []
    window.session.picture_changed.connect(lambda: others.append(None))
    new = compressed(path, 90)
    qtbot.waitUntil(has(window, Side.RIGHT, new), timeout=20000)
    assert window.session.picture is not None
    assert window.session.picture.path == original
    assert not others, "nothing that belongs to the picture is dropped"
    assert window.session.choice(Side.RIGHT).codec == "avif"
    window.session.choose(Side.RIGHT, FILE)
    coded = window.session.view(Side.RIGHT).coded
    assert coded is not None
    assert coded.encoding.data == new


def test_a_file_that_is_not_shown_and_got_another_size_is_not_offered_any_more(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "b.webp"
    hidden_beside(qtbot, window, photo(), path)
    compressed(path, 10, 80, 60)
    qtbot.waitUntil(lambda: window.session.file(Side.RIGHT) is None, timeout=20000)
    assert window.session.picture is not None
    assert FILE not in codecs_offered(window, Side.RIGHT)


def codecs_offered(window: Window, side: Side) -> list[object]:
    box = window.inspector.sides[side].codec
    return [box.itemData(at) for at in range(box.count())]


def test_files_that_change_together_are_all_read_again(
    qtbot: QtBot, window: Window, photo: Callable[..., Path], tmp_path: Path
) -> None:
    original, path = photo(), tmp_path / "b.webp"
    window.commands.open_paths([original])
    settle(qtbot, window)
    compressed(path, 10)
    window.session.open([path], Side.LEFT)
    settle(qtbot, window)
    window.session.open([path], Side.RIGHT)
    settle(qtbot, window)
    photo(seed=5)
    new = compressed(path, 90)
    qtbot.waitUntil(shows(window, digest_of(original)), timeout=20000)
    for side in Side:
        qtbot.waitUntil(has(window, side, new), timeout=20000)
        assert window.session.choice(side).codec == FILE


def test_a_reading_waits_until_what_a_person_opens_is_there(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    first, second = photo("a.png"), photo("b.png", seed=1)
    window.commands.open_paths([first])
    settle(qtbot, window)
    inline.held = (OpenFile,)
    window.commands.open_paths([second])
    opening = inline.tasks(OpenFile)[-1]
    photo("a.png", seed=2)
    qtbot.waitUntil(lambda: "changed on disk" in window.status.currentMessage(), timeout=20000)
    assert inline.tasks(OpenFile)[-1] is opening
    inline.finished.emit(opening.id, from_picture(Picture.open(second)))
    settle(qtbot, window)
    assert inline.tasks(OpenFile)[-1] is opening  # the first is not open any more


def test_a_reading_that_gave_way_to_an_opening_comes_after_it(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path], tmp_path: Path
) -> None:
    original, path = photo(), tmp_path / "b.webp"
    window.commands.open_paths([original])
    settle(qtbot, window)
    compressed(path, 10)
    inline.held = (OpenFile, OpenCoded)
    photo(seed=5)
    qtbot.waitUntil(lambda: bool(window.session.reloader.job), timeout=20000)
    reading = inline.tasks(OpenFile)[-1]
    inline.held = ()
    window.session.open([path], Side.RIGHT)
    assert reading.id in inline.stopped
    qtbot.waitUntil(shows(window, digest_of(original)), timeout=20000)
    assert window.session.choice(Side.RIGHT).codec == FILE


def test_boxes_stay_with_a_picture_that_changed_but_not_its_size(
    qtbot: QtBot, window: Window, photo: Callable[..., Path]
) -> None:
    path = photo()
    window.commands.open_paths([path])
    settle(qtbot, window)
    box = window.session.crops.add(10, 12, 30, 20, "eye")
    photo(seed=5)
    qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)
    assert window.session.crops.all() == (box,)
    photo(width=120, seed=6)
    qtbot.waitUntil(shows(window, digest_of(path)), timeout=20000)
    assert window.session.crops.all() == ()


def test_a_place_that_cannot_be_looked_at_holds_nothing_and_can_be_watched(
    qtbot: QtBot, dead: Path, tmp_path: Path
) -> None:
    assert not there((dead / "a.png").exists)
    assert there(tmp_path.is_dir)
    watch = FileWatch()
    watch.watch([dead / "a.png"])
    watch.look()
    watch.stop()


def test_another_picture_is_watched_in_place_of_the_last(
    qtbot: QtBot, window: Window, inline: InlineEngine, photo: Callable[..., Path]
) -> None:
    first, second = photo("a.png"), photo("b.png", seed=1)
    window.commands.open_paths([first])
    settle(qtbot, window)
    window.commands.open_paths([second])
    qtbot.waitUntil(shows(window, digest_of(second)), timeout=20000)
    ran = len(inline.ran_of(OpenFile))
    photo("a.png", seed=2)
    photo("b.png", seed=3)
    qtbot.waitUntil(shows(window, digest_of(second)), timeout=20000)
    assert [task.path for task in inline.ran_of(OpenFile)[ran:]] == [second]


def test_a_file_that_is_written_alike_is_not_read_again(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"one")
    watch = FileWatch()
    told: list[Path] = []
    watch.changed.connect(told.append)
    watch.watch([path])
    watch.look()
    assert told == []
    path.write_bytes(b"three")
    watch.accept(path)  # somebody has read it already
    watch.look()
    assert told == []
    path.write_bytes(b"seven letters")
    watch.look()
    watch.look()
    assert told == [path]
    watch.stop()
    path.unlink()
    watch.look()
    assert told == [path]
