"""Does each metric give what its own package gives, and how long does it take? `hflic bench --metrics`.

The references are computed apart from models.metrics, the plain way the packages' authors show. Some of them
need packages that the metrics themselves do not import: torchvision, lpips and DISTS_pytorch.
"""

from __future__ import annotations

import math
import re
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.errors import HflicError, WeightsError
from models.packages import data_file
from models.picture import Picture

if TYPE_CHECKING:
    from torch import nn

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Reference:
    """said: by what, as a person would write it down; compute: of the original and the decoded picture;
    within: how far apart the two values may be.
    """

    said: str
    compute: Callable[[Pixels, Pixels], float]
    within: float


@dataclass(frozen=True)
class MetricRow:
    """One metric of one pair. seconds: the median after a first run, which loads what is needed in `first_s`.

    value, reference and the seconds are None where `missing` says why there are none.
    """

    metric: str
    value: float | None = None
    reference: float | None = None
    within: float | None = None
    said: str = ""
    seconds: float | None = None
    first_s: float | None = None
    missing: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether the two values are as near to each other as they must be; None without both."""
        if self.value is None or self.reference is None or self.within is None:
            return None
        return self.value == self.reference or abs(self.value - self.reference) <= self.within


def measure(name: str, original: Picture, decoded: Picture, repeats: int = 3) -> MetricRow:
    """A metric and its reference on one pair. Raises CodecError for an unknown name or different sizes."""
    try:
        begin = time.perf_counter()
        value = metrics.compute(name, original, decoded)
        first = time.perf_counter() - begin
        taken = []
        for _ in range(repeats):
            begin = time.perf_counter()
            metrics.compute(name, original, decoded)
            taken.append(time.perf_counter() - begin)
    except (metrics.MetricAbsent, WeightsError) as error:
        return MetricRow(name, missing=str(error))
    row = MetricRow(name, value, seconds=statistics.median(taken), first_s=first)
    known = REFERENCES.get(name)
    if known is None:
        return row
    try:
        found = known.compute(original.pixels, decoded.pixels)
    except ImportError as error:
        why = f"the reference of {metrics.TABLE[name].label} needs the package {error.name}"
        return MetricRow(name, value, seconds=row.seconds, first_s=first, missing=why)
    return MetricRow(name, value, found, known.within, known.said, row.seconds, first)


def _psnr(weights: tuple[float, float, float] | None, a: Pixels, b: Pixels) -> float:
    """By the definition, in double precision."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    if weights is not None:
        x, y = x @ np.array(weights), y @ np.array(weights)
    error = float(((x - y) ** 2).mean())
    return 20 * math.log10(255) - 10 * math.log10(error) if error else math.inf


def _ms_ssim(a: Pixels, b: Pixels) -> float:
    import torch
    from pytorch_msssim import ms_ssim

    x, y = (torch.from_numpy(p.transpose(2, 0, 1)[None].astype(np.float32)) for p in (a, b))
    with torch.no_grad():
        return float(ms_ssim(x, y, data_range=255))


def _lpips(net: Literal["alex", "vgg"], a: Pixels, b: Pixels) -> float:
    import torch

    from models.trunks import as_tensor

    with torch.no_grad():
        return float(_lpips_package(net)(as_tensor(a), as_tensor(b), normalize=True))


def _lpips_package(net: Literal["alex", "vgg"]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its way of asking torchvision for a network is out of date
        import lpips

        package = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)  # its own heads, no trunk
    _fill(package.net, net)
    return package


def _dists(a: Pixels, b: Pixels) -> float:
    import torch
    import torchvision
    from DISTS_pytorch import DISTS

    from models.trunks import as_tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torchvision.models.vgg16(weights=None)
    _fill(network.features, "vgg")
    # Its constructor would fetch VGG16, and looks for its own weights where pip does not put them.
    with mock.patch.object(torchvision.models, "vgg16", lambda pretrained: network):
        package = DISTS(load_weights=False)
    path = data_file("DISTS_pytorch", "weights.pt")
    if path is None:
        raise WeightsError("weights.pt of the package DISTS-pytorch is missing: run make setup")
    stored = torch.load(path, map_location="cpu", weights_only=True)
    package.alpha.data, package.beta.data = stored["alpha"], stored["beta"]
    with torch.no_grad():
        return float(package(as_tensor(a), as_tensor(b)))


def _fill(network: nn.Module, name: Literal["alex", "vgg"]) -> None:
    """Our trunk's weights into a package's network, convolution by convolution."""
    from torch import nn

    from models.trunks import trunk

    theirs, ours = (
        [m for m in made.modules() if isinstance(m, nn.Conv2d)] for made in (network, trunk(name))
    )
    for target, source in zip(theirs, ours, strict=True):
        target.load_state_dict(source.state_dict())


def _of_files(compute: Callable[[str, str, Path], float]) -> Callable[[Pixels, Pixels], float]:
    """A reference that reads two PNG files."""

    def wrapped(a: Pixels, b: Pixels) -> float:
        with tempfile.TemporaryDirectory(prefix="hflic-") as folder:
            names = [str(Path(folder) / name) for name in ("a.png", "b.png")]
            for name, pixels in zip(names, (a, b), strict=True):
                Picture(pixels).save(Path(name))
            return compute(names[0], names[1], Path(folder))

    return wrapped


def _ssimulacra2(a: str, b: str, folder: Path) -> float:
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(a, b))


def _flip(a: str, b: str, folder: Path) -> float:
    import flip_evaluator

    return float(flip_evaluator.evaluate(a, b, "LDR", applyMagma=False, parameters={})[1])


def _vmaf(a: str, b: str, folder: Path) -> float:
    """Two files as two inputs and the log as XML, the way its manual shows it."""
    from models import ffmpeg

    yuv = "scale=out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,format=yuv420p"
    graph = f"[0:v]{yuv}[t];[1:v]{yuv}[r];[t][r]libvmaf=log_path=log.xml"
    program = str(ffmpeg.executable())
    command = [program, "-v", "error", "-i", b, "-i", a, "-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    log = (folder / "log.xml").read_text(encoding="utf-8")
    found = re.search(r'<frame[^>]* vmaf="([\d.]+)"', log)
    if found is None:
        raise HflicError("ffmpeg's log has no VMAF in it")
    return float(found[1])


def _cvvdp(a: Pixels, b: Pixels) -> float:
    import torch

    from models.metric_packages import cvvdp_package

    package: Any = cvvdp_package().cvvdp("standard_4k", quiet=True, device=torch.device("cpu"))
    test, reference = (torch.from_numpy(p.astype(np.float32) / 255) for p in (b, a))
    return float(package.predict(test, reference, dim_order="HWC")[0])


def _outside_small_faces(a: Pixels) -> NDArray[np.float64]:
    """1 where no small face is, 0 in their ellipses, by the ellipse's equation at each pixel's middle."""
    from models.faces import detect

    outside = np.ones(a.shape[:2])
    y, x = np.mgrid[: a.shape[0], : a.shape[1]] + 0.5
    for face in detect(Picture(a)):
        left, top, right, bottom = face.box
        across, down = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
        if face.small:
            outside[across**2 + down**2 <= 1] = 0
    return outside


def _psnr_small_faces(a: Pixels, b: Pixels) -> float:
    inside = _outside_small_faces(a) == 0
    error = float(((a[inside].astype(np.float64) - b[inside]) ** 2).mean())
    return 10 * math.log10(255**2 / error) if error else math.inf


def _lpips_elsewhere(a: Pixels, b: Pixels) -> float:
    """The package's own distances of every cell, before it averages them."""
    import torch
    from torch.nn import functional

    from models.trunks import as_tensor

    package = _lpips_package("alex")
    found: list[Any] = []
    for layer in package.lins:
        layer.register_forward_hook(lambda _, __, distance: found.append(distance[0, 0].double()))
    outside = torch.from_numpy(_outside_small_faces(a))[None, None]
    with torch.no_grad():
        package(as_tensor(a), as_tensor(b), normalize=True)
        cells = [functional.interpolate(outside, distance.shape, mode="area")[0, 0] for distance in found]
        return sum(float((d * w).sum() / w.sum()) for d, w in zip(found, cells, strict=True))


def with_small_face(picture: Picture) -> Picture:
    """The picture with the sample photograph, 128 x 150, in its lower right corner: metrics of small faces
    need one. A picture without room for it stays as it is.
    """
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    if picture.width < 128 or picture.height < 150:
        return picture
    pixels = picture.pixels.copy()
    with Image.open(Path(get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
        pixels[-150:, -128:] = np.asarray(image.convert("RGB").resize((128, 150)))
    return Picture(pixels)


REFERENCES: Mapping[str, Reference] = {
    "psnr": Reference("definition, double precision", lambda a, b: _psnr(None, a, b), 1e-9),
    "psnr_y": Reference("definition, double precision", lambda a, b: _psnr(metrics.LUMA, a, b), 1e-4),
    "ms_ssim": Reference("pytorch-msssim, three channels at once", _ms_ssim, 1e-6),
    "lpips": Reference("lpips.LPIPS(net='alex'), same trunk", lambda a, b: _lpips("alex", a, b), 1e-5),
    "lpips_vgg": Reference("lpips.LPIPS(net='vgg'), same trunk", lambda a, b: _lpips("vgg", a, b), 1e-5),
    "dists": Reference("DISTS_pytorch.DISTS, same trunk", _dists, 1e-4),
    "psnr_small_faces": Reference("definition over the same ellipses", _psnr_small_faces, 1e-4),
    "lpips_elsewhere": Reference("maps of lpips.LPIPS, averaged outside", _lpips_elsewhere, 1e-5),
    "ssimulacra2": Reference("ssimulacra2 of two PNG files", _of_files(_ssimulacra2), 1e-9),
    "flip": Reference("flip_evaluator of two PNG files", _of_files(_flip), 1e-6),
    "cvvdp": Reference("pycvvdp of float pictures", _cvvdp, 1e-3),
    "vmaf": Reference("ffmpeg's libvmaf of two PNG files", _of_files(_vmaf), 1e-4),
}
