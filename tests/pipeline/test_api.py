"""The names for Python programs: documented, quick to import, shown safely; the notebook is what runs."""

import importlib.util
import inspect
import json
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import datayield
from datayield import results
from datayield.core.errors import UserError
from datayield.integrations.dvc_repro import stage_error
from tests.conftest import REPO, call, make_project, write_csv, written_texts

PAGE = (REPO / "docs/api.md").read_text()


def test_the_page_has_every_name_with_its_signature() -> None:
    told = re.findall(r"^\| `(\w+)(\(.*?\))?` \|", PAGE, re.M)
    assert [name for name, _ in told] and {name for name, _ in told} == set(datayield.__all__)
    for name, arguments in told:
        found = getattr(datayield, name)
        if name != "UserError":
            parameters = inspect.signature(found).parameters.values()
            bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
            assert str(inspect.Signature(bare)) == arguments, name
        assert inspect.getdoc(found)


def test_no_name_is_a_module_too() -> None:
    modules = {m.name for m in pkgutil.iter_modules(datayield.__path__)}
    assert not modules & set(datayield.__all__)
    assert set(datayield.__all__) <= set(dir(datayield))
    with pytest.raises(AttributeError, match="nothing"):
        datayield.nothing  # noqa: B018


def test_import_is_quick() -> None:
    code = "import datayield, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = call(REPO, sys.executable, "-c", code)
    heavy = {
        "torch",
        "mlflow",
        "prefect",
        "dvc",
        "optuna",
        "pandas",
        "numpy",
        "pyarrow",
        "pydantic",
    }
    assert done.returncode == 0 and not heavy & set(done.stdout.split())
    names = f"import datayield, sys; [getattr(datayield, n) for n in datayield.__all__]; {code}"
    assert not heavy & set(call(REPO, sys.executable, "-c", names).stdout.split())


def test_corpora_by_file_and_by_name(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "written.csv", *written_texts(300))
    found = datayield.load_corpus(path)
    assert found.corpus.classes == ("harbour", "kitchen", "weather")
    assert "written: 151 texts to learn from, 149 test texts, 3 classes" in str(found)
    assert "<td>harbour</td><td>50</td><td>50</td>" in found._repr_html_()
    with pytest.raises(UserError, match="does not exist"):
        datayield.load_corpus(tmp_path / "nothing.csv")


def test_a_users_text_stays_text_in_html(tmp_path: Path) -> None:
    texts, labels = written_texts(300)
    evil = {"harbour": "<script>alert(1)</script>"}
    path = write_csv(tmp_path / "x.csv", texts, [evil.get(x, x) for x in labels])
    html = datayield.load_corpus(path, text="body", label="stars")._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_a_study_is_read(studied: Path) -> None:
    cells = datayield.read_cells(studied)
    assert len(cells) == 40 and {"arm", "n", "draw", "accuracy", "cell_seconds"} <= set(cells)
    found = datayield.analyse(studied)
    assert "labels, expect" in str(found) and "<table>" in found._repr_html_()
    differences = found.table("differences")
    assert {"arm", "n", "difference.low"} <= set(differences)
    assert found.figure("curves")._repr_svg_().startswith("<svg")
    worth = datayield.multiplier("lstm:eda_nn", 60, studied)
    rows = found.found.corpora[0].multipliers
    (row,) = [m.multiplier for m in rows if (m.arm, m.n) == ("lstm:eda_nn", 60)]
    assert (worth.point, worth.low, worth.high) == (row.point, row.low, row.high)
    assert "×" in str(worth) and worth.baseline == "lstm:plain"
    asked = datayield.need(0.5, studied, have=30, more=10)
    assert "50.0 % accuracy" in str(asked) and "from 30 labels, 10 more" in str(asked)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda f: datayield.read_cells(f, "wrtten"), 'did you mean "written"'),
        (lambda f: datayield.analyse(f).table("score"), 'did you mean "scores"'),
        (lambda f: datayield.analyse(f).figure("curve"), 'did you mean "written-curves"'),
        (lambda f: datayield.multiplier("lstm:eda_nn", 61, f), "known: "),
        (lambda f: datayield.need(2, f), "between 0 and 1"),
        (lambda f: datayield.need(folder=f, hav=3), 'did you mean "have"'),
        (lambda f: datayield.plan_study(f / "nowhere"), "is not a folder"),
        (lambda f: datayield.run_study(f / "data"), "params.yaml is missing"),
        (lambda f: datayield.label_texts(f, ["x"]), "not an exported model"),
    ],
)
def test_what_cannot_be_is_said(studied: Path, does, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=re.escape(says)) as raised:
        does(studied)
    assert "Traceback" not in str(raised.value)


def test_only_dvc_is_a_process(
    studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planning and the report call functions; relative folders work, and the caller's folder stays."""
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail(f"started {a}"))
    plan = datayield.plan_study("project")
    assert plan.found["missing"] == 0 and "40 done" in str(plan)
    page = datayield.write_report("project")
    assert page == Path("project/reports/small/index.html") and page.exists()
    assert (page.parent / "metrics.json").exists() and Path.cwd() == tmp_path


def test_an_error_is_its_message_alone(tmp_path: Path) -> None:
    """Neither the notices about guessed columns nor the prefix of the command line precede it."""
    texts, _ = written_texts(120)
    path = write_csv(tmp_path / "same.csv", texts, ["same", *["other"] * 119])
    with pytest.raises(UserError, match=r"^corpus same: ") as raised:
        datayield.start_project(path, tmp_path / "new", text="body", label="stars")
    with pytest.raises(UserError, match=f"^{re.escape(str(raised.value))}$"):
        datayield.start_project(path, tmp_path / "new", label="stars")
    assert not (tmp_path / "new").exists()


def test_a_failed_stage_gives_its_own_message(tmp_path: Path) -> None:
    make_project(tmp_path)
    shutil.copy(REPO / "dvc.yaml", tmp_path)
    with pytest.raises(UserError) as raised:
        datayield.run_study(tmp_path)  # no `dvc init` here
    assert "not inside of a DVC repository" in str(raised.value)
    assert "(above)" not in str(raised.value) and "continues from there" in str(raised.value)
    wrote = """Running stage 'study@written':
notice: something
datayield: written.csv changed since it was added
Add it again.
ERROR: failed to reproduce 'study@written': failed to run: exited with 2
"""
    assert stage_error(wrote) == "written.csv changed since it was added\nAdd it again."


def test_strategies_are_a_table() -> None:
    found = datayield.list_strategies()
    assert "vat" in found.index and "source" in found


def _notebook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notebook", REPO / "docs/notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notebook_holds_the_cells_of_its_source() -> None:
    kept = json.loads((REPO / "docs/example.ipynb").read_text())
    source = list(_notebook().cells((REPO / "docs/example.py").read_text()))
    assert [(c["cell_type"], "".join(c["source"])) for c in kept["cells"]] == source
    assert sum(bool(c.get("outputs")) for c in kept["cells"]) >= 9
    assert kept["nbformat"] == 4 and len({c["id"] for c in kept["cells"]}) == len(source)
    used = set(re.findall(r"datayield\.(\w+)\(", (REPO / "docs/example.py").read_text()))
    assert len(used) >= 7 and used <= set(datayield.__all__)


# Networks train for 10 updates instead of 400, and none reads the pool first.
BRIEFLY = """import yaml
changed = yaml.safe_load((folder / "params.yaml").read_text())
changed["updates"] = {0: 10}
changed["study"]["grid"] = [b for b in changed["study"]["grid"] if b["arms"] != ["lstm:lm"]]
(folder / "params.yaml").write_text(yaml.safe_dump(changed))
"""


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    """Every cell shows what it showed: the same forms, and the same words where no time is told."""
    kept = json.loads((REPO / "docs/example.ipynb").read_text())
    source = (REPO / "docs/example.py").read_text()
    begun = "draws=3)\n"
    assert source.count(begun) == 1
    code = f"""
import json, sys; sys.path.insert(0, {str(REPO / "docs")!r})
import notebook; print(json.dumps(notebook.built({source.replace(begun, begun + BRIEFLY)!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=1200
    )
    again = json.loads(done.stdout)
    for old, new in zip(kept["cells"], again["cells"], strict=True):
        forms = [[(o["output_type"], sorted(o.get("data", {}))) for o in c.get("outputs", [])]
                 for c in (old, new)]  # fmt: skip
        assert forms[0] == forms[1], old["source"]


def test_the_classes_that_show_themselves_do_it_alike() -> None:
    for cls in results.Result.__subclasses__():
        assert "_repr_html_" not in vars(cls), cls


def test_one_answer_settles_labels_that_differ_in_case(tmp_path: Path) -> None:
    texts, labels = written_texts(120)
    path = write_csv(
        tmp_path / "a.csv", texts, [x.upper() if i % 2 else x for i, x in enumerate(labels)]
    )
    with pytest.raises(datayield.UserError, match="Are they the same class.*--labels merged"):
        datayield.load_corpus(path)
    assert len(datayield.load_corpus(path, labels="merged").corpus.classes) == 3
    assert len(datayield.load_corpus(path, labels="as-they-are").corpus.classes) == 6
    with pytest.raises(
        datayield.UserError, match="labels: Input should be 'merged' or 'as-they-are'"
    ):
        datayield.load_corpus(path, labels="yes")
