"""Pipes, devices and endless files where a file is wanted; YAML whose aliases grow without bound."""

import os
from pathlib import Path

import pytest

from datayield import config
from datayield.cli import main
from datayield.config import bounded_yaml
from datayield.core.errors import UserError


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.csv" for name in ("pipe", "device", "folder")}
    os.mkfifo(found["pipe"])
    found["device"].symlink_to("/dev/zero")
    (found["folder"] / "inner.csv").mkdir(parents=True)
    return found


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
@pytest.mark.parametrize(
    "command",
    [
        ["audit", "{}"],
        ["study", "{}", "--plan"],
        ["corpora", "add", "{}"],
        ["next", "--labelled", "{}", "--unlabelled", "{}"],
    ],
    ids=" ".join,
)
def test_what_is_not_a_file_is_refused_at_once(
    odd: dict[str, Path],
    kind: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main.main([x.format(odd[kind]) for x in command]) == 2
    assert "is not a file but a folder, a pipe or a device" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join([*lines, f"study: *a{levels - 1}"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(30), "stands for more than 100,000 values"),
        ("study: &a {draws: *a}", "line 1: an alias here contains itself"),
        ("study: " + "[" * 5000, "cannot be read as YAML"),
    ],
    ids=["aliases of aliases", "an alias of itself", "deep"],
)
def test_yaml_that_grows_without_bound_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=said):
        config.load(tmp_path / "params.yaml")


def test_a_few_aliases_are_read() -> None:
    assert bounded_yaml.from_yaml("a: &x [1, 2]\nb: *x\nc: [*x, *x]") == {
        "a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]],
    }  # fmt: skip
    assert bounded_yaml.from_yaml("") is None
