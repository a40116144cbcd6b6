"""Strategies in words: the page of the docs is the registry's, lists fit their width."""

import pytest

from datayield.strategies import overview, registry
from tests.conftest import REPO, datayield


def test_the_page_is_what_the_registry_says() -> None:
    written = (REPO / "docs/strategies.md").read_text(encoding="utf-8")
    fix = "run: datayield strategies list --markdown > docs/strategies.md"
    assert written == overview.page(), fix


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lists_and_cards_fit(columns: int) -> None:
    cards = [overview.card(name, columns) for name in registry.registered()]
    for text in (overview.listed(columns), *cards):
        assert max(len(line) for line in text.splitlines()) <= columns
    listed = overview.listed(columns)
    for name in registry.registered():
        assert f"\n  {name} " in listed


def test_a_list_says_what_each_costs() -> None:
    listed = " ".join(overview.listed(100).split())
    for entry in (
        "el2n keeps the labels with the largest error early in training verbs: transform · labels: n, a"
        " share of 0.7 trains · also computes: 10 helper trainings of 10% of the updates each ·"
        " defaults: keep=0.7 · control: random · source: Paul",
        "verbs: protocol (check) · labels: 2n, billed as n",
        "labels: n, chosen by the strategy + texts without labels · also computes: a helper training for"
        " each round",
        "labels: n + texts without labels · also computes: a language model of the pool, trained once",
    ):
        assert entry in listed
    assert not overview.reads_unlabelled(registry.make_strategy("eda"))
    assert overview.reads_unlabelled(registry.make_strategy("eda_nn"))


def test_the_terminal_decides_the_width(tmp_path) -> None:
    for columns in ("80", "120"):
        done = datayield(tmp_path, "strategies", "list", COLUMNS=columns)
        assert done.returncode == 0 and done.stdout == overview.listed(int(columns))
    card = datayield(tmp_path, "strategies", "show", "vat", COLUMNS="80").stdout
    assert "also computes: three forward and two backward passes" in card
    assert "tunable:       epsilon 0.5 to 10 (log)" in card
    done = datayield(tmp_path, "strategies", "show", "vta")
    assert done.returncode == 2 and 'did you mean "vat"' in done.stderr
