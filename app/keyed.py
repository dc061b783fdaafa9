"""Which pieces of work run, by what names their result, and which failed or were stopped? No widgets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from app.desk import Desk
from app.engine import Priority
from app.raster import Raster
from app.worker import Failure, Task

STOPPED = "Stopped."

K = TypeVar("K", bound=Hashable)


class JobsByKey(Generic[K]):
    """One job a key at most. Who fails or is stopped stays so until `retry` or `forgive`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._jobs: dict[K, int] = {}
        self._stages: dict[K, tuple[str, float]] = {}
        self._errors: dict[K, str] = {}

    def __bool__(self) -> bool:
        """Whether something runs."""
        return bool(self._jobs)

    def __contains__(self, key: K) -> bool:
        """Whether a key's job runs."""
        return key in self._jobs

    def error(self, key: K) -> str | None:
        """Why there is no result: STOPPED, or what went wrong; None where neither is so."""
        return self._errors.get(key)

    @property
    def failed(self) -> list[K]:
        """What went wrong, unlike what a person stopped."""
        return [key for key, error in self._errors.items() if error != STOPPED]

    def stage(self, key: K) -> tuple[str, float] | None:
        """What a running job does and which share of it is done; None before it has told."""
        return self._stages.get(key)

    def start(
        self,
        key: K,
        task: Task,
        done: Callable[[Any], None],
        failed: Callable[[Failure | None], None],
        progressed: Callable[[], None],
        rasters: Sequence[Raster] = (),
    ) -> None:
        """Ask for a key's result; the books are right when any of the three is called.

        failed: with None where the job was stopped.
        """

        def end(value: Any) -> None:
            self._end(key)
            done(value)

        def fail(failure: Failure | None) -> None:
            self._end(key)
            self._errors[key] = failure.text if failure is not None else STOPPED
            failed(failure)

        def progress(stage: str, share: float) -> None:
            self._stages[key] = (stage, share)
            progressed()

        self._jobs[key] = self._desk.ask(task, Priority.COMPRESS, end, fail, rasters, progress)

    def keep(self, wanted: Collection[K]) -> None:
        """Let go of every job but those of these keys."""
        self.drop([key for key in self._jobs if key not in wanted])

    def drop(self, keys: Iterable[K]) -> None:
        """Let go of these keys' jobs, where they run: nothing more is heard of them."""
        for key in keys:
            job = self._jobs.get(key)
            self._end(key)
            if job is not None:
                self._desk.drop(job)

    def stop(self, waiting: Iterable[K] = ()) -> None:
        """A person's Cancel: what runs, and what was not asked for yet of these keys, counts as stopped."""
        for key, job in self._jobs.items():
            self._errors[key] = STOPPED
            self._desk.stop(job)
            self._desk.drop(job)
        self._jobs.clear()
        self._stages.clear()
        for key in waiting:
            self._errors.setdefault(key, STOPPED)

    def stop_one(self, key: K) -> None:
        """A person's Cancel of one key: whether it runs or was not asked for yet, it counts as stopped."""
        if (job := self._jobs.get(key)) is not None:
            self._desk.stop(job)
        self.drop([key])
        self._errors.setdefault(key, STOPPED)

    def forgive(self, keys: Iterable[K]) -> None:
        """Forget why there is no result of these."""
        for key in keys:
            self._errors.pop(key, None)

    def retry(self) -> None:
        """Forget all failures."""
        self._errors.clear()

    def _end(self, key: K) -> None:
        self._jobs.pop(key, None)
        self._stages.pop(key, None)
