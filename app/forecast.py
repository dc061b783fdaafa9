"""How long will a codec take here, and how much memory? Told before large work begins. No widgets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from app import text
from app.compressor import Compressor
from app.desk import Desk
from app.engine import Priority
from app.lanes import lane_of
from app.raster import Raster
from app.state import Key, Level, Notice, codec_name
from app.tasks import Compress
from app.worker import Failure, Task
from models import codec
from models.codec import REFINED, entry, plain
from models.errors import CodecError
from models.footprint import Footprint
from models.memory import budget
from models.refined import refinable

if TYPE_CHECKING:
    from app.worker import Bench

TELL_FROM_S = 15.0  # what takes less is not worth a message
LARGE = 2_000_000  # pixels from which a learned codec is weighed first, whatever its size
PASSES = 2  # of the entropy networks in the search for a size, as counted with the lite weights
SEARCHES = 1.2  # for a wanted size a second refined file is made now and then
BOTH_WAYS = 2  # a step goes through the networks and back, to the latents alone
_TRIES = 4


@dataclass(frozen=True)
class Effort:
    """What a codec costs here, in multiply-accumulates a pixel and in memory, and how quick this machine is.

    transforms: both transforms together; entropy: the networks behind the probabilities, once, in float64
    (exact); speed and exact_speed: multiply-accumulates a second in float32 and float64, measured;
    footprint: what it takes in memory; device: what runs the transforms; refining: the search for the
    latents of one picture, all its steps.
    """

    transforms: float
    entropy: float
    speed: float
    exact_speed: float
    footprint: Footprint
    device: str = "cpu"
    refining: float = 0.0

    def seconds(self, pixels: int, searched: bool = True) -> float:
        """Encoding and decoding. A wanted size is searched: the entropy networks run several times."""
        passes = (PASSES if searched else 1) + 1
        quick = self.transforms + (SEARCHES if searched else 1) * self.refining
        return pixels * (quick / self.speed + passes * self.entropy / self.exact_speed)

    def bytes(self, width: int, height: int) -> float:
        """The most memory at one time, as the codec itself plans it. Raises CodecError as `memory.budget`."""
        return self.footprint.memory(width, height, refine=self.refining > 0)


@dataclass(frozen=True)
class Weigh:
    """Count a learned codec's operations and time a few like them -> Effort, None without network."""

    codec: str

    @property
    def lane(self) -> str:
        """The codec's lane, which it would share otherwise."""
        return lane_of(self.codec)

    @property
    def words(self) -> str:
        """What people call it."""
        return f"Estimate the time of {codec_name(self.codec)}"

    def run(self, bench: Bench) -> Effort | None:
        """Raises WeightsError and CodecError as loading the codec does."""
        bench.watch.step("estimating", 0.0)
        coder: Any = codec.get(plain(self.codec))
        network = getattr(coder, "network", None)
        if network is None:
            return None
        from models.aims import aim_of

        steps = codec.parts(self.codec)[1] if refinable(coder) else ""
        device = str(coder.device.type)
        judging = aim_of(coder.id.partition(":")[0]).macs if steps else 0.0
        return _weigh(network, coder.footprint, device, int(steps or 0), judging)


def _weigh(network: Any, footprint: Footprint, device: str, steps: int = 0, judging: float = 0.0) -> Effort:
    import torch

    from models.networks.complexity import kmac_per_pixel

    cost = kmac_per_pixel(network.config)
    return Effort(
        transforms=1000 * (cost.analysis + cost.hyper_analysis + cost.synthesis),
        entropy=1000 * cost.entropy,
        speed=_speed(torch.float32, device),
        exact_speed=_speed(torch.float64, "cpu"),  # exactness is promised on the CPU alone
        footprint=footprint,
        device=device,
        refining=steps * (BOTH_WAYS * 1000 * (cost.synthesis + cost.entropy) + judging),
    )


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
            self._tell(key.codec, raster)
        elif key.codec not in self._asked and _worth_weighing(key.codec, pixels):
            self._asked.add(key.codec)

            def done(effort: Effort | None) -> None:
                self._efforts[key.codec] = effort
                self._tell(key.codec, raster)

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

    def _tell(self, codec_id: str, raster: Raster) -> None:
        effort, pixels = self._efforts.get(codec_id), raster.width * raster.height
        if effort is None or not _allowed(effort, raster):
            return
        took = self._took.get((codec_id, True))
        seconds = took * pixels if took is not None else effort.seconds(pixels)
        if seconds >= TELL_FROM_S:
            words = in_words(codec_id, effort, (raster.width, raster.height), seconds)
            self.noticed.emit(Notice(Level.WARNING, words))


def _allowed(effort: Effort, raster: Raster) -> bool:
    """Whether the codec will begin at all; where it does not, it says so itself, with the size that fits."""
    try:
        return effort.bytes(raster.width, raster.height) <= budget()
    except CodecError:  # HFLIC_MEMORY is no amount
        return False


def in_words(codec_id: str, effort: Effort, size: tuple[int, int], seconds: float) -> str:
    """What to expect of a picture of this width and height, and how to stop it."""
    where = "this processor" if effort.device == "cpu" else effort.device
    long = f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"
    memory = text.size(round(effort.bytes(*size)))
    return (
        f"{codec_name(codec_id)} at {size[0] * size[1] / 1e6:.1f} megapixels takes about {long} and {memory} "
        f"of memory on {where}. Esc stops it."
    )


def _worth_weighing(codec_id: str, pixels: int) -> bool:
    """Weighing takes a moment itself: not before small work."""
    try:
        learned = entry(codec_id).learned
    except CodecError:
        return False
    return learned and (pixels >= LARGE or REFINED in codec_id or plain(codec_id).endswith(":paper"))
