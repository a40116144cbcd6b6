"""Strategies in words: the page of the docs is the registry's, lists fit their width."""

import pytest

from datayield import overview, strategies
from tests.conftest import REPO, datayield


def test_the_page_is_what_the_registry_says() -> None:
    written = (REPO / "docs/strategies.md").read_text(encoding="utf-8")
    told = "renew it: datayield strategies list --markdown > docs/strategies.md"
    assert written == overview.page(), told


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lists_and_cards_fit(columns: int) -> None:
    cards = [overview.card(name, columns) for name in strategies.registry()]
    for text in (overview.listed(columns), *cards):
        assert max(len(line) for line in text.splitlines()) <= columns
    listed = overview.listed(columns)
    for name in strategies.registry():
        assert f"\n  {name} " in listed


def test_a_list_says_what_each_costs() -> None:
    listed = " ".join(overview.listed(100).split())
    for told in (
        "el2n the labels with the largest error early in training verbs: prepare · labels: n, a share of"
        " 0.7 trains · takes: 10 helper trainings of 10% of the updates each · defaults: keep=0.7 ·"
        " control: random · source: Paul",
        "verbs: plan (check) · labels: 2n, billed as n",
        "labels: n, chosen by it + texts without labels · takes: a helper training for each round",
        "labels: n + texts without labels · takes: a language model of the pool, trained once for all",
    ):
        assert told in listed
    assert not overview.reads_unlabelled(strategies.make("eda"))
    assert overview.reads_unlabelled(strategies.make("eda_nn"))


def test_the_terminal_decides_the_width(tmp_path) -> None:
    for columns in ("80", "120"):
        done = datayield(tmp_path, "strategies", "list", COLUMNS=columns)
        assert done.returncode == 0 and done.stdout == overview.listed(int(columns))
    card = datayield(tmp_path, "strategies", "show", "vat", COLUMNS="80").stdout
    assert "takes:      each batch, and one without labels, is passed three times" in card
    assert "tunable:    epsilon 0.5 to 10 (log)" in card
    done = datayield(tmp_path, "strategies", "show", "vta")
    assert done.returncode == 2 and 'did you mean "vat"' in done.stderr
