"""The engine behind the tables: `evaluate` streams a data set in shards that survive an interruption."""

from gamlib.evaluation.engine import evaluate
from gamlib.evaluation.plan import SIDES, TASKS
from gamlib.methods import VARIANTS

__all__ = ["SIDES", "TASKS", "VARIANTS", "evaluate"]
