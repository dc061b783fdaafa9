"""What does a picture file look like when it is small? A task for the filmstrip; nothing of Qt."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.lanes import FILES
from app.text import shortened
from models import claims
from models.errors import HflicError, PictureError
from models.picture import Picture
from models.reading import check_size, register_plugins

if TYPE_CHECKING:
    from app.worker import Bench


@dataclass(frozen=True)
class Thumbnail:
    """Read a picture file and make it small -> (H, W, 4) uint8 as QImage.Format_RGB32, `side` at most."""

    path: Path
    side: int
    lane: ClassVar[str] = FILES

    @property
    def words(self) -> str:
        """What the queue of jobs says."""
        return f"Thumbnail of {shortened(self.path.name)}"

    def run(self, bench: Bench) -> NDArray[np.uint8]:
        """Raises PictureError."""
        bench.watch.step("making a thumbnail", 0.0)
        image = small(self.path, self.side)
        made = np.full((image.height, image.width, 4), 255, np.uint8)
        made[..., :3] = np.asarray(image)[..., ::-1]
        return made


def small(path: Path, side: int) -> Image.Image:
    """The picture upright in sRGB, its longer side at most so many pixels; never enlarged.

    A JPEG is decoded at an eighth to a half of its size, which is much faster. Raises PictureError.
    """
    image = Image.fromarray((_draft(path, side) or Picture.open(path)).pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def _draft(path: Path, side: int) -> Picture | None:
    """A JPEG that is much too large, read small; None for anything else, also for what is damaged."""
    try:
        with path.open("rb") as file:
            if file.read(3) != b"\xff\xd8\xff":
                return None
        register_plugins()
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            # The whole picture counts: a progressive one is held in full whatever size is asked for.
            check_size(image.width, image.height, path.name)
            claims.check(image.width, image.height, "JPEG", len(data), path.name)
            image.draft(None, (2 * side, 2 * side))
            return Picture.from_pil(image)
    except FileNotFoundError as error:
        raise PictureError(f"there is no file {path}: check the name") from error
    except (HflicError, OSError, ValueError, SyntaxError):
        return None  # the thorough reader tells what is wrong
