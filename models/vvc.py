"""How does VVC serve as a codec? One intra frame by vvenc, through the ffmpeg of the package imageio-ffmpeg.

The file is a raw VVC stream (Annex B) that every VVC player opens. VVC's 4:2:0 holds even sides only, and
vvenc takes none under 32 pixels, so other pictures are continued at their right and lower edge; a user data
message behind the frame then says by how much, and decoding cuts that off again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models import ffmpeg
from models.codec import QUIET, Encoding, Rate, Watch, entry, reach, timed
from models.errors import BitstreamError, CodecError
from models.ffmpeg import FfmpegError
from models.footprint import PROGRAM
from models.memory import VARIABLE, budget, refusal
from models.picture import Picture
from models.reading import MAX_PIXELS

HIGHEST_QP = 63
SIDE = 8192  # the longest side, pixels: what level 6.2 allows and vvenc takes
SMALLEST = 32
PRESET = "medium"
_HELD = 50.0  # bytes a pixel: 35 in ffmpeg, measured at 0.15 and 1 megapixel, and the picture's copies
_STEP = 100 / HIGHEST_QP  # of quality; a step of QP is about 12% of the size
# Studio range and BT.709 are what players assume of a stream that says nothing else.
_SCALING = "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
_TO_YUV = f"scale=out_range=tv:out_color_matrix=bt709:{_SCALING},format=yuv420p10le"
_TO_RGB = f"scale=in_range=tv:in_color_matrix=bt709:{_SCALING},format=rgb24"
_DELIMITERS = "filter_units=remove_types=20"  # 7 bytes that one frame does not need
# A suffix SEI message (H.266 7.3.2.13, H.274 8.3): NAL unit type 24, user data, 18 bytes, our UUID.
_PADDED = b"\x00\x00\x01\x00\xc1\x05\x12" + b"hflic-vvc-padded"


def create(id: str) -> VvcCodec:
    """The codec. Raises CodecError for any other id."""
    if id != "vvc":
        raise CodecError(f"there is no codec '{id}' here: choose vvc")
    return VvcCodec()


def missing(id: str) -> str:
    """Why the codec cannot be used here and what to do, "" where it can."""
    if ffmpeg.executable() is None:
        return f"VVC needs ffmpeg with libvvenc (Linux x86-64): {ffmpeg.INSTALL}"
    if not (ffmpeg.has("encoders", "libvvenc") and ffmpeg.has("decoders", "vvc")):
        return (
            "this ffmpeg has no libvvenc: imageio-ffmpeg's build has it on Linux x86-64 only; elsewhere name "
            "one that has it in IMAGEIO_FFMPEG_EXE"
        )
    return ""


class VvcCodec:
    """models.codec.Codec of VVC. Quality 0..100 is QP 63..0 in whole steps."""

    id = "vvc"
    suffix = ".vvc"
    weights: str | None = None

    def encode(self, picture: Picture, rate: Rate, watch: Watch = QUIET) -> Encoding:
        """Raises CodecError for a picture too large or where ffmpeg fails, Cancelled at any time."""
        side = max(picture.width, picture.height)
        if side > SIDE:
            raise CodecError(
                f"VVC holds at most {SIDE} pixels a side, not {side}: "
                "scale the picture down or use another codec"
            )
        if reason := refusal(self.memory, picture.width, picture.height):
            raise CodecError(f"VVC: {reason}")
        watch.step("encoding", 0.0)
        encoding = timed(lambda: self._encode(picture, rate, watch))
        watch.step("encoding", 1.0)
        return encoding

    def _encode(self, picture: Picture, rate: Rate, watch: Watch) -> Encoding:
        pixels, note = padded(picture.pixels)
        raw = pixels.tobytes()

        def at(quality: float) -> bytes:
            try:
                return _stream(raw, pixels.shape[1], pixels.shape[0], qp_of(quality), watch) + note
            except FfmpegError as error:
                raise CodecError(f"VVC cannot encode this picture: {error}") from error

        target = rate.target(picture)
        if target is None:
            assert rate.quality is not None
            quality, data, missed = float(rate.quality), at(float(rate.quality)), ""
        else:
            quality, data, missed = reach(at, target, watch, resolution=_STEP)
        quality = 100 - qp_of(quality) * _STEP
        return Encoding(data, self.id, quality, picture.width, picture.height, 0.0, note=missed)

    def memory(self, width: int, height: int) -> float:
        """Bytes that encoding a picture of this size takes at most, here and in ffmpeg together."""
        return PROGRAM + _HELD * width * height

    def decode(self, data: bytes, watch: Watch = QUIET) -> Picture:
        """A raw stream's first frame. Raises BitstreamError, Cancelled at any time."""
        watch.step("decoding", 0.0)
        if not data:
            raise BitstreamError("the VVC file is empty")
        columns, rows = padding_of(data)
        most = most_pixels()
        try:
            # As a PPM, whose header tells the size.
            written = ffmpeg.run(
                [
                    *("-xerror", "-err_detect", "explode", "-max_pixels", str(most), "-f", "vvc"),
                    *(
                        "-i",
                        "pipe:0",
                        "-frames:v",
                        "1",
                        "-vf",
                        _TO_RGB,
                        "-f",
                        "image2pipe",
                        "-c:v",
                        "ppm",
                        "-",
                    ),
                ],
                data,
                watch,
            )
        except FfmpegError as error:
            if ffmpeg.executable() is None:
                raise
            if "exceeds specified max pixel count" in str(error):
                fits = f"fit into the memory allowed: allow more with {VARIABLE}"
                why = fits if most < MAX_PIXELS else "a picture may have here"
                raise BitstreamError(
                    f"the VVC file holds more than the {most / 1e6:.0f} megapixels that {why}"
                ) from error
            raise BitstreamError("the VVC file is damaged or cut short: copy or make it again") from error
        pixels = _ppm(written)
        height, width = pixels.shape[0] - rows, pixels.shape[1] - columns
        if height < 1 or width < 1:
            raise BitstreamError("the VVC file is damaged: it cuts off more than it holds")
        watch.step("decoding", 1.0)
        return Picture(np.ascontiguousarray(pixels[:height, :width]))

    def info(self) -> dict[str, str]:
        """Encoder, chroma format, the meaning of quality and where the format is defined."""
        return {
            "encoder": f"vvenc through ffmpeg, preset {PRESET}, one intra frame, tuned for PSNR",
            "chroma": "4:2:0 at 10 bits, vvenc has no other; BT.709, studio range",
            "quality": f"QP is {HIGHEST_QP} - {HIGHEST_QP / 100:g} quality, whole numbers",
            "defined by": entry(self.id).source,
        }


def most_pixels() -> int:
    """Pixels of the largest picture that is decoded with the memory allowed. Raises CodecError."""
    return max(min(MAX_PIXELS, int((budget() - PROGRAM) / _HELD)), 1)


def qp_of(quality: float) -> int:
    """The quantisation parameter of a quality 0..100, 63..0."""
    return round((100 - quality) / _STEP)


def padded(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bytes]:
    """Pixels continued to a size VVC takes, and the message that says so, b"" where none is needed."""
    height, width = pixels.shape[:2]
    rows, columns = (max(side + side % 2, SMALLEST) - side for side in (height, width))
    if not rows and not columns:
        return pixels, b""
    grown = np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge")
    # One more than is cut off: a zero byte would have to be escaped.
    return grown, _PADDED + bytes((columns + 1, rows + 1, 0x80))


def padding_of(data: bytes) -> tuple[int, int]:
    """Columns and rows a stream of ours was padded by, 0 and 0 for any other."""
    message = data[-len(_PADDED) - 3 :]
    if not message.startswith(_PADDED):
        return 0, 0
    return max(message[-3] - 1, 0), max(message[-2] - 1, 0)


def _stream(raw: bytes, width: int, height: int, qp: int, watch: Watch) -> bytes:
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "pipe:0")
    coder = ("-c:v", "libvvenc", "-preset", PRESET, "-qp", str(qp), "-qpa", "0")
    tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
    frame = ("-vvenc-params", "intraperiod=1:gopsize=1", "-bsf:v", _DELIMITERS, "-frames:v", "1")
    return ffmpeg.run([*source, "-vf", _TO_YUV, *coder, *tags, *frame, "-f", "vvc", "-"], raw, watch)


def _ppm(written: bytes) -> NDArray[np.uint8]:
    """The pixels of what ffmpeg writes as PPM: "P6", width, height and 255 between blanks."""
    parts = written.split(None, 4)[:4]
    if len(parts) < 4 or parts[0] != b"P6":
        raise BitstreamError("the VVC file holds no picture")
    width, height = int(parts[1]), int(parts[2])
    start = len(written) - 3 * width * height
    if start < len(b"P6 1 1 255 "):
        raise BitstreamError("the VVC file is damaged or cut short: copy or make it again")
    return np.frombuffer(written, np.uint8, offset=start).reshape(height, width, 3)
