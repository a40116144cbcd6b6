"""Bad params.yaml: one clear error each, before anything is computed."""

import shutil
from pathlib import Path

import pytest

from datayield import config, grid
from datayield.errors import UserError
from tests.conftest import datayield, read_params, small_params, write_params


def _params(**study: object) -> config.Params:
    raw = small_params("0" * 64)
    raw["study"].update(study)
    return config.parse(raw)


BAD = {
    "wrong type": ({"draws": "three"}, r"study\.draws.*valid integer, got 'three'"),
    "negative": ({"draws": -1}, r"study\.draws.*greater than or equal to 1, got -1"),
    "unknown name": ({"drawz": 3}, r"study\.drawz.*Extra inputs"),
    "bad study name": ({"name": "../x"}, r"study\.name.*match pattern"),
    "negative budget": (
        {"grid": [{"arms": ["tfidf"], "budgets": [-5]}]},
        "at least 10 labels, got -5",
    ),
    "unsorted": ({"grid": [{"arms": ["tfidf"], "budgets": [60, 30]}]}, r"ascending.*\[60, 30\]"),
    "no numbers": ({"grid": [{"arms": ["tfidf"], "budgets": "half_octaves"}]}, "as numbers"),
    "twice": ({"corpora": ["written", "written"]}, "listed twice"),
}


@pytest.mark.parametrize("case", BAD)
def test_params(case: str) -> None:
    study, message = BAD[case]
    with pytest.raises(UserError, match=message) as caught:
        _params(**study)
    assert str(caught.value).startswith("params.yaml: study")


ARMS = {
    "lstn:plain": 'unknown architecture "lstn": did you mean "lstm"',
    "lstm:eda_n": 'unknown strategy "eda_n": did you mean "eda_nn"',
    "tfidf:eda_nn": "no network and takes no strategies",
    "lstm:twin+double": "cannot be combined",
}


@pytest.mark.parametrize("arm", ARMS)
def test_arms(arm: str) -> None:
    with pytest.raises(UserError, match=ARMS[arm]) as caught:
        grid.parse_arm(arm)
    assert f'arm "{arm}"' in str(caught.value)


MODEL = {
    "hiden": (3, 'unknown setting "hiden": did you mean "hidden"'),
    "hidden": (0, "model.hidden: wanted a number of at least 1, got 0"),
    "dropout": (1.5, r"model.dropout: wanted a share in \[0, 1\), got 1.5"),
    "pooling": ("mean", "model.pooling: wanted max_mean or last, got 'mean'"),
    "layers": ("two", "model.layers: wanted int, got 'two'"),
    "cell": ("rnn", "model.cell: wanted lstm or gru"),
}


@pytest.mark.parametrize("name", MODEL)
def test_model_settings(name: str) -> None:
    value, message = MODEL[name]
    params = _params().model_copy(update={"model": {name: value}})
    with pytest.raises(UserError, match=message):
        grid.default_settings(params, grid.parse_arm("lstm"), 30)


def test_budgets_beyond_the_pool_are_left_out_with_a_notice() -> None:
    params = _params(grid=[{"arms": ["tfidf", "lstm:double"], "budgets": [30, 60, 5000]}])
    found, notices = grid.entries(params, 100)
    assert {n for _, n in found} == {30, 60}
    assert "5000 labels is larger than the pool of 100" in notices[0]
    assert "lstm:double at 60 labels needs 120 texts" in notices[1]
    with pytest.raises(UserError, match="every budget"):
        grid.entries(_params(grid=[{"arms": ["tfidf"], "budgets": [5000]}]), 100)


def test_the_command_line(project: Path) -> None:
    def error(change: dict, *command: str) -> str:
        params = read_params(project)
        write_params(project, {**params, "study": {**params["study"], **change}})
        done = datayield(project, *command)
        write_params(project, params)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert done.stderr.count("datayield: ") == 1
        return done.stderr

    assert 'unknown corpus "writen": did you mean "written"' in error(
        {"corpora": ["writen"]}, "plan"
    )
    bad = [{"arms": ["lstm:edda_nn"], "budgets": [30]}]
    assert 'did you mean "eda_nn"' in error({"grid": bad}, "study")
    assert "wants --corpus" in error({}, "stage", "vectors")
    assert 'unknown corpus "x"' in error({}, "stage", "corpus", "--corpus", "x")


def test_a_folder_without_params(tmp_path: Path) -> None:
    done = datayield(tmp_path, "plan")
    assert done.returncode == 2 and "params.yaml is missing" in done.stderr
    (tmp_path / "params.yaml").write_text("study: [\n")
    done = datayield(tmp_path, "plan")
    assert done.returncode == 2 and "cannot be read as YAML" in done.stderr


def test_an_unwritable_disk(project: Path) -> None:
    folder = project / "data" / "written"
    for name in ("corpus.arrow", "card.json"):
        (folder / name).replace(project / name)
    shutil.rmtree(folder)
    folder.symlink_to("/proc")  # nothing can be written there, not even by root
    done = datayield(project, "stage", "corpus", "--corpus", "written")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot write" in done.stderr and done.stderr.count("datayield: ") == 1
