"""Which published weights can be fetched by name, from where, and what must their checksums be?

Nothing here opens a connection: `models.download` does, when a person asks for a name. CompressAI's files and
torch-fidelity's carry the beginning of their SHA-256 in their names; of the others it is published elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.errors import FetchError
from models.paths import own_folder, there
from models.weights import available, folders

_ZOO = "https://compressai.s3.amazonaws.com/models/v1"
_LICENCE = "BSD-3-Clause-Clear"
METRICS = ("mse", "ms-ssim")
# CompressAI 1.2.8: by model and training metric the file's name before the quality, and how the checksums
# begin, from quality 1 on.
_FILES: dict[tuple[str, str], tuple[str, str]] = {
    ("bmshj2018-factorized", "mse"): (
        "bmshj2018-factorized-prior-",
        "446d5c7f 87279a02 5c6f152b 1ed4405a 866ba797 9b02ea3a 6dfd6734 5232faa3",
    ),
    ("bmshj2018-factorized", "ms-ssim"): (
        "bmshj2018-factorized-ms-ssim-",
        "9781d705 4a584386 5352f123 4f91b847 b3a88897 ee028763 8c265a29 8811bd14",
    ),
    ("bmshj2018-hyperprior", "mse"): (
        "bmshj2018-hyperprior-",
        "7eb97409 93677231 6d87be32 de1b779c f8b614e1 1ab9c41e 3804dcbd a583f0cf",
    ),
    ("bmshj2018-hyperprior", "ms-ssim"): (
        "bmshj2018-hyperprior-ms-ssim-",
        "5cf249be 1ff60d1f 92dd7878 4377354e c34afc8d 3a6d8229 8747d3bc cc15b5f3",
    ),
    ("mbt2018-mean", "mse"): (
        "mbt2018-mean-",
        "e522738d e54a039d 723404a8 6dba02a3 d504e8eb a19628ab d5d441d1 8089ae3e",
    ),
    ("mbt2018-mean", "ms-ssim"): (
        "mbt2018-mean-ms-ssim-",
        "5bf9c0b6 e2a1bf3f 640ce819 12626c13 1be7f059 b83bf379 ddf9644c 0cc7b94f",
    ),
    ("mbt2018", "mse"): (
        "mbt2018-",
        "3f36cd77 43b70cdd 22901978 456e2af9 b4a046dd 7052e5ea 8ba2bf82 dd0097aa",
    ),
    ("mbt2018", "ms-ssim"): (
        "mbt2018-ms-ssim-",
        "2878436b c41cb208 d0dd64e8 a120e037 9b30e3b7 f8b3626f 16e6ff50 0cb49d43",
    ),
    ("cheng2020-anchor", "mse"): (
        "cheng2020-anchor-",
        "dad2ebff a29008eb e49be189 98b0b468 23852949 4c052b1a",
    ),
    ("cheng2020-anchor", "ms-ssim"): (
        "cheng2020_anchor-ms-ssim-",
        "20f521db c7ff5812 c23e22d5 0e658304 c0a95e77 f2dc1913",
    ),
    ("cheng2020-attn", "mse"): (
        "cheng2020_attn-mse-",
        "465f2b64 e0805385 2d07bbdf f7b0ccf2 26c8920e 730501f2",
    ),
    ("cheng2020-attn", "ms-ssim"): (
        "cheng2020_attn-ms-ssim-",
        "c5381d91 5dad201d 5c9be841 8b2f647e 5ca1f34c 216423ec",
    ),
}
ZOO = tuple(dict.fromkeys(model for model, _ in _FILES))


@dataclass(frozen=True)
class Fetchable:
    """One published file. name: what a person asks for; digest: how its SHA-256 begins.

    codec: the id it serves once converted, "" for a file that is used as it is, beside our own weights.
    """

    name: str
    what: str
    url: str
    digest: str
    licence: str
    codec: str = ""

    @property
    def file(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]

    def here(self) -> bool:
        """Whether it was fetched or given before."""
        if not self.codec:
            return any(there((folder / self.file).is_file) for folder in folders())
        return any(one.card.codec == self.codec and one.card.revision == self.file for one in available())


@dataclass(frozen=True)
class ByHand:
    """Published weights that cannot be fetched, and why: one clause."""

    name: str
    what: str
    where: str
    why: str


PLAIN = (
    Fetchable(
        "pieapp",
        "the metric PieAPP",
        "https://github.com/photosynthesis-team/piq/releases/download/v0.5.4/PieAPPv0.1.pth",
        "0937b01480c7a637ae3018af755faa8ecde4788b52bb246b7ae62cf96fb6baf0",
        "research use, see its authors",
    ),
    Fetchable(
        "inception",
        "FID and KID (hflic fid)",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d",
        "Apache-2.0",
    ),
    Fetchable(
        "yunet",
        "the face detector YuNet",
        "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        "MIT",
    ),
)
BY_HAND = (
    ByHand(
        "yolo5face",
        "the face detector YOLO5Face",
        "github.com/deepcam-cn/yolov5-face",
        "its authors publish no ONNX file: export one and put it beside the weights",
    ),
    ByHand(
        "ms-illm",
        "MS-ILLM and its network without GAN",
        "dl.fbaipublicfiles.com/NeuralCompression/2023-muckley-msillm/msillm_target_0.14bpp.ckpt",
        "no checksum is published: get it and use hflic models import",
    ),
    ByHand(
        "hific",
        "Justin-Tan's HiFiC",
        "zenodo.org/record/4026003",
        "no SHA-256 is published: get it and use hflic models import",
    ),
)


def qualities(model: str, metric: str = "mse") -> range:
    """The qualities there are of a model of the zoo."""
    return range(1, len(_FILES[model, metric][1].split()) + 1)


def fetchable(name: str, metric: str = "mse") -> tuple[Fetchable, ...]:
    """What a name stands for: "pieapp", "mbt2018:3", or "mbt2018" for all its qualities.

    metric: what the zoo's networks were trained for. Raises FetchError for an unknown name.
    """
    for one in PLAIN:
        if one.name == name:
            return (one,)
    for other in BY_HAND:
        if other.name == name:
            raise FetchError(f"{other.what} cannot be fetched: {other.why} ({other.where})")
    model, colon, number = name.partition(":")
    if metric not in METRICS:
        raise FetchError(f"there are no networks trained for '{metric}': choose {' or '.join(METRICS)}")
    if model not in ZOO:
        known = ", ".join([*ZOO, *(one.name for one in PLAIN)])
        raise FetchError(f"there are no published weights '{name}' known here: choose one of {known}")
    wanted = qualities(model, metric)
    if colon:
        if not number.isascii() or not number.isdigit() or int(number) not in wanted:
            raise FetchError(f"{model} has the qualities 1 to {len(wanted)}, not '{number}'")
        wanted = range(int(number), int(number) + 1)
    return tuple(_of_zoo(model, metric, quality) for quality in wanted)


def _of_zoo(model: str, metric: str, quality: int) -> Fetchable:
    stem, digests = _FILES[model, metric]
    digest = digests.split()[quality - 1]
    return Fetchable(
        f"{model}:{quality}",
        f"CompressAI's {model}, quality {quality}, trained for {metric.upper()}",
        f"{_ZOO}/{stem}{quality}-{digest}.pth.tar",
        digest,
        _LICENCE,
        f"{model}:{'paper' if metric == 'mse' else metric}",
    )


def name_of(file: str) -> str:
    """The name under which a file that is used as it is can be fetched, "" where it cannot."""
    return next((one.name for one in PLAIN if one.file == file), "")


def waiting_room() -> Path:
    """Where files wait that come over the network, and are converted from. FetchError without a home."""
    folder = own_folder("cache")
    if folder is None:
        raise FetchError("there is no folder for what is fetched, as no home is known: set HOME")
    return folder / "fetched"
