"""How do pictures become files and files pictures on the command line? encode and decode."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from app.cli_console import FailedError, UsageError, hint, print_json, progress, say
from models import codec as codecs
from models import files
from models.bitstream import container
from models.codec import QUIET, Codec, Encoding, Rate, Watch
from models.errors import BitstreamError, CodecError, WeightsError
from models.files import write_file
from models.memory import fitting
from models.picture import Picture
from models.realism import decode as decode_as

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quality = Annotated[float | None, typer.Option(help="Quality from 0 to 100.")]
Bpp = Annotated[float | None, typer.Option(help="Wanted bits per pixel of the whole file.")]
Bytes = Annotated[int | None, typer.Option("--bytes", help="Wanted size of the file in bytes.")]
CodecId = Annotated[
    str,
    typer.Option(
        "--codec",
        metavar="ID",
        help="Codec to use; see [b]hflic models list[/b]. ID~100 refines its latents for the picture: slow.",
    ),
]

Device = Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Where the neural transforms run.")]


def choose_device(name: str) -> None:
    """Take the device for the codecs made after this. Raises CodecError where it is not there."""
    if name != "cpu":
        from models.learned import use_device

        use_device(name)


def rate_of(quality: float | None, bpp: float | None, size: int | None = None) -> Rate:
    """The rate three options ask for. Raises UsageError unless exactly one was given."""
    if sum(v is not None for v in (quality, bpp, size)) != 1:
        raise UsageError("give exactly one of --quality, --bpp and --bytes")
    return Rate(quality=quality, bpp=bpp, bytes=size)


def read_file(path: Path) -> bytes:
    """A compressed file's bytes. Raises UsageError when there is nothing to read."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: give the name of a file")
    try:
        return files.read_file(path)
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def check_output(out: Path, source: Path) -> None:
    """Raises UsageError where the result would take the place of what it is made from."""
    if out.exists() and out.samefile(source):
        raise UsageError(f"{out} is the input itself: choose another name with -o")


def check_folder(out: Path) -> None:
    """Raises FailedError where there is no folder to write into, before hours of work."""
    if not out.parent.is_dir():
        raise FailedError(f"cannot write {out}: the folder {out.parent} does not exist, create it first")


def beside(source: Path, suffix: str) -> Path:
    """Where a result goes that nobody named: the input's name with another suffix.

    Raises UsageError where somebody's own file may be there; a .hflic file can only be an earlier result.
    """
    out = source.with_suffix(suffix)
    check_output(out, source)
    if suffix != ".hflic" and out.exists():
        raise UsageError(f"{out} is there already: -o {out} replaces it, another name keeps both")
    return out


def json_of(encoding: Encoding, decode_s: float | None = None) -> dict[str, Any]:
    """The keys every command gives for a compressed picture. Seconds that were not spent are None."""
    return {
        "codec": encoding.codec,
        "weights": encoding.weights,
        "quality": encoding.quality,
        "width": encoding.width,
        "height": encoding.height,
        "bytes": encoding.bytes,
        "bpp": encoding.bpp,
        "encode_s": encoding.encode_s,
        "decode_s": decode_s,
        "latents_crc": encoding.latents_crc,
        "note": encoding.note,
    }


def encode(
    image: Annotated[Path, typer.Argument(help="Picture to compress.")],
    codec: CodecId = "hflic",
    quality: Quality = None,
    bpp: Bpp = None,
    size: Bytes = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write (default: beside the picture; there, only .hflic files are replaced).",
        ),
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Scale a picture down that needs more memory than is allowed.")
    ] = False,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Compress a picture to a file of the wanted quality or size."""
    choose_device(device)
    rate = rate_of(quality, bpp, size)
    coder = codecs.get(codec)
    picture = Picture.open(image)
    out = out or beside(image, coder.suffix)
    check_output(out, image)
    if fit:
        picture = fitted(coder, picture)
    with progress(f"{image.name} with {codec}") as watch:
        encoding = coder.encode(picture, rate, watch)
        codecs.read_back(coder, encoding.data, watch)
    write_file(out, encoding.data)
    for notice in picture.notices:
        hint(f"{image.name}: {notice}")
    if as_json:
        print_json({"image": str(image), "file": str(out), **json_of(encoding)})
        return
    say(
        f"{out}: {encoding.bytes} bytes, {encoding.bpp:.4f} bpp, {encoding.codec} at quality "
        f"{encoding.quality:.4g}, {encoding.encode_s:.2f} s"
        + (f" ({encoding.note})" if encoding.note else "")
    )


def fitted(coder: Codec, picture: Picture) -> Picture:
    """The picture in the largest size that the codec takes within the memory allowed.

    As it is where it fits, where no size does, and for codecs that do not foretell what they take.
    """
    memory: Callable[[int, int], float] | None = getattr(coder, "memory", None)
    size = fitting(memory, picture.width, picture.height) if memory is not None else None
    if size is None or size == (picture.width, picture.height):
        return picture
    return picture.scaled(*size)


def decode(
    file: Annotated[Path, typer.Argument(help="Compressed file of any codec of this program.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Picture to write (default: the file's name as .png, unless that is there).",
        ),
    ] = None,
    realism: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="How much of the codec's realistic decoder to use, 0 (faithful) to 1, where it has one.",
        ),
    ] = 0.0,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="Say by how many levels of 255 the pixels differ from these."),
    ] = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Turn a compressed file back into a picture."""
    choose_device(device)
    data = read_file(file)
    out = out or beside(file, ".png")
    check_output(out, file)
    Picture.check_suffix(out)
    other = Picture.open(against) if against is not None else None
    coder = decoder_of(file, data)
    with progress(f"{file.name} from {coder.id}") as watch:
        begin = time.perf_counter()
        picture = decoded(file, coder, data, watch, realism)
        seconds = time.perf_counter() - begin
    differs = {} if other is None else {"differs_by": _levels_apart(picture, other, str(against))}
    picture.save(out)
    if as_json:
        facts = decoded_json(data, coder, picture, seconds) | {"realism": realism} | differs
        print_json({"file": str(file), "image": str(out), **facts})
        return
    how = f", realism {realism:g}" if realism else ""
    apart = "".join(f", differs from {against} by up to {levels}" for levels in differs.values())
    say(f"{out}: {picture.width}x{picture.height}, {coder.id}{how}, {seconds:.2f} s{apart}")


def _levels_apart(picture: Picture, other: Picture, name: str) -> int:
    """The greatest difference of any sample, 0..255. Raises UsageError where the sizes differ."""
    if picture.pixels.shape != other.pixels.shape:
        raise UsageError(
            f"{name} has {other.width}x{other.height} pixels, the file {picture.width}x{picture.height}"
        )
    one, two = picture.pixels, other.pixels
    return int((np.maximum(one, two) - np.minimum(one, two)).max())


def decoder_of(file: Path, data: bytes) -> Codec:
    """The codec that reads a file. Raises BitstreamError and WeightsError that name the file."""
    try:
        return codecs.decoder(data)
    except (BitstreamError, WeightsError) as error:
        raise type(error)(f"{file}: {error}") from error


def parsed_file(file: Path, data: bytes) -> container.HflicFile:
    """What a .hflic file says. Raises BitstreamError that names the file."""
    try:
        return container.parse(data)
    except BitstreamError as error:
        raise BitstreamError(f"{file}: {error}") from error


def decoded(file: Path, coder: Codec, data: bytes, watch: Watch = QUIET, realism: float = 0.0) -> Picture:
    """The picture in a file. Raises BitstreamError and CodecError that name the file.

    `realism`: how much of the codec's realistic decoder is used, 0..1; CodecError where it has none.
    """
    try:
        return decode_as(coder, data, realism, watch)
    except (BitstreamError, CodecError) as error:
        raise type(error)(f"{file}: {error}") from error


def decoded_json(data: bytes, coder: Codec, picture: Picture, seconds: float) -> dict[str, Any]:
    """The agreed keys of a decoded file; what a file does not tell is None."""
    learned = container.parse(data) if data.startswith(container.MAGIC) else None
    return {
        "codec": coder.id,
        "weights": coder.weights,
        "quality": learned.quality if learned else None,
        "width": picture.width,
        "height": picture.height,
        "bytes": len(data),
        "bpp": 8 * len(data) / (picture.width * picture.height),
        "encode_s": None,
        "decode_s": seconds,
        "latents_crc": learned.latents_crc if learned else None,
    }
