"""How is an evaluation spread over the machines of a Dask cluster? Needs the package distributed.

The workers need this program, the same weights, and the pictures under the same paths. A worker that dies
loses nothing: its tasks go to another one.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Generator, Sequence

from models.assets import how_to_install
from models.errors import HflicError, WorkerError
from models.evaluation import Row, Task, run

TIMEOUT = 15  # seconds to reach the scheduler
RETRIES = 3  # of a task whose worker died or failed


class ClusterError(HflicError):
    """The cluster cannot be reached."""


def missing() -> str:
    """Why there is no way to a cluster here and what to do, "" where there is."""
    if importlib.util.find_spec("distributed") is None:
        install = how_to_install("'hflic[cluster]'")
        return f"--scheduler needs the package distributed: {install}"
    return ""


def done(tasks: Sequence[Task], scheduler: str) -> Generator[tuple[Task, Row], None, None]:
    """The tasks' rows as they come from the cluster at an address, "tcp://10.0.0.5:8786" say.

    Tasks that nobody waits for any more are cancelled. Raises ClusterError, WorkerError.
    """
    if reason := missing():
        raise ClusterError(reason)
    from distributed import Client, as_completed
    from distributed.scheduler import KilledWorker

    try:
        client = Client(scheduler, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"there is no Dask scheduler at {scheduler} ({error}): start one with dask scheduler"
        ) from error
    with client:
        # Not pure: a row of an earlier run must not come back for a task of this one.
        futures = {client.submit(run_there, task, retries=RETRIES, pure=False): task for task in tasks}
        try:
            for future in as_completed(list(futures), loop=client.loop):
                yield futures[future], future.result()
                future.release()
        except KilledWorker as error:
            raise WorkerError(
                "a task killed every worker that tried it, perhaps for lack of memory; finished rows are kept"
            ) from error
        finally:
            client.cancel(list(futures))


def run_there(task: Task) -> Row:
    """A task on a worker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' warnings are for programmers
        return run(task)
