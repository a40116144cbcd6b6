"""The analysis arm: tables in, statements out. Nothing here trains or reads a text."""

from datayield.stats.analyse import analyse
from datayield.stats.compare import multipliers
from datayield.stats.plan import Question, frame, plan_labels

__all__ = ["Question", "analyse", "frame", "multipliers", "plan_labels"]
