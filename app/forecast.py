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

Size = tuple[int, int]  # width and height


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
        entropy=1000 * cost.entropy_done,
        speed=_speed(torch.float32, device),
        exact_speed=_speed(torch.float64, "cpu"),  # exactness is promised on the CPU alone
        footprint=footprint,
        device=device,
        refining=steps * (BOTH_WAYS * 1000 * (cost.synthesis + cost.entropy_done) + judging),
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
    """Weighs learned codecs before large work, remembers how long things took, and tells what to expect.

    What was told is withdrawn once nothing of that codec runs or waits any more.
    """

    noticed = Signal(object)  # Notice
    withdrawn = Signal(object)  # Notice: it is over

    def __init__(self, desk: Desk, compressor: Compressor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk, self._compressor = desk, compressor
        self._efforts: dict[str, Effort | None] = {}
        self._asked: set[str] = set()
        self._weighing: set[int] = set()  # jobs
        self._pictures: dict[str, Size] = {}  # by hash
        self._running: dict[int, Key] = {}  # by job, waiting ones too
        self._told: dict[str, Notice] = {}  # by codec
        self._took: dict[
            tuple[str, bool], float
        ] = {}  # codec and whether a size was searched: seconds a pixel
        compressor.starting.connect(self._starting)
        compressor.changed.connect(self._learn)
        desk.asked.connect(self._asked_for)
        desk.ended.connect(self._ended)

    def expect(self, task: Task) -> float | None:
        """Seconds a task takes in all; None where nobody knows."""
        if not isinstance(task, Compress) or task.reference not in self._pictures:
            return None
        pixels = _pixels(self._pictures[task.reference])
        took = self._took.get((task.codec, task.rate.quality is None))
        if took is not None:
            return took * pixels
        effort = self._efforts.get(task.codec)
        return effort.seconds(pixels, task.rate.quality is None) if effort is not None else None

    @Slot()
    def forget(self) -> None:
        """Other weights are here: what codecs cost may be something else."""
        for job in self._weighing:
            self._desk.drop(job)
        for known in (self._efforts, self._asked, self._weighing, self._took):
            known.clear()

    @Slot(object, object)
    def _starting(self, key: Key, raster: Raster) -> None:
        size = self._pictures[key.reference] = (raster.width, raster.height)
        if key.codec in self._efforts:
            self._tell(key)
        elif key.codec not in self._asked and _worth_weighing(key.codec, _pixels(size)):
            self._weigh(key.codec)

    def _weigh(self, codec_id: str) -> None:
        self._asked.add(codec_id)

        def done(effort: Effort | None) -> None:
            self._efforts[codec_id] = effort
            for key in [key for key in self._running.values() if key.codec == codec_id]:
                self._tell(key)

        def fail(_: Failure | None) -> None:
            self._asked.discard(codec_id)  # compressing says why, in a moment

        self._weighing.add(self._desk.ask(Weigh(codec_id), Priority.COMPRESS, done, fail))

    @Slot(int, object)
    def _asked_for(self, job: int, task: Task) -> None:
        if isinstance(task, Compress):
            self._running[job] = Key(task.reference, task.codec, task.rate)

    @Slot(int)
    def _ended(self, job: int) -> None:
        key = self._running.pop(job, None)
        if key is None or any(key.codec == other.codec for other in self._running.values()):
            return
        if (notice := self._told.pop(key.codec, None)) is not None:
            self.withdrawn.emit(notice)

    @Slot(object)
    def _learn(self, key: Key) -> None:
        coded = self._compressor.cache.get(key)
        size = self._pictures.get(key.reference)
        if coded is not None and size is not None:
            took = coded.encoding.encode_s + coded.decode_s
            self._took[key.codec, key.rate.quality is None] = took / _pixels(size)

    def _tell(self, key: Key) -> None:
        effort, size = self._efforts.get(key.codec), self._pictures[key.reference]
        if effort is None or key.codec in self._told or not _allowed(effort, size):
            return
        searched = key.rate.quality is None
        took = self._took.get((key.codec, searched))
        seconds = took * _pixels(size) if took is not None else effort.seconds(_pixels(size), searched)
        if seconds >= TELL_FROM_S:
            notice = Notice(Level.WARNING, in_words(key.codec, effort, size, seconds))
            self._told[key.codec] = notice
            self.noticed.emit(notice)


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _allowed(effort: Effort, size: Size) -> bool:
    """Whether the codec will begin at all; where it does not, it says so itself, with the size that fits."""
    try:
        return effort.bytes(*size) <= budget()
    except CodecError:  # HFLIC_MEMORY is no amount
        return False


def in_words(codec_id: str, effort: Effort, size: Size, seconds: float) -> str:
    """What to expect of a picture of this width and height, and how to stop it."""
    where = "this processor" if effort.device == "cpu" else effort.device
    long = f"{round(seconds)} s" if seconds < 90 else f"{round(seconds / 60)} min"
    memory = text.size(round(effort.bytes(*size)))
    return (
        f"{codec_name(codec_id)} at {_pixels(size) / 1e6:.1f} megapixels takes about {long} and {memory} "
        f"of memory on {where}. Esc stops it."
    )


def _worth_weighing(codec_id: str, pixels: int) -> bool:
    """Weighing takes a moment itself: not before small work."""
    try:
        learned = entry(codec_id).learned
    except CodecError:
        return False
    return learned and (pixels >= LARGE or REFINED in codec_id or plain(codec_id).endswith(":paper"))
