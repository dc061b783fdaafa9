"""How long will a codec take here, and how much memory? Told before large work begins. No widgets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import QObject, Signal, Slot

from app import text
from app.compressor import Compressor
from app.desk import Desk
from app.engine import Priority
from app.lanes import LEARNED
from app.raster import Raster
from app.state import Key, Level, Notice, codec_name
from app.tasks import Compress
from app.worker import Failure, Task
from models import codec
from models.codec import entry
from models.errors import CodecError

if TYPE_CHECKING:
    from app.worker import Bench

TELL_FROM_S = 15.0  # what takes less is not worth a message
LARGE = 2_000_000  # pixels from which a learned codec is weighed first, whatever its size
PASSES = 2  # of the entropy networks in the search for a size, as counted with the lite weights
_TRIES = 4
# Latents, means and scales in float64 and the picture itself: 166 to 253 bytes a pixel were measured with the
# lite weights, whose transforms need a tenth of that.
_LATENT_BYTES = 150.0


@dataclass(frozen=True)
class Effort:
    """What a codec costs here, in multiply-accumulates and bytes a pixel, and how quick this machine is.

    transforms: both transforms together; entropy: the networks behind the probabilities, once, in float64
    (exact); speed and exact_speed: multiply-accumulates a second in float32 and float64, measured;
    memory: bytes at any size; pixel_memory: bytes a pixel; device: what runs the transforms.
    """

    transforms: float
    entropy: float
    speed: float
    exact_speed: float
    memory: float
    pixel_memory: float
    device: str = "cpu"

    def seconds(self, pixels: int, searched: bool = True) -> float:
        """Encoding and decoding. A wanted size is searched: the entropy networks run several times."""
        passes = (PASSES if searched else 1) + 1
        return pixels * (self.transforms / self.speed + passes * self.entropy / self.exact_speed)

    def bytes(self, pixels: int) -> float:
        """The most memory at one time."""
        return self.memory + self.pixel_memory * pixels


@dataclass(frozen=True)
class Weigh:
    """Count a learned codec's operations and time a few like them -> Effort, None without network."""

    codec: str
    lane: ClassVar[str] = LEARNED

    @property
    def words(self) -> str:
        """What people call it."""
        return f"Estimate the time of {codec_name(self.codec)}"

    def run(self, bench: Bench) -> Effort | None:
        """Raises WeightsError and CodecError as loading the codec does."""
        bench.watch.step("estimating", 0.0)
        coder: Any = codec.get(self.codec)
        network = getattr(coder, "network", None)
        return _weigh(network, str(coder.device.type)) if network is not None else None


def _weigh(network: Any, device: str) -> Effort:
    import torch

    from models.networks.complexity import kmac_per_pixel

    cost = kmac_per_pixel(network.config)
    held = sum(p.numel() * p.element_size() for p in network.parameters())
    return Effort(
        transforms=1000 * (cost.analysis + cost.hyper_analysis + cost.synthesis),
        entropy=1000 * cost.entropy,
        speed=_speed(torch.float32, device),
        exact_speed=_speed(torch.float64, "cpu"),  # exactness is promised on the CPU alone
        memory=2 * held,  # the entropy networks have copies in float64
        pixel_memory=2 * _largest(network.config) + _LATENT_BYTES,
        device=device,
    )


def _largest(configuration: Any) -> float:
    """Bytes a pixel of the largest layer's input and output together; nothing is allocated for that."""
    import torch

    from models.networks.builders import build

    side, most = 256, 0
    with torch.device("meta"):
        network = build(configuration)
        x = torch.zeros(1, 3, side, side)

    def weigh(layer: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal most
        most = max(most, inputs[0].numel() + output.numel())

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            layer.register_forward_hook(weigh)
    with torch.no_grad():
        network.analyse(x, None)
    return 4 * most / side**2


def _speed(dtype: Any, device: str) -> float:
    """Multiply-accumulates a second of a middle layer here and now, the best of a few."""
    import torch

    wide, side = 128, 64
    layer = torch.nn.Conv2d(wide, wide, 3, padding=1).to(device, dtype)
    x = torch.zeros(1, wide, side, side, device=device, dtype=dtype)
    best = float("inf")
    with torch.inference_mode():
        for _ in range(_TRIES):
            begin = time.perf_counter()
            layer(x).sum().item()
            best = min(best, time.perf_counter() - begin)
    return wide * wide * 9 * side * side / best


class Forecaster(QObject):
    """Weighs learned codecs before large work, remembers how long things took, and tells what to expect."""

    noticed = Signal(object)  # Notice

    def __init__(self, desk: Desk, compressor: Compressor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._compressor = desk, compressor
        self._efforts: dict[str, Effort | None] = {}
        self._asked: set[str] = set()
        self._pixels: dict[str, int] = {}  # picture hash to its size
        self._took: dict[
            tuple[str, bool], float
        ] = {}  # codec and whether a size was searched: seconds a pixel
        compressor.starting.connect(self._starting)
        compressor.changed.connect(self._learn)

    def expect(self, task: Task) -> float | None:
        """Seconds a task takes in all; None where nobody knows."""
        if not isinstance(task, Compress) or task.reference not in self._pixels:
            return None
        pixels = self._pixels[task.reference]
        took = self._took.get((task.codec, task.rate.quality is None))
        if took is not None:
            return took * pixels
        effort = self._efforts.get(task.codec)
        return effort.seconds(pixels, task.rate.quality is None) if effort is not None else None

    @Slot(object, object)
    def _starting(self, key: Key, raster: Raster) -> None:
        pixels = raster.width * raster.height
        self._pixels[key.reference] = pixels
        if key.codec in self._efforts:
            self._tell(key.codec, pixels)
        elif key.codec not in self._asked and _worth_weighing(key.codec, pixels):
            self._asked.add(key.codec)

            def done(effort: Effort | None) -> None:
                self._efforts[key.codec] = effort
                self._tell(key.codec, pixels)

            def fail(_: Failure | None) -> None:
                self._asked.discard(key.codec)  # compressing says why, in a moment

            self._desk.ask(Weigh(key.codec), Priority.COMPRESS, done, fail)

    @Slot(object)
    def _learn(self, key: Key) -> None:
        coded = self._compressor.cache.get(key)
        pixels = self._pixels.get(key.reference)
        if coded is not None and pixels:
            took = coded.encoding.encode_s + coded.decode_s
            self._took[key.codec, key.rate.quality is None] = took / pixels

    def _tell(self, codec_id: str, pixels: int) -> None:
        effort = self._efforts.get(codec_id)
        if effort is None:
            return
        took = self._took.get((codec_id, True))
        seconds = took * pixels if took is not None else effort.seconds(pixels)
        if seconds >= TELL_FROM_S:
            self.noticed.emit(Notice(Level.WARNING, in_words(codec_id, effort, pixels, seconds)))


def in_words(codec_id: str, effort: Effort, pixels: int, seconds: float) -> str:
    """What to expect, and how to stop it."""
    where = "this processor" if effort.device == "cpu" else effort.device
    long = f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"
    memory = text.size(round(effort.bytes(pixels)))
    return (
        f"{codec_name(codec_id)} at {pixels / 1e6:.1f} megapixels takes about {long} and {memory} of memory "
        f"on {where}. Esc stops it."
    )


def _worth_weighing(codec_id: str, pixels: int) -> bool:
    """Weighing takes a moment itself: not before small work."""
    try:
        learned = entry(codec_id.partition(":")[0]).learned
    except CodecError:
        return False
    return learned and (pixels >= LARGE or codec_id.endswith(":paper"))
