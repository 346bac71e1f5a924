"""Shards on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def is_client(mapper: Any) -> bool:
    """Whether `mapper` is the `map` of a Dask client; distributed is not imported for the question."""
    owner = getattr(mapper, "__self__", None)
    return type(owner).__module__.partition(".")[0] == "distributed" and hasattr(owner, "scatter")


def connect(address: str) -> Any:
    """A client of the scheduler at an address such as "tcp://10.0.0.1:8786".

    Errors: ImportError naming the extra where distributed is not installed, ConnectionError where no one answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("map: a cluster needs the package distributed; pip install 'gamlib[cluster]'") from error
    try:
        return Client(address)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"map: no Dask scheduler answers at '{address}' ({error}); start one with `dask scheduler` or leave map out"
        ) from error


def run(client: Any, compute: Callable[[Any, int], Any], plan: Any, indices: Iterable[int]) -> Iterator[Any]:
    """compute(plan, index) for every index, in the order in which they finish. A lost worker's tasks run again."""
    from distributed import as_completed

    # The plan is sent once, not with every task. Scattered data would be gone with the last worker that holds it, of
    # which the scheduler soon leaves only one; the result of a task is made again.
    shared = client.submit(lambda plan: plan, plan, pure=False)
    futures = client.map(lambda index, plan: compute(plan, index), list(indices), plan=shared, pure=False)
    for future in as_completed(futures):
        yield future.result()
        future.release()
