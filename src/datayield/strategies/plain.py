"""`plain`, and the checks of the machinery that rewrite a run's plan."""

from dataclasses import replace

from datayield.strategies.base import Strategy

OTHER_SEED = 1_000_003  # far from any seed that a study counts up to


def plain() -> Strategy:
    """The baseline: the training labels as they are."""
    return Strategy("plain", "the labels as they are", role="plain")


def twin() -> Strategy:
    """The baseline once more with other seeds: worth exactly as much as the baseline."""
    return Strategy(
        "twin",
        "the baseline with another seed: must be worth 1x",
        role="check",
        plan=lambda plan: replace(plan, seed=plan.seed + OTHER_SEED),
        expected={"arm": "plain"},
    )


def double() -> Strategy:
    """The baseline given 2n labels and billed n: must measure as worth 2x."""
    return Strategy(
        "double",
        "the baseline given twice the labels: must be worth 2x",
        role="check",
        plan=lambda plan: replace(plan, labels=2 * plan.labels),
        expected={"multiplier": 2.0},
    )


def permuted_labels() -> Strategy:
    """All n labels permuted among their texts, validation included: nothing can be learnt."""
    return Strategy(
        "permuted_labels",
        "labels permuted among the texts: must equal the majority class",
        role="check",
        plan=lambda plan: replace(plan, permuted=True),
        expected={"arm": "majority"},
    )
