"""One shard from its images to its rows: the task that may run in another process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

from gamlib.data.samples import BrokenImage
from gamlib.evaluation.explained import Batch
from gamlib.evaluation.identity import model_digest
from gamlib.evaluation.loading import Item, load_items
from gamlib.evaluation.measure import measure
from gamlib.evaluation.plan import Plan, cached_model
from gamlib.evaluation.shards import Skipped, pack
from gamlib.models import Model

# Threads of a worker share one network, and a trace hangs hooks on it.
_network = threading.Lock()


def compute_shard(plan: Plan, index: int) -> tuple[int, bytes]:
    """The number of a shard and the content of its file, the same wherever and in whatever order it is computed."""
    with _network, one_thread():
        model = _model(plan)
        batches, skipped = load_shard(plan, model, index)
        rows = [row for batch in batches for row in measure(plan, model, batch)]
        return index, pack(rows, skipped)


def load_shard(plan: Plan, model: Model, index: int) -> tuple[list[Batch], list[Skipped]]:
    """The images of a shard as a batch of pairs and one of images alone, where it has such, and what was skipped."""
    units = plan.shards[index]
    loaded = iter(load_items(plan, model, [image for unit in units for image in unit.images]))
    pairs, alone = Batch([], [], []), Batch([], [], None)
    skipped: list[Skipped] = []
    for unit in units:
        whole: list[Item] = []
        for image in unit.images:
            item = next(loaded)
            if isinstance(item, BrokenImage):
                skipped.append(dict(sample=item.sample_id, pair=unit.number, reason=item.reason, index=image))
            else:
                whole.append(item)
        # The partner of a broken image has no pair any more, but still a class.
        batch = pairs if len(whole) == 2 else alone
        if batch is pairs:
            pairs.partner.extend((len(pairs.items) + 1, len(pairs.items)))
        batch.items.extend(whole)
        batch.units.extend([unit] * len(whole))
    wanted = [pairs, alone] if "class" in plan.tasks else [pairs]
    return [batch for batch in wanted if batch.items], skipped


def _model(plan: Plan) -> Model:
    model = cached_model(plan.model_name, plan.weights, plan.device, plan.seed)
    if model_digest(model) != plan.model_digest:
        raise ValueError(f"model: '{plan.model_name}' has other weights here than where the evaluation was started")
    return model


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """The order of a sum depends on the number of threads: one each, and `map` for more processors."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
