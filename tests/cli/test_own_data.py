"""A file of one's own: columns guessed, a project made, its study run, everything wrong said clearly."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from datayield import config
from datayield.cli import main
from datayield.config import own_data, project
from datayield.core.errors import UserError
from datayield.corpora import columns, encodings, input_files, tabular
from datayield.corpora.input_files import InputFiles
from datayield.corpora.loaders import file
from datayield.study import grid
from tests.conftest import REPO, call, datayield, write_csv, written_texts


def table(path: Path, header: list[str], rows: list[list[object]], **how: str) -> Path:
    encoding, separator = how.get("encoding", "utf-8"), how.get("separator", ",")
    with path.open("w", newline="", encoding=encoding) as out:
        csv.writer(out, delimiter=separator).writerows([header, *rows])
    return path


def reviews(path: Path, count: int = 300, **how: str) -> Path:
    """Odd names, line ends and separators in quotes, a date and a number beside."""
    texts, labels = written_texts(count)
    rows = [
        [i, f'{t}\nsays "a; b, c"', label, f"2026-01-{i % 28 + 1:02d} 10:00", i * 0.5 + 0.01]
        for i, (t, label) in enumerate(zip(texts, labels, strict=True))
    ]
    return table(path, ["Nr.", 'Kommentar "frei"', "Thema; alt", "Datum", "Preis, €"], rows, **how)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16"])
def test_columns_are_guessed(tmp_path: Path, separator: str, encoding: str) -> None:
    path = reviews(tmp_path / "Reviews.csv", separator=separator, encoding=encoding)
    layout = tabular.layout_of(path, encodings.found(path).name)
    found = columns.choose(layout, None, None, None, False)
    assert (found.text, found.label, found.split) == ('Kommentar "frei"', "Thema; alt", None)
    assert found.guesses == (
        'texts: "Kommentar "frei"", the only column of long texts that differ',
        'labels: "Thema; alt", the only column of few different values',
    )
    source = file.describe(path, found.text, found.label, encodings.found(path).name, None)
    assert file.load("r", source, 1, Path()).texts[1].endswith('says "a; b, c"')


def test_a_column_of_train_and_test_is_the_split(tmp_path: Path) -> None:
    texts, labels = written_texts(100)
    rows = [
        [t, x, "test" if i % 5 == 0 else "train"]
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    path = table(tmp_path / "a.csv", ["t", "y", "part"], rows)
    assert columns.choose(tabular.layout_of(path, "utf-8"), None, None, None, False).split == "part"
    assert columns.choose(tabular.layout_of(path, "utf-8"), None, None, None, True).split is None


def test_what_cannot_be_known_is_asked_for(tmp_path: Path) -> None:
    texts, labels = written_texts(100)
    rows = [[t, t[::-1], x, i % 4] for i, (t, x) in enumerate(zip(texts, labels, strict=True))]
    path = table(tmp_path / "a.csv", ["one", "two", "y", "stars"], rows)
    with pytest.raises(
        UserError, match="several columns can hold the texts; name it by --text.*one .*e.g.*two "
    ):
        columns.choose(tabular.layout_of(path, "utf-8"), None, None, None, False)
    with pytest.raises(
        UserError,
        match='the labels; name it by --label. There are: y .3 different.*"weather"?.*stars',
    ):
        columns.choose(tabular.layout_of(path, "utf-8"), "one", None, None, False)
    with pytest.raises(UserError, match="holds numbers; --text needs texts"):
        columns.choose(tabular.layout_of(path, "utf-8"), "stars", "y", None, False)


def test_several_files_and_a_test_file_are_one_corpus(tmp_path: Path) -> None:
    texts, labels = written_texts(200)
    one = write_csv(tmp_path / "one.csv", texts[:80], labels[:80])
    two = write_csv(tmp_path / "two.csv", texts[80:160], labels[80:160])
    held = tmp_path / "held.jsonl"
    held.write_text(
        "".join(
            json.dumps({"body": t, "stars": x}) + "\n"
            for t, x in zip(texts[160:], labels[160:], strict=True)
        )
    )
    source = file.describe(one, "body", "stars", "utf-8", None, [two], [held])
    loaded = file.load("c", source, 1, Path())
    assert list(loaded.texts) == texts and loaded.labels == labels
    assert loaded.in_test == [False] * 160 + [True] * 40
    two.write_text(two.read_text() + "more text here,weather\n")
    with pytest.raises(UserError, match="two.csv changed since it was added"):
        file.load("c", source, 1, Path())


def typed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints when it succeeds."""
    assert main.main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_adding_a_corpus_reads_files_as_a_study_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guessed columns, several files, a pattern, a test file and unlabelled texts: the same entry."""
    texts, labels = written_texts(300)
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        part = slice(number * 100, number * 100 + 100)
        write_csv(Path(f"Part {number}.csv"), texts[part], labels[part])
    table(Path("more.csv"), ["body"], [[t] for t in texts])
    alone = yaml.safe_load(typed(capsys, "corpora", "add", "Part 0.csv"))
    assert (alone["part_0"]["text"], alone["part_0"]["label"]) == ("body", "stars")
    options = ("Part [01].csv", "--test", "Part 2.csv", "--unlabelled", "more.csv")
    entry = yaml.safe_load(typed(capsys, "corpora", "add", *options, "--name", "all"))["all"]
    inputs = InputFiles(["Part [01].csv"], test=["Part 2.csv"], unlabelled="more.csv")
    source, notices = input_files.corpus_entry(inputs)
    assert entry == input_files.entry_in(source, Path()) and len(notices) == 6
    assert [(p["path"], p["test"]) for p in entry["more"]] == [
        ("Part 1.csv", False), ("Part 2.csv", True),
    ]  # fmt: skip
    assert entry["unlabelled"]["path"] == "more.csv"
    loaded, column, _ = input_files.labelled_texts(inputs)
    assert list(loaded.texts) == texts and column == "body"


def test_a_labelled_file_for_next_keeps_its_test_texts(tmp_path: Path) -> None:
    """A column of train and test sets nothing apart, and is not read, where all texts are labelled ones."""
    texts, labels = written_texts(100)
    rows = [
        [t, x, "test" if i % 5 else "train"]
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    path = table(tmp_path / "a.csv", ["t", "y", "part"], rows)
    source, _ = input_files.corpus_entry(InputFiles([str(path)], guess_split=False))
    assert source.split is None
    assert input_files.corpus_entry(InputFiles([str(path)]))[0].split == "part"


@pytest.mark.parametrize(
    ("largest", "classes", "wanted"),
    [
        (2000, 5, (220, 670, 2000)),
        (2000, 77, (670, 2000)),
        (20, 2, (20,)),
        (900, 3, (100, 300, 900)),
    ],
)
def test_budgets_are_thirds(largest: int, classes: int, wanted: tuple[int, ...]) -> None:
    assert own_data.ladder(largest, classes) == wanted


@pytest.mark.parametrize(
    ("pool", "budget", "unlabelled"),
    [(60, None, 0), (900, 800, 0), (900, 100, 50), (200_000, 5000, 0)],
)
def test_params_of_ones_own_are_a_study(pool: int, budget: int | None, unlabelled: int) -> None:
    path = {
        "loader": "file",
        "path": "a.csv",
        "sha256": "0" * 64,
        "text": "t",
        "label": "y",
        "format": "csv",
    }
    text = own_data.params_text(
        own_data.OwnStudyOptions("a", budget, 3, True), path, pool, ("x", "y"), unlabelled
    )
    params = config.load_text(text)
    entries, notices = grid.arms_and_budgets(params, pool)
    assert not notices
    largest = max(
        b
        for block in params.study.grid
        if not isinstance(block.budgets, str)
        for b in block.budgets
    )
    assert largest == min(budget or 2000, pool) and params.tuning.arms == "one"
    arms = {str(a) for a, _ in entries}
    assert ("lstm:lm" in arms) == (bool(unlabelled) or 2 * largest <= pool <= own_data.MOST_READ)
    assert {"lstm:plain", "lstm:repeat", "lstm:eda_nn", "tfidf", "majority"} <= arms


# ---- the folder
def test_a_projects_pipeline_is_the_repositorys() -> None:
    """The same stages; what pointed at sources is a key of code.yaml, and nothing else differs."""
    ours = yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"]
    theirs = yaml.safe_load(project.pipeline())["stages"]
    code = yaml.safe_load(project.code())
    assert list(ours) == list(theirs)
    for name, stage in ours.items():
        sources = [d for d in stage["deps"] if d.startswith("src/") or d == "requirements.lock"]
        assert sources and all((REPO / d).exists() for d in sources), name
        made = theirs[name]
        assert made["params"] == [*stage.get("params", []), {"code.yaml": [name]}] and code[name]
        assert made.get("deps", []) == [d for d in stage["deps"] if d not in sources]
        rest = ("deps", "params")
        assert {k: v for k, v in made.items() if k not in rest} == {
            k: v for k, v in stage.items() if k not in rest
        }


def test_flows_are_the_repositorys_own(tmp_path: Path) -> None:
    written = project.renewable()
    for path in [*REPO.glob("flows/*.py"), *REPO.glob("prefect.yaml")]:
        assert written[path.relative_to(REPO).as_posix()] == path.read_text()


def test_the_digest_of_a_stage_follows_its_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A changed file of statistics makes analyse and report stale, and nothing else."""
    import shutil

    before = yaml.safe_load(project.code())
    shutil.copytree(REPO / "src/datayield", tmp_path / "src" / "datayield")
    for name in ("dvc.yaml", "flows"):
        (tmp_path / name).symlink_to(REPO / name)
    monkeypatch.setattr(project, "_HERE", tmp_path / "src" / "datayield")
    assert yaml.safe_load(project.code()) == before
    changed = tmp_path / "src" / "datayield" / "analysis" / "recommend.py"
    changed.write_text(changed.read_text() + "\n")
    after = yaml.safe_load(project.code())
    assert [k for k in before if before[k] != after[k]] == ["analyse", "report"]


@pytest.mark.slow
def test_a_wheel_holds_the_same_files(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", str(tmp_path), str(REPO)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        for path in [
            REPO / "dvc.yaml",
            REPO / ".gitignore",
            *REPO.glob("flows/*.py"),
            *REPO.glob("prefect.yaml"),
        ]:
            inside = f"datayield/skeleton/{path.relative_to(REPO).as_posix()}"
            assert held.read(inside) == path.read_bytes()


def test_init_makes_a_folder_once(tmp_path: Path) -> None:
    done = datayield(tmp_path, "init", "p", "--corpus", "sms_spam", "pydocs")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "p"
    assert "next: cd p; datayield plan, datayield study" in done.stdout
    assert {p.name for p in folder.iterdir()} >= {
        "params.yaml", "dvc.yaml", "code.yaml", "flows", ".gitignore", "README.md", ".git", ".dvc",
    }  # fmt: skip
    params = config.load(folder / "params.yaml")
    assert params.study.corpora == ("sms_spam", "pydocs") and list(params.corpora) == [
        "sms_spam",
        "pydocs",
    ]
    assert call(folder, sys.executable, "-m", "dvc", "status").returncode == 0
    again = datayield(tmp_path, "init", "p")
    assert again.returncode == 2 and "p is not empty" in again.stderr
    (folder / "dvc.yaml").write_text("stages: {}\n")
    renewed = datayield(tmp_path, "init", "p", "--renew")
    assert "dvc.yaml written again" in renewed.stdout
    assert "is up to date" in datayield(tmp_path, "init", "p", "--renew").stdout


def test_init_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert project.make(tmp_path / "p", config.preset("default"), "default") == "DVC without git"
    assert (tmp_path / "p" / ".dvc").is_dir() and not (tmp_path / "p" / ".git").exists()


# ---- what goes wrong: tests/faults/bad_inputs.py
def write_bad_files(folder: Path) -> None:
    """Good and bad files of labelled texts."""
    texts, labels = written_texts(120)
    write_csv(folder / "good.csv", texts, labels)
    write_csv(folder / "one_class.csv", texts, ["same"] * 120)
    write_csv(folder / "rare.csv", texts, ["a", "b", *labels[2:]])
    write_csv(folder / "few.csv", texts[:30], labels[:30])
    table(folder / "plain.csv", ["body"], [[f"{t} once more"] for t in texts[:60]])
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("body,stars\n")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "latin.csv").write_bytes(
        "body,stars\nçela va très bien ici,a\n".encode("latin-1") * 3
    )
    (folder / "words.docx").write_text("x")
    (folder / "none").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "letter.txt").write_text("mine")
    table(folder / "numbers.csv", ["a", "b"], [[i, i % 3] for i in range(100)])
    table(folder / "ragged.csv", ["body", "stars"], [["a b c d", "x"], ["a b"]])
    table(
        folder / "semicolon.csv",
        ["body", "stars"],
        [[t, x] for t, x in zip(texts, labels, strict=True)],
        separator=";",
    )


@pytest.mark.slow
def test_a_file_gets_its_answer_and_goes_on(tmp_path: Path) -> None:
    """One command; again; one row more; a file that is not there any more."""
    path = reviews(tmp_path / "My Reviews.csv", 190)
    # so many labels of so few texts: one budget, and too little is left for arms that read the rest
    asked = ["study", path.name, "--budget", "88", "--draws", "2"]
    done = datayield(tmp_path, *asked)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "project: my_reviews-study" in done.stderr and "texts to learn from" in done.stderr
    assert "to compute:" in done.stdout and "0 done" in done.stdout
    answer = done.stdout[done.stdout.index("With 88 labels") :].splitlines()
    assert "accuracy" in answer[0] and len(answer) <= 8
    assert (tmp_path / answer[-1].removeprefix("report: ")).exists()
    again = datayield(tmp_path, *asked, "--quiet")
    assert again.stdout.splitlines()[-len(answer) :] == answer and "changed" not in again.stderr
    assert "0 cells, about" in again.stdout
    path.write_text("".join(path.read_text().splitlines(True)[:-2]))
    changed = datayield(tmp_path, *asked, "--plan")
    assert "sha256" in changed.stderr and "0 done" in changed.stdout
    path.unlink()
    gone = datayield(tmp_path, *asked)
    assert gone.returncode == 2 and "does not exist" in gone.stderr
