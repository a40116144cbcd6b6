"""Strategies that cannot work as asked: one clear error each, before anything is trained."""

from pathlib import Path

import numpy as np
import pytest

from datayield import config
from datayield.core.errors import UserError
from datayield.core.types import TrainingSet
from datayield.strategies import registry, selection
from datayield.strategies.base import Strategy
from datayield.study import grid
from datayield.study.arms import default_settings, parse_arm
from tests.conftest import call, datayield, read_params, small_params, write_params

ARGUMENTS: list[tuple[str, dict[str, object], str]] = [
    ("eda", {"alpha": 1.5}, "alpha: wanted a number from"),
    ("eda", {"alpha": [0.1, 0.1]}, "alpha: wanted a number or 4 numbers, got"),
    ("eda", {"alpha": "much"}, "alpha: wanted"),
    ("eda_nn", {"n_aug": 2.5}, "n_aug: wanted a whole number from 1 to 1000, got 2.5"),
    ("eda_nn", {"n_aug": 0}, "n_aug: wanted a number from 1"),
    ("eda_nn", {"n_aug": 17}, "n_aug: wanted at most 16 with the paper's alpha, got 17"),
    ("swap", {"alpha": 0}, "alpha: wanted"),
    ("aeda", {"n_aug": True}, "n_aug: wanted"),
    ("repeat", {"times": 0}, "times: wanted"),
    ("lm_substitute", {"share": 0.0}, "share: wanted"),
    ("lm_substitute", {"passes": 1.5}, "passes: wanted a whole number"),
    ("distil", {"texts": 0}, "texts: wanted"),
    ("self_training", {"rounds": 6}, "rounds: wanted a number from 1 to 5, got 6"),
    ("self_training", {"rounds": 1.5}, "rounds: wanted a whole number"),
    ("self_training", {"threshold": float("nan")}, "threshold: wanted"),
    ("self_training", {"kind": "tree"}, "kind: wanted network or linear, got 'tree'"),
    ("random", {"keep": 0}, "keep: wanted"),
    ("el2n", {"keep": 1.2}, "keep: wanted"),
    ("forgetting", {"keep": "most"}, "keep: wanted"),
    ("data_map", {"easy": -0.1}, "easy: wanted"),
    ("ccs", {"keep": 0.7, "hardest": 0.4}, "hardest: wanted a number from 0 to 0.3, got 0.4"),
    ("dedup", {"similarity": 0}, "similarity: wanted"),
    ("clean", {"kind": 3}, "kind: wanted linear or network, got 3"),
    ("entropy", {"rounds": 0}, "rounds: wanted"),
    ("bald", {"rounds": 2.5}, "rounds: wanted a whole number"),
    ("competence", {"pace": 0}, "pace: wanted"),
    ("baby_steps", {"buckets": 0}, "buckets: wanted"),
    ("baby_steps", {"buckets": 2.5}, "buckets: wanted a whole number"),
    ("self_paced", {"first": 0}, "first: wanted"),
    ("mixup_word", {"alpha": 0}, "alpha: wanted"),
    ("mixup_sentence", {"alpha": "x"}, "alpha: wanted"),
    ("adversarial", {"epsilon": 0}, "epsilon: wanted"),
    ("vat", {"epsilon": -1}, "epsilon: wanted"),
    ("superloss", {"strength": 0}, "strength: wanted"),
    ("superloss", {"moving": "yes"}, "moving: wanted True or False, got 'yes'"),
    ("label_smoothing", {"epsilon": 1.0}, "epsilon: wanted"),
    ("lm", {"passes": 0}, "passes: wanted"),
    ("autoencoder", {"rate": 0}, "rate: wanted"),
    ("vectors", {"file": "nowhere.txt"}, "file: wanted a file of word vectors"),
    ("vectors", {"file": 5}, "file: wanted a file of word vectors"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "told"), ARGUMENTS)
def test_arguments_out_of_range(name: str, arguments: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=f'strategy "{name}": {told}'):
        registry.make_strategy(name, arguments)


def test_every_argument_is_checked() -> None:
    """Nothing that a factory takes is believed: an object() is refused wherever it is put."""
    for name in registry.registered():
        for argument in registry.arguments_of(name, {}):
            with pytest.raises(UserError, match=f'strategy "{name}": {argument}'):
                registry.make_strategy(name, {argument: object()})


CONTRADICTIONS = {
    "mixup_word+vat": "mixup_word and vat cannot be combined: each of them decides the loss of an example",
    "lm+vectors": "each of them decides the first weights",
    "k_center+entropy": "each of them decides which texts to label",
    "article+double": "each of them decides labels and seed of a run",
    "competence+anti": "each of them decides how difficult each text is",
    "baby_steps+random_order": "each of them decides how difficult each text is",
    "eda+eda": "named twice",
    "eda+edda": 'unknown strategy "edda": did you mean "eda"',
}


@pytest.mark.parametrize("names", CONTRADICTIONS)
def test_contradictory_compositions(names: str) -> None:
    with pytest.raises(UserError, match=CONTRADICTIONS[names]) as caught:
        parse_arm(f"lstm:{names}")
    assert f'arm "lstm:{names}"' in str(caught.value)


def test_two_that_fix_one_setting_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Strategy("slow", "a small rate", pins=lambda labels: {"learning_rate": 0.001})
    monkeypatch.setitem(registry.registered(), "slow", lambda: own)
    params = config.parse(small_params("0" * 64))
    told = "article.slow contradicts itself: slow fixes model.learning_rate at 0.001, another .* at 0.01"
    with pytest.raises(UserError, match=told):
        default_settings(params, parse_arm("lstm:article+slow"), 60)


def _params(arms: list[str], **more: object) -> config.Params:
    raw = small_params("0" * 64)
    raw["study"]["grid"] = [{"arms": arms, "budgets": [30, 60]}]
    return config.parse({**raw, **more})


def test_disagreement_by_dropout_needs_dropout() -> None:
    none = {"word_dropout": 0.0, "embedding_dropout": 0.0, "dropout": 0.0}
    params = _params(["lstm:bald"], model=none)
    with pytest.raises(
        UserError,
        match='arm "lstm:bald" needs predictions that vary between passes: .* all .* are 0',
    ):
        default_settings(params, parse_arm("lstm:bald"), 60)
    with pytest.raises(UserError, match="needs predictions that vary"):  # the recipe drops nothing
        default_settings(_params(["lstm"]), parse_arm("lstm:article+bald"), 60)
    default_settings(_params(["lstm"]), parse_arm("lstm:bald"), 60)


def test_a_selection_and_its_control_keep_the_same_share() -> None:
    arms = ["lstm:plain", "lstm:data_map", "lstm:random"]
    told = (
        r"data_map has keep 0.333\d* and its control random has 0.7.*need the same value:"
        r" set \{data_map: \{keep: 0.7\}\}"
    )
    with pytest.raises(UserError, match=told):
        grid.arms_and_budgets(_params(arms), 500)
    same = {"data_map": {"keep": 0.5}, "random": {"keep": 0.5}}
    assert len(grid.arms_and_budgets(_params(arms, strategies=same), 500)[0]) == 6
    assert grid.arms_and_budgets(_params(arms[:2]), 500)[0], (
        "without the control beside it nothing is wrong"
    )
    with pytest.raises(
        UserError, match="competence has pace 0.25 and its control random_order has 0.5"
    ):
        pacing = {"competence": {"pace": 0.25}}
        grid.check_controls(_params(["lstm:competence", "lstm:random_order"], strategies=pacing))


@pytest.mark.parametrize("name", ["vat", "distil", "self_training"])
def test_no_text_without_a_label_is_left(name: str) -> None:
    params = _params([f"lstm:{name}", "lstm:plain"])
    found, notices = grid.arms_and_budgets(params, 60)  # at 30 there are some
    assert len(found) == 3 and any("leaves none" in x for x in notices)
    raw = small_params("0" * 64)
    raw["study"]["grid"] = [{"arms": [f"lstm:{name}"], "budgets": [60]}]
    told = f"lstm:{name} learns from texts without labels, and each of its budgets takes the whole pool of 60"
    with pytest.raises(UserError, match=told):
        grid.arms_and_budgets(config.parse(raw), 60)
    every, notices = grid.arms_and_budgets(config.parse(raw), 60, unlabelled=1)
    assert [(str(a), n) for a, n in every] == [(f"lstm:{name}", 60)] and not notices


def test_too_few_labels_for_folds() -> None:
    rows = TrainingSet(
        ("rain", "boat"), np.eye(2, dtype=np.float32), np.ones(2, np.float32), np.arange(2)
    )
    with pytest.raises(UserError, match="need at least 3 training labels, and 2 are left"):
        selection.out_of_fold(rows, None, "linear")


def test_the_study_ends_before_any_stage_runs(project: Path) -> None:
    """From the command line: one sentence, and neither data nor cells are touched."""
    params = read_params(project)

    def told(arms: list[str], **chosen: object) -> str:
        grid_of = [{"arms": arms, "budgets": [30]}]
        study = {**params["study"], "grid": grid_of}
        write_params(project, {**params, "study": study, "strategies": chosen})
        before = sorted(p for p in project.rglob("*") if "dvc" not in p.parts)
        done = datayield(project, "study")
        assert done.returncode == 2 and "Traceback" not in done.stderr and not done.stdout
        assert done.stderr.count("datayield: ") == 1
        assert sorted(p for p in project.rglob("*") if "dvc" not in p.parts) == before
        return done.stderr

    assert "each of them decides the loss of an example" in told(["lstm:vat+superloss"])
    assert "epsilon: wanted" in told(["lstm:vat"], vat={"epsilon": 0})
    assert "its control random has 0.7" in told(["lstm:ccs", "lstm:random"])
    assert 'unknown strategy "vta": did you mean "vat"' in told(["lstm:vta"])


def test_a_missing_thesaurus_ends_the_augment_stage(project: Path, tmp_path: Path) -> None:
    params = read_params(project)
    params["study"]["grid"] = [{"arms": ["lstm:eda"], "budgets": [30]}]
    write_params(project, params)
    before = (project / "data/written/variants.parquet").read_bytes()
    done = call(
        project, "python", "-m", "datayield", "stage", "augment", "--corpus", "written",
        DATAYIELD_WORDNET=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "eda needs WordNet's dictionary files and" in done.stderr and "eda_nn" in done.stderr
    assert (project / "data/written/variants.parquet").read_bytes() == before
