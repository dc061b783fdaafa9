"""What do codecs achieve over a folder of pictures? Real files, real decodes, and their averages."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from models import codec as codecs
from models.codec import Rate
from models.errors import CodecError, HflicError, OutputError, PictureError, WorkerError
from models.files import write_file
from models.locks import alone
from models.paths import fitting, stand_somewhere, there
from models.picture import Picture

log = logging.getLogger(__name__)

FORMAT = "hflic-evaluation-1"
DEFAULT_RATES = (0.1, 0.25, 0.5, 0.75)
PICTURE_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif", ".jxl", ".tif", ".tiff", ".bmp", ".ppm")
)
WRITING_SHARE = 0.05  # of the time, at most, goes into writing intermediate results

_DECODED = ".hflic-decoded"  # in a folder of decoded pictures: they are no originals
_NUMBERS = ("quality", "bytes", "bpp", "encode_s", "decode_s")


class ResultsError(HflicError):
    """A result file cannot be read, or does not hold what is asked of it."""


@dataclass(frozen=True)
class Task:
    """One picture, one codec, one rate. `image` is a path below the folder, `digest` of its file's bytes;
    `keep` is a folder for the decoded pictures.
    """

    folder: Path
    image: str
    digest: str
    codec: str
    weights: str | None
    rate: Rate
    metrics: tuple[str, ...]
    keep: Path | None = None

    @property
    def kept(self) -> Path | None:
        """Where the decoded picture goes: folders for the codec and the rate, then `image` as PNG."""
        if self.keep is None:
            return None
        rate = "-".join(f"{kind}-{value:.12g}" for kind, value in _rate_json(self.rate).items())
        name = self.image if self.image.endswith(".png") else f"{self.image}.png"
        return self.kept_below / rate / name

    @property
    def kept_below(self) -> Path:
        """The folder of this codec's decoded pictures."""
        return (self.keep or Path()) / _folder_name(self.codec)

    @property
    def key(self) -> tuple[str, str, str, str | None, str]:
        """What makes two tasks the same work, apart from the metrics."""
        return (self.image, self.digest, self.codec, self.weights, json.dumps(_rate_json(self.rate)))


@dataclass(frozen=True)
class Row:
    """What came out of a task. Where `error` is not "", the codec failed and the numbers are None.

    Units: bytes of the whole file, bits per pixel, wall-clock seconds. A metric is None where it is not
    defined for the picture, and where it is infinite (PSNR of equal pictures). decoded: of the bytes of the
    decoded picture that was kept, "" where none was.
    """

    image: str
    digest: str
    codec: str
    weights: str | None
    rate: dict[str, float]
    quality: float | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    bpp: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    latents_crc: int | None = None
    note: str = ""
    error: str = ""
    decoded: str = ""
    metrics: dict[str, float | None] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, str | None, str]:
        """The key of the task the row came out of."""
        return (self.image, self.digest, self.codec, self.weights, json.dumps(self.rate))

    def as_json(self) -> dict[str, Any]:
        """Flat: the metrics stand beside the other numbers."""
        fields: dict[str, Any] = asdict(self)
        measured: dict[str, Any] = fields.pop("metrics")
        return fields | measured

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Row:
        """The inverse of `as_json`; keys that are no field are metrics."""
        known = {k: v for k, v in value.items() if k in cls.__dataclass_fields__ and k != "metrics"}
        return cls(**known, metrics={k: v for k, v in value.items() if k not in known})


@dataclass(frozen=True)
class Average:
    """Means over the pictures of one codec at one rate.

    bpp and metrics are means of the pictures' values (not total bits over total pixels), as published
    tables do it; a mean leaves out pictures for which the number is None. over: for metrics that not all of
    the pictures have, how many do and the mean bpp of those, which is the rate that belongs to them.
    """

    codec: str
    weights: str | None
    rate: dict[str, float]
    images: int
    failed: int
    numbers: dict[str, float | None]
    metrics: dict[str, float | None]
    over: dict[str, tuple[int, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Flat, like a row."""
        fields: dict[str, Any] = asdict(self)
        del fields["over"]
        numbers: dict[str, Any] = fields.pop("numbers")
        measured: dict[str, Any] = fields.pop("metrics")
        return fields | numbers | measured

    @property
    def bpp(self) -> float:
        """Mean bits per pixel; NaN where every picture failed."""
        value = self.numbers["bpp"]
        return math.nan if value is None else value

    def bpp_for(self, metric: str) -> float:
        """Mean bits per pixel of the pictures that have a metric."""
        return self.over[metric][1] if metric in self.over else self.bpp


@dataclass(frozen=True)
class Step:
    """Where an evaluation stands, for a progress bar; `kept` of the `done` rows came from an earlier run."""

    done: int
    total: int
    kept: int
    seconds_left: float | None
    row: Row | None


def pictures_of(folder: Path) -> list[str]:
    """The pictures of a folder and those below it, as sorted paths relative to it. Raises PictureError.

    Hidden ones are left out, and so are decoded ones that an evaluation has kept below.
    """
    if not folder.is_dir():
        raise PictureError(f"{folder} is not a folder: give a folder of pictures")
    names: list[str] = []
    for root, below, files in os.walk(folder):
        place = Path(root)
        below[:] = [
            name
            for name in below
            if not name.startswith(".") and not there((place / name / _DECODED).is_file)
        ]
        names += [
            (place / name).relative_to(folder).as_posix()
            for name in files
            if Path(name).suffix.lower() in PICTURE_SUFFIXES
            and not name.startswith(".")
            and there((place / name).is_file)
        ]
    if not names:
        raise PictureError(f"{folder} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))})")
    return sorted(names)


def plan(
    folder: Path,
    ids: Iterable[str],
    rates: Iterable[Rate],
    metrics: Iterable[str],
    keep: Path | None = None,
    outputs: Iterable[Path] = (),
) -> list[Task]:
    """Every task of an evaluation, pictures outermost. Raises CodecError for a codec not usable here.

    What an earlier run may have left in `keep` and `outputs` is no picture of the folder. Raises PictureError
    where the folder has none, or two whose decoded pictures would have one name.
    """
    # A bare id stands for the best weights here; the rows name what was really used.
    weights = {coder.id: codecs.behind(coder) for coder in map(codecs.get, ids)}
    points, names = list(rates), tuple(metrics)
    folders = [keep / _folder_name(id) for id in weights] if keep is not None else []
    made = [path.resolve() for path in (*outputs, *folders)]
    images = [i for i in pictures_of(folder) if not _below((folder / i).resolve(), made)]
    if not images:
        raise PictureError(f"{folder} holds no picture but those that this command makes")
    tasks = []
    for image in images:
        digest = _digest(folder / image)
        tasks += [
            Task(folder, image, digest, id, fingerprint, rate, names, keep)
            for id, fingerprint in weights.items()
            for rate in points
        ]
    taken: dict[Path, Task] = {}
    for task in tasks:
        if task.kept is not None and (other := taken.setdefault(task.kept, task)) is not task:
            raise PictureError(
                f"{other.image} and {task.image} would be kept as one decoded picture ({task.kept}): "
                "rename one of them"
            )
    return tasks


def _digest(path: Path) -> str:
    """Of a file's bytes, "" for one that cannot be read."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
    except OSError:
        return ""


def _folder_name(codec: str) -> str:
    return codec.replace(":", "-")


def _below(path: Path, places: Iterable[Path]) -> bool:
    return any(path == place or place in path.parents for place in places)


def evaluate(
    tasks: list[Task],
    out: Path,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    report: Callable[[Step], None] | None = None,
    reuse: Iterable[Row] = (),
) -> list[Row]:
    """Do the tasks `out` does not hold yet; rows come back, and stand in `out`, in the order of the tasks.

    They are done by `jobs` processes, or by the workers of the Dask cluster at the address `scheduler`.

    A failing codec gives a row with `error` and the rest goes on; such rows are tried again next time.
    Rows of `out` that no task asks for are kept behind the others, and a row that was measured stays until
    one that was measured takes its place. Those of `reuse` count as if in `out`, where a task asks for them.
    Raises OutputError, ResultsError where `out` holds something else or is another evaluation's at this
    moment, ClusterError.
    """
    busy = ResultsError(f"another evaluation writes {out} now: wait until it is done or give another file")
    with ExitStack() as held:
        if not out.exists() or out.is_file():
            with suppress(OutputError):  # writing the rows will say it better
                name = f".{fitting(out.name, '..lock')}.lock"
                held.enter_context(alone(out.with_name(name), busy))
        return _evaluated(tasks, out, jobs, scheduler, report, reuse)


def _evaluated(
    tasks: list[Task],
    out: Path,
    jobs: int,
    scheduler: str | None,
    report: Callable[[Step], None] | None,
    reuse: Iterable[Row],
) -> list[Row]:
    own = {row.key: row for row in read_rows(out)} if out.exists() else {}
    wanted = {task.key for task in tasks}
    others = [row for key, row in own.items() if key not in wanted]
    old = own | {row.key: row for row in reuse if row.key in wanted and _says_more(row, own.get(row.key))}
    rows: dict[Any, Row] = {
        task.key: old[task.key] for task in tasks if task.key in old and _finished(old[task.key], task)
    }
    kept, begin, written, cost = len(rows), time.monotonic(), 0.0, 0.0
    todo = [task for task in tasks if task.key not in rows]

    def standing(task: Task) -> Row | None:
        new, before = rows.get(task.key), old.get(task.key)
        return before if new is None or (new.error and before is not None and not before.error) else new

    def write() -> None:
        write_results(out, [row for task in tasks if (row := standing(task)) is not None] + others)

    def tell(row: Row | None) -> None:
        if report is not None:
            new = len(rows) - kept
            pace = (time.monotonic() - begin) / new if new else None
            left = None if pace is None else pace * (len(tasks) - len(rows))
            report(Step(len(rows), len(tasks), kept, left, row))

    write()  # tells at once whether `out` can be written
    tell(None)
    # Closed at once when a person interrupts: left to the collector, the workers would do all there is first.
    try:
        with closing(_spread(todo, jobs, scheduler)) as coming:
            for task, row in coming:
                # A run for other metrics adds to what an earlier one measured.
                earlier = old.get(task.key)
                extra = earlier.metrics if earlier and not earlier.error and not row.error else {}
                rows[task.key] = replace(row, metrics={**extra, **row.metrics})
                now = time.monotonic()
                if now - written > cost / WRITING_SHARE:
                    write()
                    written = time.monotonic()
                    cost = written - now
                tell(row)
    finally:
        write()
    return [rows[task.key] for task in tasks]


def _says_more(row: Row, other: Row | None) -> bool:
    """Whether a row has all that another one has, and was measured; of two such, the other may stay."""
    return not row.error and (other is None or bool(other.error) or row.metrics.keys() > other.metrics.keys())


def _finished(row: Row, task: Task) -> bool:
    # A decoded picture of that name may be of another picture, or of other weights.
    kept = task.kept is None or (bool(row.decoded) and _digest(task.kept) == row.decoded)
    return kept and not row.error and all(name in row.metrics for name in task.metrics)


def _spread(tasks: list[Task], jobs: int, scheduler: str | None) -> Generator[tuple[Task, Row], None, None]:
    if scheduler is None or not tasks:
        return _done(tasks, jobs)
    from models import cluster

    return cluster.done(tasks, scheduler)


def _done(tasks: list[Task], jobs: int) -> Generator[tuple[Task, Row], None, None]:
    """The tasks' rows as they come."""
    if jobs <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, run(task)
        return
    threads = max((os.cpu_count() or 1) // jobs, 1)
    stand_somewhere()
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker, initargs=(threads,))
    others = multiprocessing.active_children()
    children: list[Any] = []
    try:
        waiting = {pool.submit(run, task): task for task in tasks}
        children = [child for child in multiprocessing.active_children() if child not in others]
        for future in as_completed(waiting):
            yield waiting[future], future.result()
        pool.shutdown()
    except BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed, perhaps for lack of memory: run again with fewer --jobs; "
            "finished rows are kept"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:  # stopped by the person: nobody waits for the rows under way
            child.terminate()


def _begin_worker(threads: int) -> None:
    """In a new process, before torch is imported: its share of the cores; Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # libraries' warnings are for programmers
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)


@lru_cache(maxsize=1)
def _picture(path: Path, digest: str) -> Picture:
    return Picture.open(path)


def run(task: Task) -> Row:
    """Encode, decode from the bytes alone, and measure."""
    from models.metrics import missing

    empty = Row(task.image, task.digest, task.codec, task.weights, _rate_json(task.rate))
    try:
        picture = _picture(task.folder / task.image, task.digest)
        coder = codecs.get(task.codec)
        if (own := codecs.behind(coder)) != task.weights:
            reason = f"planned with the weights {task.weights}, and here are {own}"
            return replace(empty, error=f"{reason}: run again, or copy those to where this runs")
        for name in task.metrics:
            if lacking := missing(
                name
            ):  # here, on a worker: not the same as a metric no picture of the kind has
                raise CodecError(lacking)
        encoding = coder.encode(picture, task.rate)
        begin = time.perf_counter()
        decoded = coder.decode(encoding.data)
        decode_s = time.perf_counter() - begin
        if "dists" in task.metrics:
            _keep_reference()
        measured = measure(task.metrics, picture, decoded)
        if task.kept is not None:
            _make_folder(task.kept.parent)
            if not there((mark := task.kept_below / _DECODED).is_file):
                write_file(mark, b"")
            decoded.save(task.kept)
    except HflicError as error:
        return replace(empty, error=str(error))
    except Exception as error:  # of a library, for this picture: the others are measured all the same
        log.warning("%s with %s", task.image, task.codec, exc_info=True)
        words = str(error).strip().partition("\n")[0]
        return replace(empty, error=f"{type(error).__name__}: {words}" if words else type(error).__name__)
    return replace(
        empty,
        quality=encoding.quality,
        width=encoding.width,
        height=encoding.height,
        bytes=encoding.bytes,
        bpp=encoding.bpp,
        encode_s=encoding.encode_s,
        decode_s=decode_s,
        latents_crc=encoding.latents_crc,
        note=encoding.note,
        decoded=_digest(task.kept) if task.kept is not None else "",
        metrics=measured,
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}") from error


def _keep_reference() -> None:
    """Tasks come picture by picture: what DISTS makes of the original serves every codec and rate."""
    from models import perceptual

    perceptual.keep_reference()


def measure(names: Iterable[str], reference: Picture, picture: Picture) -> dict[str, float | None]:
    """Metrics by name; None where a metric is not defined for the pair or not finite."""
    from models import metrics

    values: dict[str, float | None] = {}
    for name in names:
        try:
            value = metrics.compute(name, reference, picture)
        except metrics.MetricAbsent:
            value = math.nan
        values[name] = value if math.isfinite(value) else None
    return values


def latest(rows: Iterable[Row]) -> list[Row]:
    """The rows without those of other versions of a picture than the first that its codec and rate have."""
    versions: dict[Any, str] = {}
    return [row for row in rows if versions.setdefault((*row.key[2:], row.image), row.digest) == row.digest]


def averages(rows: Iterable[Row]) -> list[Average]:
    """Means of every codec and rate, in the order of first appearance; see `latest`."""
    groups: dict[Any, list[Row]] = {}
    for row in latest(rows):
        groups.setdefault((row.codec, row.weights, json.dumps(row.rate)), []).append(row)
    result = []
    for group in groups.values():
        good = [row for row in group if not row.error]
        names = list(dict.fromkeys(name for row in good for name in row.metrics))
        rates = {
            n: [r.bpp for r in good if r.metrics.get(n) is not None and r.bpp is not None] for n in names
        }
        result.append(
            Average(
                group[0].codec,
                group[0].weights,
                group[0].rate,
                images=len(good),
                failed=len(group) - len(good),
                numbers={name: _mean(getattr(row, name) for row in good) for name in _NUMBERS},
                metrics={name: _mean(row.metrics.get(name) for row in good) for name in names},
                over={n: (len(b), sum(b) / len(b)) for n, b in rates.items() if 0 < len(b) < len(good)},
            )
        )
    return result


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _rate_json(rate: Rate) -> dict[str, float]:
    return {name: float(value) for name, value in asdict(rate).items() if value is not None}


def write_results(out: Path, rows: list[Row]) -> None:
    """Write rows and averages as JSON. Raises OutputError."""
    text = json.dumps(
        {
            "format": FORMAT,
            "results": [row.as_json() for row in rows],
            "averages": [average.as_json() for average in averages(rows)],
        },
        indent=1,
        allow_nan=False,
    )
    write_file(out, (text + "\n").encode())


def read_rows(path: Path) -> list[Row]:
    """The rows of a result file. Raises ResultsError where it is missing or something else."""
    try:
        value = json.loads(path.read_bytes())
        if value["format"] != FORMAT:
            raise KeyError("format")
        return [Row.from_json(row) for row in value["results"]]
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path} is not a result file of `hflic evaluate`: choose another file") from error
