"""Every command in README and docs runs in a small project, or says here why it is only parsed."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datayield.cli import main
from tests.conftest import (
    REPO,
    call,
    need,
    read_params,
    tool_environment,
    write_csv,
    write_params,
    written_texts,
)

PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", REPO / "benchmarks/README.md",
         *sorted((REPO / "docs").rglob("*.md"))]  # fmt: skip
PROGRAMS = ("datayield", "make", "dvc", "python", "python3", "pip", "prefect", "mlflow", "ray")

MODEL = "[ -d models/small-written ] || datayield export --no-register; "
RUN = {
    # command → what is typed instead in the project of the tests, where it has other names
    "datayield plan": "",
    "datayield record": "",
    "datayield next --labelled mine.csv --unlabelled pool.csv --n 100": "",
    "datayield next --labelled mine.csv --unlabelled pool.csv --n 100 --out tasks.json": "",
    "datayield need --target 0.8 --label-price 0.10": "",
    "datayield doctor": "datayield doctor; [ $? -le 1 ]",
    "datayield strategies list": "",
    "datayield strategies list --markdown": "",
    "datayield strategies list --markdown > docs/strategies.md": "mkdir -p docs; datayield"
    f" strategies list --markdown > docs/strategies.md; cmp docs/strategies.md {REPO}/docs/strategies.md",
    "datayield strategies show vat": "",
    "datayield audit reviews.csv": "",
    "datayield corpora list": "",
    "datayield corpora add reviews.csv --text body --label stars": "",
    "datayield corpora check reviews sms_spam": "",
    "datayield need --corpus pydocs --target 0.8": "datayield need --corpus written --target 0.8",
    "datayield need --target 0.6 --label-price 0.1 --hour-price 2": "",
    "datayield need --target 0.7 --label-price 0.1": "",
    "datayield need --target 0.8": "",
    "datayield need --have 1000 --more 500": "datayield need --have 40 --more 10",
    "datayield need --have 1000": "datayield need --have 40",
    "datayield compare HEAD~1:default default": "datayield compare HEAD~1:small small",
    "datayield export": "",
    "datayield export --corpus sst2 --arm lstm:eda_nn --n 500 --out models/mine": "datayield export"
    " --corpus written --arm lstm:eda_nn --n 60 --out models/mine",
    "datayield predict models/default-pydocs reviews.csv --text body --out labelled.csv": MODEL
    + "datayield predict models/small-written reviews.csv --text body --out labelled.csv",
    "cat texts.txt | datayield predict models/default-pydocs --json": MODEL
    + "cat texts.txt | datayield predict models/small-written --json",
    "export MLFLOW_TRACKING_URI=sqlite:///$PWD/state/mlflow.db": "",
    "export PREFECT_API_URL=http://127.0.0.1:4200/api": "",
}

LONG = {
    # minutes with the pipeline; in this order, in one project
    "datayield study": "",
    "dvc repro": "",
    "dvc metrics diff": "",
    "dvc plots show": "",
    "dvc exp run -S study.draws=5": "dvc exp run -S study.draws=3",
}

TRAINS = re.compile("export$|export --|predict|record")  # seconds each
PRESETS = r"datayield preset \w+ && datayield study"

SCHEDULE = "tests/integrations/test_schedule.py::test_a_schedule_refreshes_a_study"

TUTORIAL = "tests/docs/test_tutorial.py::test_the_tutorial_prints_what_it_quotes"

PARSED = {
    "datayield study reviews.csv": "tests/cli/test_own_data.py::test_a_file_gets_its_answer_and_goes_on",
    # command → why it is not run here: it names the test that runs it, or what it would take
    "datayield preset eda5": "tests/docs/test_research.py::test_the_small_replication_is_a_study",
    "python docs/replication.py": "tests/docs/test_research.py::test_the_replication_is_read_from_a_report",
    "python docs/tickets.py ../tickets.csv": TUTORIAL,
    "cd .. && datayield audit tickets.csv": TUTORIAL,
    "datayield study tickets.csv --budget 1350 --draws 3 --plan": TUTORIAL,
    "cd tickets-study && datayield study": TUTORIAL,
    "datayield need --target 0.45 --label-price 0.10": TUTORIAL,
    "datayield need --have 780 --more 500": TUTORIAL,
    "datayield next --labelled ../tickets.csv --unlabelled ../tickets.csv --n 100 --out ../next.csv": TUTORIAL,
    "datayield export --arm tfidf": TUTORIAL,
    "datayield predict models/tickets-tickets ../tickets.csv --text message --out ../labelled.csv": TUTORIAL,
    "make study": "hours on a bare machine: .ci/run sets up, and LONG runs the study",
    "make test": "it is what runs here",
    "python -m tests.golden.test_rows": "it rewrites the golden rows that tests/golden/test_rows.py compares with",
    "prefect server start --host 127.0.0.1": SCHEDULE,
    "datayield deploy": SCHEDULE,
    "prefect worker start --pool datayield": SCHEDULE,
    "mlflow models serve -m models:/datayield-default-pydocs/1 --env-manager local --host 127.0.0.1 --port 5001":
        "tests/models/test_predict.py::test_mlflow_serves_a_registered_model",
    "curl -s http://127.0.0.1:5001/invocations -H 'Content-Type: application/json'"
    """ -d '{"dataframe_split": {"columns": ["text"], "data": [["Read a table from a file."]]}}'""":
        "tests/models/test_predict.py::test_mlflow_serves_a_registered_model",
    "python benchmarks/pruning.py pydocs": "half an hour",
    "make sbom": "installs another package; wants a registry",
    "make audit": "wants PyPI's vulnerability service",
    "make fuzz": "a quarter of an hour: tests/fuzz/test_fuzz.py::test_success_or_one_clear_error",
    "python benchmarks/augment.py pydocs ../rivals/bin/python": "wants the rivals of the line before",
    "python3 -m venv ../rivals && ../rivals/bin/pip install keras tensorflow-cpu nlpaug nltk":
        "installs other packages, gigabytes",
}  # fmt: skip


def fenced(page: Path) -> Iterator[str]:
    """The commands of a page's blocks, without comments; a line ending in a backslash goes on."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
        for line in re.sub(r"\s*\\\n\s*", " ", block).splitlines():
            bare = re.sub(r"\s+#.*", "", line).strip()
            if bare and not bare.startswith("#"):
                yield bare


def inline(page: Path) -> Iterator[str]:
    """The commands in a page's sentences and tables."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for span in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose):
        if span.split()[0] in PROGRAMS and len(span.split()) > 1:
            yield span


FENCED = sorted({c for page in PAGES for c in fenced(page)})
INLINE = sorted({c for page in PAGES for c in inline(page)} - set(FENCED))


def test_every_command_of_a_block_is_run_or_says_why_not() -> None:
    known = {*RUN, *LONG, *PARSED}
    new = [c for c in FENCED if c not in known and not re.fullmatch(PRESETS, c)]
    assert not new, f"add to RUN, LONG or PARSED in {__file__}: {new}"
    gone = known - {*FENCED, *INLINE}
    assert not gone, f"in no page any more: {gone}"
    assert len(FENCED) > 25


def test_the_tests_that_run_a_command_exist() -> None:
    for reason in PARSED.values():
        if reason.startswith("tests/"):
            path, _, name = reason.partition("::")
            assert f"def {name}(" in (REPO / path).read_text(), reason


def parts(command: str) -> list[list[str]]:
    """The words of each command of a line, without redirections."""
    found: list[list[str]] = [[]]
    for word in shlex.split(command):
        if word in ("&&", "|", ";"):
            found.append([])
        elif word in (">", "<"):
            break
        else:
            found[-1].append(word)
    return found


@pytest.mark.parametrize("command", sorted({*FENCED, *INLINE}))
def test_a_command_can_be_parsed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in parts(re.sub(r" \[[^]]*\]", "", command)):
        program, arguments = Path(words[0]).name, ["x" if w == "…" else w for w in words[1:]]
        if program == "datayield":
            try:
                main.parser().parse_args(arguments)
            except SystemExit as e:
                assert e.code == 0, capsys.readouterr().err
        elif program == "dvc":
            from dvc.cli import parse_args

            parse_args(arguments)
        elif program == "make":
            subprocess.run(["make", "-n", *arguments], cwd=REPO, check=True, capture_output=True)
        elif program in ("python", "python3") and arguments[0] != "-m":
            compile((REPO / arguments[0]).read_text(), arguments[0], "exec")
        elif program == "pip":
            _extras_exist(arguments)


def _extras_exist(arguments: list[str]) -> None:
    import tomllib

    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    for extra in re.findall(r"datayield\[(\w+)\]", " ".join(arguments)):
        assert extra in project["optional-dependencies"]


@pytest.fixture(scope="module")
def project(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A studied project in git, with its report and the files that the docs name."""
    folder = tmp_path_factory.mktemp("commands") / "project"
    shutil.copytree(studied, folder)
    for name in ("dvc.yaml", "requirements.lock", ".gitignore"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "src", folder / "src")
    shutil.copy(folder / "written.csv", folder / "reviews.csv")
    texts, labels = written_texts(400, seed=1)
    write_csv(folder / "mine.csv", texts[:200], labels[:200])
    (folder / "pool.csv").write_text("body\n" + "\n".join(texts[200:]) + "\n")
    (folder / "texts.txt").write_text("rain and wind.\na boat at the pier.\n")
    params = read_params(folder)
    params["corpora"]["reviews"] = params["corpora"]["written"]
    write_params(folder, params)
    for line in ("datayield stage analyse", "datayield stage report", "git init -q", "git add -A",
                 "git add -f reports", "git commit -qm one", "git commit -q --allow-empty -m two"):  # fmt: skip
        typed(folder, line)
    return folder


def typed(folder: Path, line: str) -> None:
    """A line typed into a shell of the project's folder."""
    program = f'datayield() {{ {shlex.quote(sys.executable)} -m datayield "$@"; }}; set -o pipefail; {line}'
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org",
           "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.org"}  # fmt: skip
    done = call(folder, "bash", "-c", program, **who)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=[pytest.mark.slow] if TRAINS.search(c) else []) for c in RUN],
)
def test_a_command_runs(project: Path, command: str) -> None:
    need("sms_spam" not in command or "DATAYIELD_MIRROR" in tool_environment(), "a mirror")
    typed(project, RUN[command] or command)


@pytest.mark.parametrize("command", [c for c in FENCED if re.fullmatch(PRESETS, c)])
def test_a_preset_is_written_and_planned(tmp_path: Path, command: str) -> None:
    """Its study takes hours; that of a small project is run below."""
    from datayield import config

    typed(tmp_path, command.split(" && ", maxsplit=1)[0])
    assert config.load(tmp_path / "params.yaml").study.corpora


@pytest.mark.slow
def test_the_pipelines_commands_run(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    shutil.rmtree(folder / "reports")
    for line in ("git rm -rq --cached reports", "dvc init -q", "git add -A", "git commit -qm dvc"):
        typed(folder, line)
    for command, instead in LONG.items():
        typed(folder, instead or command)
