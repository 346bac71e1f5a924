"""The engine behind the tables: `evaluate` streams a data set in shards that survive an interruption."""

from gamlib.evaluation.engine import evaluate
from gamlib.evaluation.settings import SIDES, TASKS, Settings
from gamlib.evaluation.store import save

__all__ = ["SIDES", "TASKS", "Settings", "evaluate", "save"]
