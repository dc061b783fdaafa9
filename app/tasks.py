"""What can the viewer ask of a codec process? One small picklable class for each piece of work."""

from __future__ import annotations

import contextlib
import importlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from app.lanes import FACES, FILES, LEARNED, PLAIN, lane_of
from app.raster import Raster, from_picture
from models import codec, metrics
from models.codec import CATALOGUE, Encoding, Rate
from models.errors import BitstreamError, CodecError, HflicError, PictureError, WeightsError
from models.files import read_file
from models.memory import forget_peak, peak_mib
from models.picture import Picture
from models.reading import check_size
from models.realism import decoder_of
from models.refined import refinable

if TYPE_CHECKING:
    from app.worker import Bench
    from models.faces import Face


@dataclass(frozen=True)
class Coded:
    """An encoding and what decoding its bytes gave.

    decode_s: wall-clock seconds; peak_mib: the most memory the codec's process held meanwhile, where the
    system tells; kmac: thousand multiply-accumulates a pixel there and back, of networks. realistic: whether
    the codec has a realistic decoder for its files; realism: how much of it the raster was made with;
    refinable: whether it can refine latents for a picture; behind: see models.codec.behind; decoder: the
    fingerprint of the realistic decoder that made the raster, "" where none did.
    """

    encoding: Encoding
    raster: Raster
    decode_s: float
    peak_mib: float | None = None
    kmac: float | None = None
    realistic: bool = False
    realism: float = 0.0
    refinable: bool = False
    behind: str | None = None
    decoder: str = ""


@dataclass(frozen=True)
class Measured:
    """One metric's value, or why there is none."""

    value: float | None
    absent: str = ""


@dataclass(frozen=True)
class OpenFile:
    """Read a picture file -> Raster."""

    path: Path
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> Raster:
        """Raises PictureError."""
        bench.watch.step("reading", 0.0)
        picture = Picture.open(self.path)
        return _kept(bench, picture)


@dataclass(frozen=True)
class OpenPixels:
    """Take over pixels from the clipboard -> Raster. `key`: what the raster handed over is called."""

    key: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> Raster:
        """Raises PictureError where there are too many."""
        pixels = bench.picture(self.key).pixels
        check_size(pixels.shape[1], pixels.shape[0], "the pasted picture")
        return _kept(bench, Picture(pixels))


@dataclass(frozen=True)
class OpenBytes:
    """Read a picture file's bytes, as a browser drops them -> Raster."""

    data: bytes
    name: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> Raster:
        """Raises PictureError."""
        return _kept(bench, Picture.from_bytes(self.data, self.name))


@dataclass(frozen=True)
class OpenCoded:
    """Read and decode a compressed file -> Coded. `codec_hint`: an id that tells its lane."""

    path: Path
    codec_hint: str

    @property
    def lane(self) -> str:
        """The lane of the codec the suffix promises."""
        return lane_of(self.codec_hint)

    def run(self, bench: Bench) -> Coded:
        """Raises BitstreamError and WeightsError that name the file, PictureError where it cannot be read."""
        bench.watch.step("reading", 0.0)
        data = _read(self.path)
        try:
            coder = codec.decoder(data)
            begin = time.perf_counter()
            picture = coder.decode(data, bench.watch)
        except (BitstreamError, WeightsError) as error:
            raise type(error)(f"{self.path.name}: {error}") from error
        seconds = time.perf_counter() - begin
        nan = float("nan")
        encoding = Encoding(data, coder.id, nan, picture.width, picture.height, nan, coder.weights)
        raster = _kept(bench, replace(picture, path=self.path))
        return Coded(encoding, raster, seconds, realistic=decoder_of(coder) is not None)


@dataclass(frozen=True)
class Compress:
    """Encode a picture, then decode the bytes -> Coded."""

    reference: str
    codec: str
    rate: Rate

    @property
    def lane(self) -> str:
        """The codec's lane."""
        return lane_of(self.codec)

    def run(self, bench: Bench) -> Coded:
        """Raises CodecError, WeightsError."""
        bench.watch.step("loading the codec", 0.0)
        coder = codec.get(self.codec)
        picture = bench.picture(self.reference)
        known = forget_peak()
        encoding = coder.encode(picture, self.rate, bench.watch)
        bench.watch.step("decoding", 0.0)
        begin = time.perf_counter()
        decoded = coder.decode(encoding.data, bench.watch)
        seconds = time.perf_counter() - begin
        peak = peak_mib() if known else None
        bench.watch.step("showing", 1.0)
        kmac: float | None = getattr(coder, "kmac_per_pixel", None)
        realistic = decoder_of(coder) is not None
        raster = _kept(bench, decoded)
        can, behind = refinable(coder), codec.behind(coder)
        return Coded(encoding, raster, seconds, peak, kmac, realistic, refinable=can, behind=behind)


@dataclass(frozen=True)
class Measure:
    """Compare a decoded picture with its original -> Measured."""

    metric: str
    reference: str
    picture: str

    @property
    def lane(self) -> str:
        """Metrics that need no network do not wait for one."""
        return LEARNED if metrics.TABLE[self.metric].needs else PLAIN

    def run(self, bench: Bench) -> Measured:
        """A metric that cannot be computed here is a result, not a failure."""
        reference, picture = bench.picture(self.reference), bench.picture(self.picture)
        try:
            return Measured(metrics.compute(self.metric, reference, picture, bench.watch))
        except HflicError as error:
            return Measured(None, str(error))


@dataclass(frozen=True)
class Difference:
    """The absolute difference of two pictures of one size -> Raster, full scale 255."""

    left: str
    right: str
    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> Raster:
        """Raises nothing for people: the sizes are equal by construction."""
        left, right = bench.picture(self.left).pixels, bench.picture(self.right).pixels
        return from_picture(Picture(np.maximum(left, right) - np.minimum(left, right)))


@dataclass(frozen=True)
class FindFaces:
    """Find the faces of a picture -> tuple of models.faces.Face, most certain first."""

    picture: str
    lane: ClassVar[str] = FACES

    def run(self, bench: Bench) -> tuple[Face, ...]:
        """Raises WeightsError where the detector is not installed."""
        from models.faces import detect

        bench.watch.step("looking for faces", 0.0)
        return tuple(detect(bench.picture(self.picture)))


@dataclass(frozen=True)
class Examine:
    """Ask why each codec cannot be used here, "" where it can -> dict of id to reason.

    Weights are judged by their headers, so the answer does not wait for torch.
    """

    lane: ClassVar[str] = PLAIN

    def run(self, bench: Bench) -> dict[str, str]:
        """A codec whose library breaks while loading counts as not usable."""
        reasons: dict[str, str] = {}
        for line in CATALOGUE:
            try:
                reasons[line.id] = codec.missing(line.id)
            except (HflicError, ImportError) as error:
                reasons[line.id] = str(error)
        return reasons


@dataclass(frozen=True)
class WarmUp:
    """Load what every learned codec and metric needs, so that the first real task begins at once -> None.

    The codec that is offered first is loaded and used once: whatever torch prepares at a first use is then
    prepared for all of them.
    """

    lane: ClassVar[str] = LEARNED

    def run(self, bench: Bench) -> None:
        """Raises CodecError where torch does not load."""
        try:
            importlib.import_module("models.learned")
        except (ImportError, OSError) as error:
            raise CodecError(f"torch does not load ({error}): run make setup again") from error
        first = next((line.id for line in CATALOGUE if line.learned and not codec.missing(line.id)), None)
        if first is not None:
            bench.watch.step(f"loading {first}", 0.5)
            with contextlib.suppress(HflicError):  # whoever needs it hears of it then
                coder = codec.get(first)
                coder.decode(
                    coder.encode(Picture(np.full((64, 64, 3), 128, np.uint8)), Rate(quality=50)).data
                )


@dataclass(frozen=True)
class SaveFile:
    """Write bytes to a file, all or nothing -> the path."""

    path: Path
    data: bytes
    lane: ClassVar[str] = FILES

    def run(self, bench: Bench) -> Path:
        """Raises OutputError."""
        from models.files import write_file

        write_file(self.path, self.data)
        return self.path


@dataclass(frozen=True)
class SavePicture:
    """Write a picture in the format of the path's suffix, all or nothing -> the path."""

    path: Path
    digest: str
    lane: ClassVar[str] = FILES

    def run(self, bench: Bench) -> Path:
        """Raises OutputError."""
        bench.picture(self.digest).save(self.path)
        return self.path


def _kept(bench: Bench, picture: Picture) -> Raster:
    bench.watch.step("showing", 1.0)
    raster = from_picture(picture)
    bench.keep(raster.digest, picture)
    return raster


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise PictureError(f"{path.name} cannot be read: {error.strerror or error}") from error
