"""What README and docs say can be done, is done."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from datayield.cli import main
from datayield.config import Params
from datayield.core import tables
from datayield.core.types import Cost, TrainingSet, names_of
from datayield.strategies.base import Strategy
from tests.conftest import REPO
from tests.report_data import words_of

PAGES = [
    *(REPO / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((REPO / "docs").rglob("*.md")),
]


def test_the_example_strategy_works(tmp_path: Path) -> None:
    page = (REPO / "docs/adding-a-strategy.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.S)[0]
    path = tmp_path / "headline.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("headline", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Strategy = module.headline(words=2)
    import numpy as np

    rows = TrainingSet(
        ("a b c",), np.ones((1, 1), np.float32), np.ones(1, np.float32), np.array([4])
    )
    out = made.transform(rows, None)
    assert made.name == "headline" and out.texts == ("a b c a b",) and out.parents[0] == 4


COINED = re.compile(
    # words that had a meaning of their own here; docs/adr keeps them as history
    r"\b(beside|mend(ed)?|anew|likewise|desks?|knobs?|acquires?|company|lacks?)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", [p for p in PAGES if p.parent.name != "adr"], ids=lambda p: p.name)
def test_pages_use_common_words(page: Path) -> None:
    lines = enumerate(page.read_text().splitlines(), 1)
    assert [f"{n}: {line}" for n, line in lines if COINED.search(line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_make_targets_named_in_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(), re.M))
    assert (
        set(re.findall(r"(?:^|`)make ([a-z-]+)", (REPO / "README.md").read_text(), re.M)) <= targets
    )


def test_commands_named_in_readme_exist() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "datayield", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for command in set(re.findall(r"`datayield ([a-z]+)", (REPO / "README.md").read_text())):
        assert re.search(rf"^\s+{command}\s", said, re.M), command


def test_the_lock_holds_every_version_within_the_bounds() -> None:
    import tomllib

    from packaging.requirements import Requirement

    locked = dict(
        line.split("==")
        for line in (REPO / "requirements.lock").read_text().split()
        if "==" in line
    )
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.sub(r"[-_.]+", "-", k).lower(): v for k, v in locked.items()}
    for line in wanted:
        requirement = Requirement(line)
        version = names[re.sub(r"[-_.]+", "-", requirement.name).lower()]
        assert requirement.specifier.contains(version), line


def test_findings_are_quoted_from_the_report_shown() -> None:
    report = (REPO / "reports/showcase/default/report.md").read_text()
    said = " ".join(re.sub(r"\\(.)", r"\1", report).split())
    quoted = [x[2:] for x in (REPO / "README.md").read_text().splitlines() if x.startswith("> ")]
    assert quoted and all(line in said for line in quoted)
    assert len((REPO / "README.md").read_text().splitlines()) < 120
    assert len(report.splitlines()) <= 150


@pytest.mark.slow
def test_a_package_of_somebody_else_brings_a_strategy(tmp_path: Path) -> None:
    """A tiny package, installed into a folder of its own, adds `headline` to the list."""
    code, _ = re.findall(
        r"```python\n(.*?)```", (REPO / "docs/adding-a-strategy.md").read_text(), re.S
    )
    package, site = tmp_path / "package", tmp_path / "site"
    package.mkdir()
    (package / "headline.py").write_text(code)
    (package / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "headline"\nversion = "1"\n'
        '[project.entry-points."datayield.strategies"]\nheadline = "headline:headline"\n'
        '[tool.setuptools]\npy-modules = ["headline"]\n'
    )
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", *install, str(package)], check=True)
    path = f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    said = subprocess.run(
        [sys.executable, "-m", "datayield", "strategies", "show", "headline"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path},
    ).stdout  # fmt: skip
    assert "headline (strategy, version 1): repeats the first words" in said
    assert "words=5" in said and "datayield's documentation" in said


EVERYDAY = frozenset(
    # words that mean here what they mean everywhere
    "name summary version source title task note licence citation text format encoding separator"
    " path files more url bytes rows member config revision classes length low high log options"
    " cores texts".split()
)


def _glossary() -> set[str]:
    """Return the words that docs/glossary.md explains."""
    lines = (REPO / "docs/glossary.md").read_text().splitlines()
    cells = [line.split("|")[1] for line in lines if line.startswith("| ")]
    return {word.strip().strip("`") for cell in cells for word in cell.split(",")}


def _keys(kind: object) -> set[str]:
    """Return the names of all fields of a pydantic model, those of its parts included."""
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {key for part in get_args(kind) for key in _keys(part)}
    fields = kind.model_fields.items()
    return {name for name, _ in fields} | {k for _, f in fields for k in _keys(f.annotation)}


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("strategies.base.Strategy", names_of(Strategy)),
        ("core.types.Cost", names_of(Cost)),
        ("core.tables.CELLS", tables.CELLS.names),
        ("params.yaml", sorted(_keys(Params))),
        ("commands", sorted(next(iter(main.parser()._subparsers._group_actions)).choices)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_glossary_explains_every_name(where: str, names: Sequence[str]) -> None:
    assert len(names) > 10
    assert sorted(set(names) - _glossary() - EVERYDAY) == [], f"{where}: not in docs/glossary.md"


def test_the_glossary_explains_each_word_once() -> None:
    lines = (REPO / "docs/glossary.md").read_text().splitlines()
    tables_before_commands = lines[: lines.index("## Commands")]
    first = [x.split("|")[1].split(",")[0].strip() for x in tables_before_commands if x[:2] == "| "]
    words = [word for word in first if word != "word"]
    assert len(words) > 100 and len(words) == len(set(words))


INTERVAL = re.compile(r"[−+]?[\d,.]+(?: %|×)? \[[^\]]+\]")


def _page() -> str:
    """The words of the default study's page, with table cells between bars."""
    page = (REPO / "reports/showcase/default/index.html").read_text()
    return words_of(page)


def test_reading_the_report_quotes_the_report() -> None:
    """Every sentence quoted and every number with its interval stands in the report."""
    said = " ".join(_page().split())
    page = (REPO / "docs/reading-the-report.md").read_text()
    quoted = [line[2:] for line in page.splitlines() if line.startswith("> ")]
    quoted += re.findall(r'(?<=: )"([^"\n]+)"', page)
    numbers = INTERVAL.findall(page)
    assert len(quoted) >= 8 and len(numbers) >= 12
    for part in [*quoted, *numbers, "≥ 75.7 %", "truly differs from plain LSTM by 0.6 points"]:
        assert part in said, part


def test_reading_the_report_says_what_stands_in_the_rows() -> None:
    """A number of the page stands in the row of the arm and budget that the page names."""
    for arm, *numbers in (
        ("LSTM + TF-IDF as its teacher (lstm:distil)", "+0.4 [−0.9, +1.6]", "not decided"),
        (
            "LSTM + mixup of words",
            "+0.3 [−0.2, +0.8]",
            "0.91× [0.85, 0.97]",
            "gains at most 0.8 points",
        ),
        ("LSTM + TF-IDF as its teacher, averaged with TF-IDF", "1.24× [1.13, 1.37]"),
        ("twice the labels", "+7.1 [+6.7, +7.5]", "the yardstick"),
        ("lstm:plain | 300 ", "+12.2 [+11.5, +12.9]"),
        ("lstm:plain | 3,000 ", "+1.0 [+0.9, +1.2]"),
        ("70.0 % accuracy | lstm:plain", "3,318 [2,915, 3,823]"),
        ("lstm:permuted_labels | check ", "12.5 % [11.3, 13.7]"),
        ("lstm:permuted_labels | 1,000 ", "0.0 [−1.1, +1.1]"),
        ("nbsvm | baseline ", "59.7 % [58.7, 60.7]"),
    ):
        own = [line for line in _page().splitlines() if line.startswith(f"| {arm}")]
        assert any(all(n in line for n in numbers) for line in own), arm


def test_which_method_shows_the_tables_of_the_showcases() -> None:
    from docs import which_method

    written = (REPO / "docs/which-method.md").read_text()
    assert which_method.page(written) == written, "run `python docs/which_method.py`"
    assert len(which_method.gains()) > 10


def _said_by_the_program() -> list[str]:
    """Every text in the source; "…" stands for what is filled in."""
    found = []
    for path in (REPO / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (x.value if isinstance(x, ast.Constant) else "…" for x in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def test_troubleshooting_names_messages_of_the_program() -> None:
    said = _said_by_the_program()
    page = (REPO / "docs/troubleshooting.md").read_text()
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    for row in rows:
        parts = [a or b for a, b in re.findall(r"`` (.+?) ``|`(.+?)`", row)]
        assert any(all(part in text for part in parts) for text in said), parts
