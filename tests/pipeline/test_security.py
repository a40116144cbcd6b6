"""What docs/security.md promises: names, limits, no unpickling, guarded cells, masked secrets."""

import ast
import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from datayield import config
from datayield.config import HubSource, RemoteFileEntry
from datayield.core import spreadsheet
from datayield.core.errors import UserError
from datayield.core.system import download, machine, services
from datayield.core.system.download import RemoteFile
from datayield.core.system.secrets import SECRETS, masked
from datayield.corpora import tabular, unlabelled
from datayield.corpora.build import Labelled, build_corpus
from datayield.corpora.loaders import file
from datayield.report import csv_tables
from datayield.study import next_texts
from datayield.study.next_texts import TextToLabel
from datayield.tuning import optuna_search
from tests.conftest import (
    REPO,
    call,
    datayield,
    flow,
    read_params,
    small_params,
    write_csv,
    write_params,
    written_texts,
)  # fmt: skip
from tests.report_data import statistics, with_corpus

SOURCES = sorted([*(REPO / "src").rglob("*.py"), *(REPO / "flows").glob("*.py")])


# ---- nothing is unpickled, nothing of a file is run ------------------------------------------------

MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system",
         "pd.read_pickle", "pandas.read_pickle"}  # fmt: skip
OPTIONS = {"allow_pickle", "shell", "trust_remote_code"}


def dangers(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.partition(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            found += [ast.unparse(node.func)] if ast.unparse(node.func) in CALLS else []
            for option in node.keywords:
                off = isinstance(option.value, ast.Constant) and option.value.value is False
                found += [str(option.arg)] if option.arg in OPTIONS and not off else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    found = dangers(path.read_text(encoding="utf-8"))
    assert found == (["shell"] if path.name == "doctor.py" else [])  # shtab's name of a shell


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from joblib import load", "torch.load(x)", "np.load(x, allow_pickle=True)",
     "yaml.load(x, yaml.Loader)", "subprocess.run(x, shell=True)", "eval(x)"],
)  # fmt: skip
def test_the_search_finds_what_it_looks_for(code: str) -> None:
    assert dangers(code)


def test_servers_listen_on_this_machine_alone() -> None:
    for path in SOURCES:
        assert not re.search(r"0\.0\.0\.0|host=\"\"|\"::\"", path.read_text()), path
    from datayield.integrations import ui_servers

    assert ui_servers.HOST == "127.0.0.1"


# ---- names and paths -------------------------------------------------------------------------------

OUTSIDE = [
    "../x",
    "/etc/x",
    "a/../b",
    "..",
    "a\\b",
    "C:x",
    "",
    "a b",
    "A",
    "a" * 65,
    ".x",
    "a/b",
    "ä",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_of_corpora_and_studies_are_no_paths(name: str) -> None:
    params = small_params("0" * 64)
    renamed = {**params, "corpora": {name: params["corpora"]["written"]}}
    with pytest.raises(UserError, match="corpora"):
        config.parse(renamed)
    with pytest.raises(UserError, match=r"study\.name"):
        config.parse({**params, "study": {**params["study"], "name": name}})
    with pytest.raises(UserError, match=r"study\.corpora"):
        config.parse({**params, "study": {**params["study"], "corpora": [name]}})


@pytest.mark.parametrize(
    "name", ["owner/name", "name", "Owner-1/na.me_2", "./folder", "../a", "/a"]
)
def test_names_on_the_hub(name: str) -> None:
    assert HubSource(loader="hub", name=name, revision="0" * 40, text="t", label="l").name == name


@pytest.mark.parametrize(
    "name",
    ["owner/../x", "a/b/c", "..", "a/..", "http://x/y", "owner/", "/../x "[1:], "a\\b", "a b"],
)
def test_names_that_are_none_on_the_hub(name: str) -> None:
    if name.startswith("../"):
        return
    with pytest.raises(ValueError, match="owner/name"):
        HubSource(loader="hub", name=name, revision="0" * 40, text="t", label="l")


def remote(content: bytes, url: str = "http://127.0.0.1:9/x", **more: object) -> RemoteFile:
    told = {
        "name": "x.bin",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content) or 1,
    }
    return RemoteFileEntry.model_validate({**told, "url": url, **more}).remote


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", ".x", "a/.x", "a//b", "a\\b", "C:\\x"])
def test_names_in_the_cache_stay_in_it(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        remote(b"x", name=name)


@pytest.mark.parametrize(
    "url", ["https://me:hush1@host/x", "https://hush2@host/x", "https://host/x?token=hush3"]
)
def test_a_password_in_params_yaml_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="dvc.lock") as raised:
        config.parse(
            {**small_params("0" * 64), "corpora": {"written": {
                "loader": "download", "title": "t", "licence": "l", "citation": "c", "format": "ag_csv",
                "files": [{"name": "x", "url": url, "sha256": "0" * 64, "bytes": 1}]}}}
        )  # fmt: skip
    assert "hush" not in str(raised.value)


# ---- archives --------------------------------------------------------------------------------------


def tar(*members: tarfile.TarInfo, mode: str = "w", body: bytes = b"") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as packed:  # type: ignore[call-overload]
        for member in members:
            packed.addfile(member, io.BytesIO(body[: member.size]))
    return out.getvalue()


def member(
    name: str, kind: bytes = tarfile.REGTYPE, to: str = "", size: int = 0
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, to, size
    return info


def zipped(*names: str, body: bytes = b"x", compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as packed:
        for name in names:
            packed.writestr(zipfile.ZipInfo(name), body, compression)
    return out.getvalue()


def encrypted() -> bytes:
    """A zip file that says of its member that it is encrypted."""
    made = bytearray(zipped("a"))
    for head, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        made[made.index(head) + place] |= 1
    return bytes(made)


def unpacked(content: bytes, name: str = "a") -> bytes:
    return download._member(remote(content, member=name), content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (zipped("a", "../b"), "outside of the archive"),
        (zipped("a", "/etc/b"), "outside of the archive"),
        (zipped("a", "x\\..\\b"), "outside of the archive"),
        (zipped("a", "C:b"), "outside of the archive"),
        (tar(member("a"), member("../b")), "outside of the archive"),
        (tar(member("a"), member("/b")), "outside of the archive"),
        (tar(member("a", tarfile.SYMTYPE, "/etc/passwd")), "a link or a device"),
        (tar(member("a"), member("b", tarfile.SYMTYPE, "a")), "a link or a device"),
        (tar(member("b"), member("a", tarfile.LNKTYPE, "b")), "a link or a device"),
        (tar(member("a", tarfile.CHRTYPE)), "a link or a device"),
        (tar(member("a", tarfile.FIFOTYPE)), "a link or a device"),
        (tar(member("a", tarfile.DIRTYPE)), "holds no file named a"),
        (encrypted(), "is not a readable zip or tar archive"),
        (zipped("a", body=b"y" * 5000)[:-3000], "not a readable zip or tar archive"),
        (tar(member("a", size=90_000), mode="w:gz", body=os.urandom(90_000))[:30_000], "not a readable zip"),
        (gzip.compress(b"no tar", mtime=0), "not a readable zip or tar archive"),
        (b"", "not a readable zip or tar archive"),
    ],
)  # fmt: skip
def test_archives_that_are_not_read(content: bytes, says: str) -> None:
    with pytest.raises(UserError, match=says):
        unpacked(content)


def test_good_archives_are_read() -> None:
    assert unpacked(zipped("d/", "a", body=b"")) == b""
    assert unpacked(tar(member("d", tarfile.DIRTYPE), member("a", size=3), body=b"abc")) == b"abc"


@pytest.mark.parametrize("kind", ["zip", "gz", "xz"])
def test_bombs_are_refused_by_their_heads(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten members of a megabyte in a few kilobytes, more than may be unpacked."""
    zeros, names = bytes(2**20), [f"m{i}" for i in range(10)]
    if kind == "zip":
        bomb = zipped(*names, body=zeros, compression=zipfile.ZIP_DEFLATED)
    else:
        bomb = tar(*(member(n, size=2**20) for n in names), mode=f"w:{kind}", body=zeros)
    assert len(bomb) < 50_000
    assert unpacked(bomb, "m0") == zeros
    monkeypatch.setattr(download, "LARGEST_UNPACKED", 5 * 2**20)
    with pytest.raises(UserError, match="would unpack to more than"):
        unpacked(bomb, "m0")


def test_a_zip_that_lies_about_its_size_gives_no_more_than_it_says() -> None:
    bomb = bytearray(zipped("a", body=bytes(2**20), compression=zipfile.ZIP_DEFLATED))
    for head, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = bomb.index(head) + place
        bomb[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(
        UserError, match="not a readable zip or tar archive"
    ):  # the sum does not fit either
        unpacked(bytes(bomb))


class Endless(BaseHTTPRequestHandler):
    """Sends on until nobody listens."""

    sent = 0

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while Endless.sent < 2**28:
                Endless.sent += self.wfile.write(bytes(2**16))
        except OSError:
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture
def endless() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/x"
    server.shutdown()
    server.server_close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_cannot_fill_the_disk(
    endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATAYIELD_MIRROR", raising=False)
    with pytest.raises(UserError, match="sends more than the 5 bytes of x.bin; nothing was kept"):
        download.fetch(remote(b"12345", endless), tmp_path)
    assert Endless.sent < 2**27 and not [p for p in tmp_path.rglob("*") if p.is_file()]


# ---- limits of files and of memory -----------------------------------------------------------------


def test_lines_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "LONGEST_LINE", 1000)
    path = tmp_path / "x.jsonl"
    path.write_text('{"t": "short"}\n{"t": "' + "x" * 1001 + '"}\n')
    with pytest.raises(UserError, match=r"x.jsonl, line 2: longer than 1,000 characters"):
        list(tabular.rows(tabular.layout_of(path, "utf-8")))
    lines = tmp_path / "x.txt"
    lines.write_text("a\n" + "b" * 1001)
    opened = unlabelled.open_texts(lines)
    with opened as texts, pytest.raises(UserError, match="line 2: longer than"):
        list(texts)


@pytest.mark.parametrize(
    ("line", "says"),
    [("[" * 100_000, "not JSON"), ('{"t": ' + "9" * 5000 + "}", "not JSON that can be read"),
     ('{"t": ' + "[" * 100_000, "not JSON")],
)  # fmt: skip
def test_json_that_cannot_be_read(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(UserError, match=f"(line|entry) 1: {says}"):
        list(tabular.rows(tabular.layout_of(path, "utf-8")))


def test_fields_of_csv_have_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("t,l\n" + "x" * 140_000 + ",a\n")
    with pytest.raises(UserError, match="line 2: field larger than field limit"):
        list(tabular.rows(tabular.layout_of(path, "utf-8")))


@pytest.mark.parametrize("text", ["a: 2020-99-99", "[" * 20_000, "a: !!python/object:os.system x"])
def test_yaml_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read as YAML"):
        config.load(path)


def test_memory_is_the_least_of_machine_group_and_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "system_memory", lambda: 4_000_000)
    assert machine.available(tmp_path / "none") == 4_000_000
    group = tmp_path / "group"
    group.mkdir()
    for name, content in (("memory.max", "3000000"), ("memory.current", "2500000"),
                          ("memory.stat", "anon 5\ninactive_file 100000\n")):  # fmt: skip
        (group / name).write_text(content)
    assert machine.available(group) == machine.shared(group) == 600_000
    (group / "memory.current").write_text("3500000")
    assert machine.available(group) == 0
    (group / "memory.max").write_text("max")
    assert machine.available(group) == 4_000_000
    monkeypatch.setattr(machine, "_own_memory", lambda: [7])
    assert machine.available(group) == 7 and machine.shared(group) == 4_000_000


def test_a_limit_of_the_process_counts(tmp_path: Path) -> None:
    code = "from datayield.core.system import machine; print(machine._own_memory())"
    for limit, least in (("unlimited", None), ("4000000", 1)):
        done = call(
            tmp_path, "bash", "-c", f'ulimit -v {limit}; exec "$0" -c "{code}"', sys.executable
        )
        left = json.loads(done.stdout)
        assert (left == []) if least is None else (0 < left[0] < 4_000_000 * 1024), done.stderr


def test_what_would_not_fit_is_one_message() -> None:
    machine.require("x", 100, 100)
    with pytest.raises(
        UserError, match=r"x needs more memory .* about 2.0 GiB, and 1.0 GiB are free"
    ):
        machine.require("x", 2 * 2**30, 2**30)
    texts, labels = written_texts(120)
    assert machine.available() > machine.BASE
    many = Labelled(_Many(texts), labels, None, {}, "f")
    with pytest.raises(UserError, match=r"corpus x \(1,000,000,000,000 texts\) needs more memory"):
        build_corpus("x", many, 0.1, 1)


def test_a_file_that_grows_too_large_is_refused_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "x.csv", *written_texts(120))
    monkeypatch.setattr(file, "MEMORY_CHECK", 50)
    monkeypatch.setattr(machine, "PER_TEXT", 2**60)
    with pytest.raises(UserError, match=r"x\.csv \(50 texts\) needs more memory"):
        file.describe(path, "body", "stars", "utf-8", None)


def test_workers_that_would_not_fit_are_refused(project: Path) -> None:
    machine.require_workers(2, 2 * machine.PER_WORKER)
    with pytest.raises(UserError, match=r"3 workers need more .* set execution.workers: 2 in"):
        machine.require_workers(3, 3 * machine.PER_WORKER - 1)
    with pytest.raises(UserError, match="close other programs"):
        machine.require_workers(1, 0)
    params = read_params(project)
    params["execution"]["workers"] = 100_000
    params["study"]["draws"] = 3
    write_params(project, params)
    done = flow(project, "study")
    assert done.returncode == 2 and "100000 workers need more memory" in done.stderr
    assert "Traceback" not in done.stderr


class _Many(list):  # type: ignore[type-arg]
    """Texts that say that they are a million millions."""

    def __len__(self) -> int:
        return 10**12


@pytest.mark.slow
def test_a_corpus_beyond_the_limit_of_the_process_is_refused(tmp_path: Path) -> None:
    """`ulimit -v` leaves less than a corpus of 3,000,000 texts takes: one message, no file.

    How much of the file is read before depends on what the machine's libraries take.
    """
    path = tmp_path / "x.csv"
    with path.open("w") as out:
        out.write("t,l\n")
        out.writelines(f"the {n} rain fell,{n % 2}\n" for n in range(3_000_000))
    code = 'ulimit -v 4000000; exec "$0" -m datayield stage corpus --corpus written'
    params = small_params(tabular.digest(path))
    params["corpora"]["written"] |= {"path": "x.csv", "text": "t", "label": "l"}  # type: ignore[index]
    write_params(tmp_path, params)
    done = call(tmp_path, "bash", "-c", code, sys.executable)
    assert done.returncode == 2, done.stderr
    wanted = r"(corpus written|x\.csv) \([\d,]{7,} texts\) needs more memory"
    assert re.search(wanted, done.stderr), done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "data").exists()


# ---- cells of spreadsheets -------------------------------------------------------------------------

FORMULAS = ["=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1",
            "\u00a0=1"]  # fmt: skip


def computed(content: str) -> list[str]:
    """Cells of a CSV that a spreadsheet could take for a formula and that are no number."""
    cells = [cell for row in csv.reader(io.StringIO(content, newline="")) for cell in row]
    risky = [c for c in cells if c.lstrip().startswith(spreadsheet.FORMULA)]
    return [c for c in risky if not re.fullmatch(r"[+-]?[\d.e+-]+|-inf", c)]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_csv_of_ours_holds_a_formula(text: str) -> None:
    assert spreadsheet.guarded(text) == f"'{text}"
    assert text in ("+1", "-1") or computed(f'"{text}"\n')
    asked = [TextToLabel(1, 0, text, text)]
    assert not computed(next_texts.as_csv(asked))
    found = statistics({"eda": 0.02})
    first, best = found.corpora[0].scores[0], found.corpora[0].recommended[0]
    found = with_corpus(
        found, scores=[replace(first, arm=text)], recommended=[replace(best, ties=(text,))]
    )
    for name, content in csv_tables.csv_files(found).items():
        assert not computed(content), name


@pytest.mark.parametrize("text", [*FORMULAS, "'=1", "''@a", "' -b", "'", "-", "a"])
def test_a_guarded_cell_is_read_as_it_was(text: str) -> None:
    guarded = spreadsheet.guarded(text)
    assert spreadsheet.restored(guarded) == text
    assert guarded != text or spreadsheet.restored(text) == text, "no two texts become one"


def test_ordinary_texts_stay_as_they_are() -> None:
    for text in ("a=b", "1-2", "", " a", "’tis", "'tis", "' a"):
        assert spreadsheet.guarded(text) == spreadsheet.restored(text) == text
    assert json.loads(next_texts.as_jsonl([TextToLabel(1, 0, "=1", "r")]))["text"] == "=1"


def test_predictions_in_csv_are_guarded(tmp_path: Path) -> None:
    from datayield.models.saved import predict

    class Model:  # what `writer` asks of a model
        output = "probability"

    record = {"text": "=1", "label": "@x", "probability": -0.5, "scores": {"@x": -0.5}}
    for name, said in (
        ("o.csv", "'=1,'@x,-0.5\n"),
        ("o.tsv", "'=1\t'@x\t-0.5\n"),
        ("o.jsonl", '"=1"'),
    ):
        with predict.writer(tmp_path / name, Model(), False) as write:  # type: ignore[arg-type]
            write([record])
        assert said in (tmp_path / name).read_text()


def test_a_lone_carriage_return_ends_no_row() -> None:
    out = io.StringIO()
    spreadsheet.writer(out).writerows([["a\r=1", "b\n", 'c"'], [1, 2.5, ""]])
    assert out.getvalue() == '"a\r=1","b\n","c"""\n1,2.5,\n'
    kept = list(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert kept == [["a\r=1", "b\n", 'c"'], ["1", "2.5", ""]]


# ---- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:word@host/trials", "postgresql://me:***@host/trials"),
        ("postgresql+psycopg2://me:w@o/r:d@host/t", "postgresql+psycopg2://me:***@host/t"),
        ("at (http://me:word@host:5000/api): no", "at (http://me:***@host:5000/api): no"),
        ("https://ghp_abc@host/x.git", "https://***@host/x.git"),
        ("http://host/x?token=abc&n=1", "http://host/x?token=***&n=1"),
        ("http://host/x?a=1&X-Amz-Signature=ab", "http://host/x?a=1&X-Amz-Signature=***"),
        ("postgresql://host/t?user=me&password=word", "postgresql://host/t?user=me&password=***"),
        ("http://127.0.0.1:5000/x", "http://127.0.0.1:5000/x"),
        ("models:/datayield-x/1 and a@b.org", "models:/datayield-x/1 and a@b.org"),
        ("postgresql://user@host/trials", "postgresql://user@host/trials"),
        ("sqlite:////tmp/x/mlflow.db", "sqlite:////tmp/x/mlflow.db"),
    ],
)
def test_passwords_in_texts_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown and str(UserError(text)) == shown


def test_secrets_of_the_environment_are_masked_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, name in enumerate(SECRETS):
        monkeypatch.setenv(name, f"value-{number}")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:hidden-word")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:per%24cent@host")
    text = " ".join(f"value-{n}" for n in range(len(SECRETS)) if SECRETS[n]
                    != "PREFECT_API_AUTH_STRING")  # fmt: skip
    assert set(masked(f"{text} hidden-word admin:hidden-word").split()) == {"***"}
    assert masked("driver says per$cent or per%24cent") == "driver says *** or ***"


WORD = "correct-horse-battery"


def test_messages_about_servers_hold_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://me:{WORD}@127.0.0.1:9/api")
    said = services.unfit_prefect() or ""
    assert "no Prefect server answers at PREFECT_API_URL=http://me:***@127.0.0.1:9/api" in said
    for url in (
        f"postgresql://me:{WORD}@127.0.0.1:9/t",
        f"postgresql:/me:{WORD}@x",
        f"q://a:{WORD}@x",
    ):
        monkeypatch.setenv(optuna_search.STORAGE, url)
        with pytest.raises(UserError, match="trials' storage cannot be opened") as raised:
            optuna_search.storage(tmp_path)
        assert WORD not in str(raised.value)


def test_commands_print_no_password(studied: Path, tmp_path: Path) -> None:
    """An MLflow server that is away."""
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    uri = f"http://me:{WORD}@127.0.0.1:9"
    away = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    for command, code in ((["record"], 2), (["export", "--out", "m"], 2), (["doctor"], 1)):
        done = datayield(folder, *command, **away)
        said = done.stdout + done.stderr
        assert done.returncode == code and "Traceback" not in said, said
        assert WORD not in said and (code == 1 or "MLflow at http://me:***@127.0.0.1:9" in said)


@pytest.mark.slow
def test_no_secret_is_recorded(project: Path) -> None:
    """A study with every secret set leaves none of them in any file of its folder."""
    params = read_params(project)
    params["study"]["grid"] = [{"arms": ["lstm:plain", "tfidf"], "budgets": [30]}]
    write_params(project, params)
    secrets = {name: f"{WORD}-{n}" for n, name in enumerate(SECRETS)}
    secrets["MLFLOW_TRACKING_URI"] = f"http://me:{WORD}@127.0.0.1:9"
    done = flow(project, "study", **secrets, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert done.returncode == 0, done.stderr
    assert "MLflow does not record" in done.stderr
    assert WORD not in done.stdout + done.stderr
    mine = WORD.encode()
    assert [p for p in project.rglob("*") if p.is_file() and mine in p.read_bytes()] == []


# ---- packages --------------------------------------------------------------------------------------


def test_steps_that_need_the_network_are_not_in_ci() -> None:
    assert not re.search("audit|sbom|cyclonedx", (REPO / ".ci/run").read_text())
    for target in ("audit", "sbom"):
        assert call(REPO, "make", "-n", target).returncode == 0


OTHER_LICENCES = {
    "asyncssh": "EPL-2.0", "dulwich": "Apache-2.0", "grandalf": "EPLv1", "text-unidecode": "Artistic",
    "pygit2": "linking exception",
}  # fmt: skip
"""What else may be chosen where a package that a user gets names the GPL; all come with DVC or Prefect."""


def _required(name: str) -> Iterator[Distribution]:
    """Everything that an installation brings, no extra of ours."""
    seen, waiting = set(), [(name, frozenset[str]())]
    while waiting:
        wanted = waiting.pop()
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            found = distribution(wanted[0])
        except PackageNotFoundError:  # of another system
            continue
        yield found
        for line in found.requires or []:
            need = Requirement(line)
            extras = wanted[1] or {""}
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))


def test_no_package_leaves_a_user_the_gpl_alone() -> None:
    named = {}
    for found in _required("datayield"):
        about = found.metadata
        told = [about.get("License-Expression"), (about.get("License") or "")[:200]]
        told += [x for x in about.get_all("Classifier") or [] if x.startswith("License")]
        licence = " ".join(filter(None, told))
        if "GPL" in licence or "General Public" in licence:
            named[canonicalize_name(about["Name"])] = licence
    assert "grandalf" in named, "the walk finds what is known to be there"
    assert all(OTHER_LICENCES.get(n, "none") in licence for n, licence in named.items()), named


def test_what_is_imported_is_declared() -> None:
    """No module of ours relies on a package that only another package brings."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    optional = (*extras["excel"], *extras["hub"], *extras["outside"], *extras["ray"])
    lines = [*project["dependencies"], *optional]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    names = set()
    for path in SOURCES:
        if "testing" in path.parts:
            continue  # for developers, who have pytest
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {a.name.partition(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(str(node.module).partition(".")[0])
    others = names - sys.stdlib_module_names - {"datayield"}
    owners = packages_distributions()
    undeclared = {
        n: owners.get(n)
        for n in others
        if not declared & {canonicalize_name(d) for d in owners.get(n, [n])}
    }
    assert {"torch", "ruamel", "psutil"} <= others and undeclared == {}


def test_every_pin_installs_on_any_python_3_11() -> None:
    """README asks for Python 3.11 or newer; Debian 12 has 3.11.2."""
    pins = [Requirement(line) for line in (REPO / "requirements.lock").read_text().splitlines()]
    wanted = {p.name: distribution(p.name).metadata.get("Requires-Python") or "" for p in pins}
    assert len(wanted) > 200
    assert {n: w for n, w in wanted.items() if "3.11.0" not in SpecifierSet(w)} == {}


def test_the_tests_use_the_limits_of_the_page() -> None:
    page = (REPO / "docs/security.md").read_text()
    assert f"{tabular.LONGEST_LINE:,} characters" in page
    assert f"{csv.field_size_limit():,} characters" in page
    assert f"{download.LARGEST_UNPACKED / 2**30:g} GiB" in page
    assert f"{machine.PER_TEXT:,} bytes a text and {machine.BASE // 2**20} MiB" in page
    assert f"{machine.PER_WORKER // 2**20} MiB each" in page
    assert "65,535" in page
