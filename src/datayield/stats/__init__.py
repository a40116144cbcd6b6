"""The analysis arm: tables in, statements out. Nothing here trains or reads a text."""

from datayield.stats.analyse import analyse
from datayield.stats.plan import Question, plan_labels

__all__ = ["Question", "analyse", "plan_labels"]
