"""Two studies side by side: what changed, and only that."""

import copy
import json
import subprocess
from pathlib import Path

import pytest

from datayield.core.errors import UserError
from datayield.report import compare_studies, metrics_file
from tests.report_data import statistics


@pytest.fixture(scope="module")
def found() -> dict:
    return metrics_file.metrics(statistics(effects={"strong": 3.0, "useless": 1.0}))


def said(a: dict, b: dict) -> str:
    return "\n".join(
        compare_studies.lines(
            compare_studies.Side("one", None, a), compare_studies.Side("two", "2026-11-01", b)
        )
    )


def test_the_same_study_twice_has_no_change(found: dict) -> None:
    told = said(found, found)
    assert "settings and data agree" in told and "→" not in told and "apart" not in told
    assert "B: two, 2026-11-01: study s, seed 1, 6 draws" in told


def test_changes_of_settings_scores_verdicts_and_picks_are_named(found: dict) -> None:
    other = copy.deepcopy(found)
    other["study"]["draws"] = 9
    corpus = other["corpora"]["written"]
    corpus["data"] = "e" * 64
    corpus["tuning"] = "8 tpe trials per draw"
    at = corpus["arms"]["lstm:strong"]["200"]
    for name in ("accuracy", "accuracy_low", "accuracy_high"):
        at[name] -= 0.3
    at["verdict"] = "harms"
    corpus["best"]["200"] = "tfidf"
    corpus["target"]["lstm:plain"]["point"] = None
    del corpus["arms"]["lstm:useless"]["400"]
    corpus["arms"]["gru:plain"] = {"200": at}
    told = said(found, other)
    for wanted in (
        "draws: 6 → 9", "written, tuning: none → 8 tpe trials per draw",
        "written, data: dddddddddddd → eeeeeeeeeeee", "only in A: lstm:useless at 400",
        "only in B: gru:plain at 200", "−30.0", "intervals apart; helps → harms",
        "best arm by validation at 200: lstm:strong → tfidf", "→ not reached",
    ):  # fmt: skip
        assert wanted in told, wanted
    assert told.count("intervals apart") == 1


def test_a_study_is_found_by_name_folder_file_and_revision(found: dict, tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "s"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(found))
    for name in ("s", "reports/s", str(folder), str(folder / "metrics.json")):
        assert compare_studies.read(name, tmp_path).metrics == found
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "v1"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    (folder / "metrics.json").write_text(json.dumps({**found, "schema": 1}))
    old = compare_studies.read("v1:s", tmp_path)
    assert old.metrics == found and old.date and old.date.startswith("20")
    with pytest.raises(UserError, match="schema 1, this version of datayield reads 3"):
        compare_studies.read("s", tmp_path)
    with pytest.raises(UserError, match="neither in git nor in DVC"):
        compare_studies.read("v1:other", tmp_path)
    with pytest.raises(UserError, match="a git revision"):
        compare_studies.read("nix", tmp_path)
    (folder / "metrics.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        compare_studies.read("s", tmp_path)
