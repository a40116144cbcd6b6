"""dvc.yaml's stages name the code that they run: compared with the imports, computed by `ast`."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from datayield.cli import pipeline
from tests.conftest import REPO, call, datayield, make_project

SOURCES = REPO / "src"
MODULES = {
    ".".join(p.relative_to(SOURCES).with_suffix("").parts).removesuffix(".__init__"): p
    for p in SOURCES.rglob("*.py")
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
STAGES = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]


def imported(*trees: ast.AST) -> Iterator[str]:
    """Names that these trees import anywhere, for types alone excepted, or name in a string."""
    nodes = list(trees)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            nodes += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{a.name}" for a in node.names)
            yield str(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # `python -m datayield.cells.worker_process`, import_module(...)
        nodes += ast.iter_child_nodes(node)


def closure(*starts: str) -> set[str]:
    """All modules that run when these are imported, their packages included."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        # The root package loads datayield.api only for programs that use the Python API.
        if name in seen or name not in MODULES or name == "datayield":
            continue
        seen.add(name)
        waiting += [name.rpartition(".")[0], *imported(TREES[name])]
    return {name for name in seen if not only_a_docstring(TREES[name])}


def only_a_docstring(tree: ast.Module) -> bool:
    return len(tree.body) <= 1


@cache
def runs(stage: str) -> set[str]:
    """The modules that a stage's command runs."""
    words = STAGES[stage]["cmd"].split()
    if words[1].startswith("flows/"):
        return closure(*imported(ast.parse((REPO / words[1]).read_text())))
    assert words[1:4] == ["-m", "datayield", "stage"] and words[4] == stage
    if stage in pipeline.DATA_STAGES:
        return closure(pipeline.DATA_STAGES[stage])
    return closure(f"datayield.report.{stage}_stage")


@cache
def code_of(stage: str) -> dict[str, set[str]]:
    """The modules below each place in src that a stage names."""
    places = [d for d in STAGES[stage]["deps"] if d.startswith("src/")]
    return {
        d: {
            m for m, path in MODULES.items() if path == REPO / d or (REPO / d) in path.parents
        }
        for d in places
    }  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_names_exactly_the_code_that_it_runs(stage: str) -> None:
    run, places = runs(stage), code_of(stage)
    missing = run - set().union(*places.values())
    assert not missing, f"dvc.yaml, stage {stage}: add to deps {sorted(missing)}"
    idle = [place for place, modules in places.items() if not modules & run]
    assert not idle, f"dvc.yaml, stage {stage}: nothing of {idle} is run; remove it from deps"
    both = [p for p in places for q in places if p != q and p.startswith(f"{q}/")]
    assert not both, f"dvc.yaml, stage {stage}: {both} lies in a room that is named already"


def test_the_closure_finds_functions_imports_and_modules_that_are_started_by_name() -> None:
    study = runs("study")
    assert {"datayield.cells.trial", "datayield.cells.worker_process", "datayield.models.batch_sampler",
            "datayield.models.stacked.recurrent", "datayield.integrations.ray_pool"} <= study  # fmt: skip
    assert not any(m.startswith(("datayield.tuning", "datayield.report")) for m in study)
    assert "datayield.tuning.optuna_search" in runs("tune")
    assert "datayield.report.wording" in runs("report")


CHANGED = {
    # room -> a module, and the stages that a change of it makes stale
    "core/tables.py": set(STAGES),
    "config/params.py": set(STAGES),
    "text/near_duplicates.py": {"audit", "embed", "augment", "tune", "study"},
    "text/tokens.py": set(STAGES) - {"analyse", "report"},
    "corpora/build.py": set(STAGES) - {"analyse", "report"},
    "models/trainer.py": {"tune", "study"},
    "models/encoding.py": {"embed", "augment", "tune", "study"},
    "strategies/augmentation.py": {"embed", "augment", "tune", "study"},
    "cells/trial.py": {"tune", "study"},
    "study/study_stage.py": {"study"},
    "study/stages/rate_difficulties.py": {"curriculum"},
    "study/export.py": set[str](),
    "tuning/optuna_search.py": {"tune"},
    "analysis/intervals.py": {"study", "analyse", "report"},
    "analysis/recommend.py": {"analyse", "report"},
    "report/figures.py": {"report"},
    "integrations/tune_flow.py": {"tune"},
    "integrations/mlflow_registry.py": set[str](),
    "cli/doctor.py": set[str](),
    "api.py": set[str](),
}


@pytest.mark.parametrize(("module", "stale"), CHANGED.items(), ids=list(CHANGED))
def test_a_change_makes_those_stages_stale_that_run_it(module: str, stale: set[str]) -> None:
    name = next(m for m, p in MODULES.items() if p == SOURCES / "datayield" / module)
    assert {s for s in STAGES if name in set().union(*code_of(s).values())} == stale


@pytest.mark.slow
def test_dvc_finds_those_stages_stale(tmp_path: Path) -> None:
    """`dvc status` in a project whose deps are all committed, after a comment in one module."""
    import shutil

    folder = make_project(tmp_path / "project")
    for name in ("dvc.yaml", "requirements.lock", ".gitignore", ".dvcignore"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        assert call(folder, *command).returncode == 0
    done = datayield(folder, "study")
    assert done.returncode == 0, done.stdout + done.stderr
    for module in ("models/trainer.py", "report/figures.py", "cli/doctor.py"):
        path = folder / "src" / "datayield" / module
        before = path.read_text()
        path.write_text(before + "# a comment\n")
        said = subprocess.run(
            ["dvc", "status"], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        changed = {
            line.split(":")[0].split("@")[0]
            for line, after in zip(said.splitlines(), said.splitlines()[1:], strict=False)
            if line and not line.startswith("\t") and "changed deps" in after
        }
        assert changed == CHANGED[module], said
        path.write_text(before)
