"""How are the metrics of other packages computed: SSIMULACRA 2, FLIP, ColorVideoVDP, VMAF and PieAPP?

Nothing of them is imported before it is needed; models.metrics says which package each needs.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import tempfile
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import ffmpeg
from models.errors import WeightsError
from models.given import given, how_to_give
from models.watch import Watch

Pixels = NDArray[np.uint8]

# Above these the packages, which work on whole pictures, need more than about 4 GB.
SSIMULACRA2_PIXELS = 4_000_000
CVVDP_PIXELS = 6_000_000
PIEAPP_PIXELS = 2_000_000

FLIP_PPD = 0.7 * (3840 / 0.7) * np.pi / 180  # pixels a degree: 4K, 0.7 m wide, seen from 0.7 m; FLIP's own
CVVDP_DISPLAY = "standard_4k"  # 30 inches, 200 cd/m2, seen from twice its height; the package's default
VMAF_MODEL = "vmaf_v0.6.1"
PIEAPP_FILE = "PieAPPv0.1.pth"
PIEAPP_SOURCE = "https://github.com/photosynthesis-team/piq/releases/download/v0.5.4/PieAPPv0.1.pth"


def ssimulacra2(a: Pixels, b: Pixels, watch: Watch) -> float:
    """At most 100. The package reads files, which may be in memory."""
    from PIL import Image
    from ssimulacra2 import compute_ssimulacra2

    files = []
    for pixels in (a, b):
        files.append(io.BytesIO())
        Image.fromarray(pixels).save(files[-1], format="BMP")
    return float(compute_ssimulacra2(*files))


def flip(a: Pixels, b: Pixels, watch: Watch) -> float:
    """The mean over the pixels of FLIP's error for standard dynamic range, 0..1."""
    import flip_evaluator

    pair = (np.ascontiguousarray(p, np.float32) / np.float32(255) for p in (a, b))
    found = flip_evaluator.evaluate(*pair, "LDR", applyMagma=False, parameters={"ppd": float(FLIP_PPD)})
    return float(found[1])


def cvvdp(a: Pixels, b: Pixels, watch: Watch) -> float:
    """Just-objectionable differences, 10 for no visible one, on CVVDP_DISPLAY."""
    import torch

    measure = cvvdp_package().cvvdp(display_name=CVVDP_DISPLAY, quiet=True, device=torch.device("cpu"))
    with torch.inference_mode():
        quality, _ = measure.predict(np.ascontiguousarray(b), np.ascontiguousarray(a), dim_order="HWC")
    return float(quality)


@lru_cache(maxsize=1)
def cvvdp_package() -> Any:
    """The package, without the folder of its own that it leaves among those Python looks for modules in."""
    before = list(sys.path)
    # On a machine with CUDA's tools but no GPU the import says so, which is no concern here.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import pycvvdp

    sys.path[:] = [p for p in sys.path if p in before or not p.endswith("pycvvdp")]
    return pycvvdp


def vmaf(a: Pixels, b: Pixels, watch: Watch) -> float:
    """0..100, of luma, for one frame; a picture against itself gets about 97.4. Raises FfmpegError."""
    height, width = a.shape[:2]
    yuv = "scale=out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,format=yuv420p"
    graph = (
        f"[0:v]{yuv},split[x][y];[x]trim=end_frame=1[test];"
        "[y]trim=start_frame=1,setpts=PTS-STARTPTS[reference];"
        f"[test][reference]libvmaf=log_fmt=json:log_path=vmaf.json:model=version={VMAF_MODEL}"
    )
    # Both pictures as two frames of one stream; the result's name is relative, so nothing needs escaping.
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-i", "pipe:0")
    try:
        with tempfile.TemporaryDirectory(prefix="hflic-") as folder:
            ffmpeg.run(
                [*source, "-filter_complex", graph, "-f", "null", "-"],
                b.tobytes() + a.tobytes(),
                watch,
                Path(folder),
            )
            found = json.loads((Path(folder) / "vmaf.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ffmpeg.FfmpegError(f"VMAF cannot be measured: {error}") from error
    return float(found["frames"][0]["metrics"]["vmaf"])


def no_vmaf() -> str:
    """Why VMAF cannot be computed here, "" where it can."""
    if ffmpeg.executable() is None:
        return f"VMAF needs ffmpeg with libvmaf: {ffmpeg.INSTALL}"
    if not ffmpeg.has("filters", "libvmaf"):
        return "this ffmpeg has no libvmaf: name one that has it in IMAGEIO_FFMPEG_EXE"
    return ""


def pieapp(a: Pixels, b: Pixels, watch: Watch) -> float:
    """The mean of patches 27 pixels apart, as its authors sample sparsely; 0 for equal pictures."""
    import torch

    with torch.inference_mode():
        x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32)) for p in (b, a))
        return float(_pieapp_network(_pieapp_file())(x, y))


def no_pieapp() -> str:
    """Why PieAPP cannot be computed here, "" where it can."""
    if given(PIEAPP_FILE) is None:
        return how_to_give("the weights of PieAPP are missing", (PIEAPP_FILE,), PIEAPP_SOURCE)
    return ""


def iqt(a: Pixels, b: Pixels, watch: Watch) -> float:
    """Never a number. Raises WeightsError."""
    raise WeightsError(no_iqt())


def no_iqt() -> str:
    """Why IQT is computed nowhere."""
    return (
        "IQT has no implementation that this program may use: that of the package pyiqa and its weights are "
        "for non-commercial use (PolyForm), so measure the decoded pictures with pyiqa itself"
    )


def _pieapp_file() -> Path:
    path = given(PIEAPP_FILE)
    if path is None:
        raise WeightsError(no_pieapp())
    return path


@lru_cache(maxsize=1)
def _pieapp_network(path: Path) -> Any:
    """The package's network with weights from a file; its own constructor would fetch them."""
    from piq.pieapp import PieAPP, PieAPPModel
    from torch import nn

    class Given(PieAPP):  # type: ignore[misc]
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.model = PieAPPModel()
            self.data_range, self.reduction, self.stride, self.enable_grad = 255, "mean", 27, False

    made = Given()
    stored = load_state(path)
    # In the published file this tensor lacks an axis.
    if (weight := stored.get("ref_score_subtract.weight")) is not None and weight.ndim == 1:
        stored["ref_score_subtract.weight"] = weight[:, None]
    try:
        made.model.load_state_dict(stored)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not hold the weights of PieAPP: get it again") from error
    return made.requires_grad_(False).eval()


def load_state(path: Path) -> dict[str, Any]:
    """A file of tensors, which may run no program. Raises WeightsError."""
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are then refused
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{path} is no file of weights, or is damaged: get it again") from error
    if not isinstance(stored, dict):
        raise WeightsError(f"{path} holds no weights: get it again")
    return stored
