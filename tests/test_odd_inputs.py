"""Odd names, odd files, odd disks: each ends in a picture or in one line, and nothing is lost."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from models import codec as codecs
from models import files
from models.codec import Encoding, Rate, Watch
from models.errors import OutputError, PictureError
from models.picture import Picture
from models.training.trainer import atomic_save, load_checkpoint
from tests.command_line import SENTINEL, one_line, run
from tests.fuzz.mutations import png_with_right_checksums
from tests.untrained import photo as made_photo

POSIX = pytest.mark.skipif(os.name == "nt", reason="pipes with a name")
NAMES = (
    "Grüße 東京 🌅.png",
    "-rf.png",
    "a b\tc'\"$(x);&.png",
    "x" * 240 + ".png",
    "%s{0}.png",
    "é" * 100 + ".png",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_goes_in_and_out(name: str, photo: Path, tmp_path: Path) -> None:
    source = tmp_path / name
    try:
        source.write_bytes(photo.read_bytes())
    except OSError:
        pytest.skip("this file system does not take the name")
    out = source.with_suffix(".jpg")
    code, _, errors = run("encode", "--codec", "jpeg", "--quality", "50", "-o", out, "--", source)
    assert code == 0, errors
    code, _, errors = run("decode", "-o", tmp_path / "again.png", "--", out)
    assert code == 0, errors
    assert Picture.open(tmp_path / "again.png").pixels.shape == (170, 200, 3)
    assert not list(tmp_path.glob(".*.part"))


def test_paths_of_thousands_of_characters(photo: Path, tmp_path: Path) -> None:
    """One that is there, reached step by step, and one no system has."""
    deep = tmp_path
    before = Path.cwd()
    try:
        while len(str(deep)) < 3500:
            deep /= "d" * 200
            deep.mkdir()
        out = deep / "out.jpg"
        assert run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)[0] == 0
        assert Picture.open(out).width == 200
    finally:
        os.chdir(before)
    for name in ("n" * 4000 + ".png", "/".join(["d" * 200] * 30) + "/x.png"):
        code, _, errors = run("encode", tmp_path / name, "--codec", "jpeg", "--quality", "50")
        assert code == 2 and one_line(errors)
        code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", tmp_path / name)
        assert code == 1 and one_line(errors)
        with pytest.raises(OutputError, match="cannot write"):
            Picture.open(photo).save(tmp_path / name)


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_the_content_counts_and_not_the_suffix(format: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.png"
    Image.fromarray(made_photo(40, 30).pixels).save(path, format=format)
    assert Picture.open(path).pixels.shape == (30, 40, 3)


def test_a_compressed_file_under_a_pictures_name(learned: str, tmp_path: Path) -> None:
    data = codecs.get(learned).encode(made_photo(40, 30), Rate(quality=50)).data
    path = tmp_path / "really.png"
    path.write_bytes(data)
    with pytest.raises(PictureError, match="not a picture"):
        Picture.open(path)
    assert run("decode", path, "-o", tmp_path / "out.png")[0] == 0


@pytest.mark.parametrize("pages", [1, 3])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "LAB"])
def test_tiff_of_every_mode_and_several_pages(mode: str, pages: int) -> None:
    base = Image.fromarray(made_photo(40, 30).pixels)
    if mode == "LAB":
        image = Image.merge("LAB", base.split())
    elif mode == "P":
        image = base.quantize(16)
    else:
        image = base.convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, format="TIFF", save_all=True, append_images=[image] * (pages - 1))
    picture = Picture.from_bytes(buffer.getvalue())
    assert picture.pixels.shape == (30, 40, 3) and picture.pixels.std() > 5
    assert any("only the first" in notice for notice in picture.notices) == (pages > 1)


@pytest.mark.parametrize(("suffix", "channels"), [(".png", 3), (".png", 4), (".tiff", 3), (".tiff", 4)])
def test_sixteen_bits_a_channel(suffix: str, channels: int) -> None:
    values = made_photo(40, 30).pixels
    pixels = np.full((30, 40, channels), 65535, np.uint16)
    pixels[..., :3] = values[..., ::-1].astype(np.uint16) * 257
    picture = Picture.from_bytes(cv2.imencode(suffix, pixels)[1].tobytes())
    assert np.array_equal(picture.pixels, values)
    assert picture.notices == ("16 bits a channel were reduced to 8.",)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_progressive_and_baseline_jpeg_are_the_same_picture(mode: str) -> None:
    image = Image.fromarray(made_photo(61, 47).pixels).convert(mode)
    made = []
    for progressive in (False, True):
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=85, progressive=progressive)
        made.append(Picture.from_bytes(buffer.getvalue()).pixels)
    assert np.array_equal(*made)


def test_a_palette_with_partial_transparency() -> None:
    image = Image.fromarray(made_photo(40, 30).pixels).quantize(4)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", transparency=bytes((0, 100, 255, 255)))
    picture = Picture.from_bytes(buffer.getvalue())
    assert "laid over white" in " ".join(picture.notices)


@POSIX
def test_a_pipe_is_no_picture_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not a plain file"):
        Picture.open(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not a plain file"):
        Picture.open(Path("/dev/zero"))


@POSIX
def test_a_compressed_file_comes_slowly_through_a_pipe(tmp_path: Path) -> None:
    data = codecs.get("jpeg").encode(made_photo(90, 60), Rate(quality=70)).data
    pipe = tmp_path / "slow.jpg"
    os.mkfifo(pipe)

    def trickle() -> None:
        with pipe.open("wb", buffering=0) as file:
            for start in range(0, len(data), 500):
                file.write(data[start : start + 500])
                time.sleep(0.002)

    writer = threading.Thread(target=trickle)
    writer.start()
    code, _, errors = run("decode", pipe, "-o", tmp_path / "out.png")
    writer.join()
    assert code == 0, errors
    assert Picture.open(tmp_path / "out.png").width == 90


@POSIX
def test_a_device_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files.read_file
    monkeypatch.setattr(files, "read_file", lambda path: whole(path, 10_000))
    code, _, errors = run("decode", "/dev/zero", "-o", tmp_path / "out.png")
    assert code == 2 and one_line(errors) and "too large" in errors.lower()


class Spy:
    """A codec that does something just before it encodes."""

    suffix = ".jpg"

    def __init__(self, act: Callable[[], object]) -> None:
        self._inner, self._act = codecs.get("jpeg"), act
        self.id, self.weights = self._inner.id, None

    def encode(self, picture: Picture, rate: Rate, watch: Watch) -> Encoding:
        self._act()
        return self._inner.encode(picture, rate, watch)


def test_a_picture_that_is_removed_while_it_is_encoded(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read as a whole: the result is complete."""
    spy = Spy(photo.unlink)
    monkeypatch.setattr(codecs, "get", lambda _: spy)
    out = tmp_path / "out.jpg"
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
    assert code == 0, errors
    assert not photo.exists() and Picture.open(out).width == 200


def test_a_folder_that_is_removed_while_it_is_written_to(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    spy = Spy(place.rmdir)
    monkeypatch.setattr(codecs, "get", lambda _: spy)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", place / "out.jpg")
    assert code == 1 and one_line(errors) and "does not exist" in errors


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Small disks of their own, where this user may mount some: `mounted(kilobytes)`."""
    made: list[Path] = []

    def mount(kilobytes: int) -> Path:
        place = tmp_path / f"disk-{len(made)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this user may not mount a disk")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_the_earlier_file(photo: Path, mounted: Callable[..., Path]) -> None:
    disk = mounted(16)
    out = disk / "out.jpg"
    out.write_bytes(SENTINEL)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "100", "-o", out)
    assert code == 1 and one_line(errors) and "No space left" in errors
    assert out.read_bytes() == SENTINEL and [path.name for path in disk.iterdir()] == ["out.jpg"]


def test_a_checkpoint_that_a_full_disk_does_not_take(mounted: Callable[..., Path]) -> None:
    """The one before is kept, the half-written one is gone, and the line says what happened."""
    path = mounted(256) / "checkpoint.pt"
    atomic_save({"step": 1, "value": torch.ones(1000)}, path)
    with pytest.raises(OutputError, match=r"cannot write .*checkpoint\.pt: No space left .* --resume"):
        atomic_save({"step": 2, "value": torch.ones(1 << 20)}, path)
    assert load_checkpoint(path)["step"] == 1
    assert [each.name for each in path.parent.iterdir()] == ["checkpoint.pt"]


@pytest.fixture
def powerless() -> Iterator[tuple[Path, Callable[[], AbstractContextManager[None]]]]:
    """A folder that others may enter, and a way to be one of them: root may read and write everything."""
    if os.name == "nt":
        pytest.skip("rights are another matter there")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)

    @contextmanager
    def be() -> Iterator[None]:
        root = os.geteuid() == 0
        if root:
            os.seteuid(65_534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    yield folder, be
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700)
    shutil.rmtree(folder)


def test_a_read_only_folder_and_an_unreadable_picture(
    photo: Path, powerless: tuple[Path, Callable[[], AbstractContextManager[None]]]
) -> None:
    folder, be = powerless
    source, secret, locked = folder / "in.png", folder / "secret.png", folder / "locked"
    for path in (source, secret):
        path.write_bytes(photo.read_bytes())
    source.chmod(0o444)
    secret.chmod(0)
    locked.mkdir()
    out = locked / "out.jpg"
    out.write_bytes(SENTINEL)
    locked.chmod(0o555)
    options = ("--codec", "jpeg", "--quality", "50", "-o", out)
    assert run("encode", photo, *options[:-1], photo.with_name("warm.jpg"))[0] == 0  # all is imported
    with be():
        code, _, errors = run("encode", source, *options)
        assert code == 1 and one_line(errors) and "ermission" in errors
        assert out.read_bytes() == SENTINEL and [path.name for path in locked.iterdir()] == ["out.jpg"]
        code, _, errors = run("encode", secret, *options)
        assert code == 2 and one_line(errors) and "permission denied" in errors


@pytest.mark.parametrize("format", ["PNG", "AVIF", "GIF", "WEBP"])
def test_every_format_of_animations_gives_its_first_frame(format: str) -> None:
    first, second = (Image.fromarray(made_photo(40, 30, seed).pixels) for seed in range(2))
    buffer = io.BytesIO()
    first.save(buffer, format=format, save_all=True, append_images=[second])
    picture = Picture.from_bytes(buffer.getvalue())
    off = [np.abs(picture.pixels.astype(int) - np.asarray(frame)).mean() for frame in (first, second)]
    assert off[0] < 15 < off[1]
    assert any("only the first" in notice for notice in picture.notices)


@pytest.mark.parametrize("suffix", [".hflic", ".jpg", ".webp", ".avif", ".png", ""])
def test_files_of_zero_bytes(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"empty{suffix}"
    path.touch()
    for arguments in (
        ("decode", path, "-o", tmp_path / "out.png"),
        ("info", path),
        ("encode", path, "--codec", "jpeg", "--quality", "50", "-o", tmp_path / "out.jpg"),
    ):
        code, printed, errors = run(*arguments)
        assert code == 2 and printed == "" and one_line(errors), (arguments, errors)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_read_only_disk_is_told(photo: Path, mounted: Callable[..., Path]) -> None:
    disk = mounted(64)
    out = disk / "out.jpg"
    out.write_bytes(SENTINEL)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
    assert code == 1 and one_line(errors) and "Read-only" in errors
    assert out.read_bytes() == SENTINEL


@pytest.mark.parametrize("stage", ["write", "fsync", "replace"])
def test_a_disk_that_fails_at_any_stage(
    stage: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever nothing can be mounted too."""
    folder = tmp_path / "full"
    folder.mkdir()
    out = folder / "out.jpg"
    out.write_bytes(SENTINEL)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if stage == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif stage == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        real = Path.open

        def opened(path: Path, mode: str = "r", **more: Any) -> Any:
            file = real(path, mode, **more)
            if "x" not in mode:
                return file
            file.write(b"some of it")
            file.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "open", opened)
    code, _, errors = run("encode", photo, "--codec", "jpeg", "--quality", "50", "-o", out)
    assert code == 1 and one_line(errors) and "No space left" in errors
    monkeypatch.undo()
    assert out.read_bytes() == SENTINEL and [path.name for path in folder.iterdir()] == ["out.jpg"]


@pytest.mark.parametrize("format", ["GIF", "TIFF"])
def test_a_few_bytes_that_claim_a_hundred_megapixels_are_refused(format: str) -> None:
    """Found by the fuzzer: 2 GB and half a minute for a file of a few hundred bytes."""
    buffer = io.BytesIO()
    Image.fromarray(made_photo(61, 47).pixels).convert("1").save(buffer, format=format)
    data = buffer.getvalue()
    for old, new in ((61, 14_000), (47, 14_000)):
        data = data[:300].replace(old.to_bytes(2, "little"), new.to_bytes(2, "little")) + data[300:]
    with pytest.raises(PictureError, match=r"claims|damaged"):
        Picture.from_bytes(data)


def test_a_palette_picture_without_its_palette_is_damaged() -> None:
    """Found by the fuzzer (pictures, seed 2593): Pillow asserts."""
    buffer = io.BytesIO()
    Image.fromarray(made_photo(61, 47).pixels).quantize(16).save(buffer, format="PNG")
    data = png_with_right_checksums(buffer.getvalue().replace(b"PLTE", b"plTe"))
    with pytest.raises(PictureError, match="damaged"):
        Picture.from_bytes(data)
