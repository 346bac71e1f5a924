"""Where shards are computed: in any `map`, or on a Dask cluster."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gamlib.evaluation.plan import Plan

# its number, and the content of its file
Shard = tuple[int, bytes]


def spread(
    compute: Callable[[Plan, int], Shard], plan: Plan, indices: Sequence[int], mapper: Callable[..., Any] | str
) -> Iterator[Shard]:
    """What `compute` makes of each of the shards, in the order in which it is finished.

    mapper: as in `evaluate`. A cluster gets the plan once, and a lost worker's tasks run again.
    """
    if isinstance(mapper, str):
        with _connect(mapper) as client:
            yield from spread(compute, plan, indices, client.map)
        return
    client = getattr(mapper, "__self__", None)
    # the map of a Dask client; distributed is not imported for the question
    if type(client).__module__.partition(".")[0] != "distributed" or not hasattr(client, "scatter"):
        yield from mapper(functools.partial(compute, plan), indices)
        return
    from distributed import as_completed

    # The plan is sent once, not with every task. Scattered data would be gone with the last worker that holds it, of
    # which the scheduler soon leaves only one; the result of a task is made again.
    shared = client.submit(lambda plan: plan, plan, pure=False)
    futures = client.map(lambda index, plan: compute(plan, index), list(indices), plan=shared, pure=False)
    for future in as_completed(futures):
        yield future.result()
        future.release()


def _connect(address: str) -> Any:
    """A client of the Dask scheduler at an address."""
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
