"""Plants effects into whole studies and counts what their reports claim.

    python benchmarks/planted_effects.py FOLDER [--studies 20] [--draws 6]

Three strategies come from a package that this script writes: `planted_gain` trains the baseline on 12 %
more labels than it is billed for, `planted_harm` on 12 % fewer, `planted_nothing` on the same labels with
another seed. Each study is a whole run of `datayield study` (DVC, Prefect, statistics, report) on fresh
draws of pydocs, all in one project folder, so an interrupted run goes on where it stopped. The true effect
is the mean difference over all draws of all studies. Printed: the verdicts on the mean over budgets, and
how many of a study's intervals hold the mean of all others.
"""

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean

import yaml

from datayield.core.system import machine

machine.prepare_process()

from datayield.analysis import statistics
from datayield.analysis.claim_statements import MeanDifference

PLANTED = ("planted_gain", "planted_nothing", "planted_harm")
PLUGIN = """
from dataclasses import replace
from datayield.strategies.base import Strategy

def _labels(share):
    return lambda protocol: replace(protocol, labels=round(share * protocol.labels))

def gain():
    return Strategy("planted_gain", "trains on 12 % more labels", protocol=_labels(1.12))

def harm():
    return Strategy("planted_harm", "trains on 12 % fewer labels", protocol=_labels(0.88))

def nothing():
    return Strategy(
        "planted_nothing",
        "is the baseline with another seed",
        protocol=lambda protocol: replace(protocol, seed=protocol.seed + 7_000_003),
    )
"""
ENTRIES = "[datayield.strategies]\n" + "\n".join(
    f"{name} = planted:{name.removeprefix('planted_')}" for name in PLANTED
)


def prepare(folder: Path) -> dict[str, str]:
    """Make the project and the package of planted strategies; return the environment to run it in."""
    package = folder / "package"
    (package / "planted-1.dist-info").mkdir(parents=True, exist_ok=True)
    (package / "planted.py").write_text(PLUGIN)
    (package / "planted-1.dist-info" / "METADATA").write_text("Name: planted\nVersion: 1\n")
    (package / "planted-1.dist-info" / "entry_points.txt").write_text(ENTRIES)
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if not (folder / "project").exists():
        command(folder, environment, "init", "project")
    return environment


def command(folder: Path, environment: dict[str, str], *options: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datayield", *options],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])


def study(folder: Path, environment: dict[str, str], number: int, draws: int) -> None:
    """Run one study on draws that no other study has; a finished one is not run again."""
    project = folder / "project"
    name = f"planted_{number}"
    if (project / "reports" / name / "index.html").exists():
        return
    params = yaml.safe_load((project / "params.yaml").read_text())
    arms = ["lstm:plain", *(f"lstm:{name}" for name in PLANTED)]
    params["study"] |= {
        "name": name,
        "draws": {"first": number * draws, "count": draws},
        "validation_folds": 0,
        "grid": [{"arms": arms, "budgets": [300, 1000]}],
    }
    params["updates"] = {0: 150}
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    command(project, environment, "study", "--quiet")


def table(folder: Path, studies: int) -> str:
    """Return what the studies claim of each planted strategy, on the mean over budgets."""
    found: dict[str, list[MeanDifference]] = {name: [] for name in PLANTED}
    for number in range(studies):
        path = folder / "project" / "reports" / f"planted_{number}" / "statistics.json"
        (corpus,) = statistics.read(path).corpora
        for x in corpus.mean_differences:
            found[x.arm.removeprefix("lstm:")].append(x)
    lines = [
        "| planted | true effect, points | smallest visible | helps | harms | other | intervals that hold it |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        counts = Counter(x.claim.verdict for x in rows if x.claim)
        estimates = [x.difference.estimate for x in rows]
        held = 0
        for i, x in enumerate(rows):
            others = fmean(e for j, e in enumerate(estimates) if j != i)
            held += (x.difference.low or 0.0) <= others <= (x.difference.high or 0.0)
        other = len(rows) - counts["helps"] - counts["harms"]
        true = f"{100 * fmean(estimates):+.2f}"
        visible = f"{100 * fmean(x.claim.visible or 1.0 for x in rows if x.claim):.2f}"
        found_in = f"{counts['helps']} | {counts['harms']} | {other}"
        lines.append(f"| {name} | {true} | {visible} | {found_in} | {held} of {len(rows)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--draws", type=int, default=6)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    environment = prepare(options.folder)
    for number in range(options.studies):
        study(options.folder, environment, number, options.draws)
        print(f"{number + 1} of {options.studies}", file=sys.stderr, flush=True)
    print(table(options.folder, options.studies))


if __name__ == "__main__":
    main()
