"""Every target under a fuzzer that is led by coverage (atheris, the optional dependency `fuzz`).

    pip install -e '.[dev,fuzz]'
    python -m tests.fuzz.run --minutes 15               # shared out evenly among the targets
    python -m tests.fuzz.run --minutes 2 --only csv jsonl
    python -m tests.fuzz.run --again build/fuzz/csv/crash-0123abc   # one input once more, with its traceback

Prints per target: executions, those that were accepted, those that UserError refused, crashes, branches
of datayield's code that were reached, and inputs in the corpus. Exit code 1 after any crash; what crashed
and each corpus are kept in build/fuzz/<target>/.
"""

import argparse
import hashlib
import mmap
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
COUNTS = struct.Struct("<QQQ")  # executions, accepted, refused
SECONDS_PER_INPUT, MEMORY_MIB, LONGEST = 20, 4096, 16_384
MOST_CRASHES = 5  # of one target


@dataclass(slots=True)
class Result:
    """What one target's run gave."""

    target: str
    executions: int = 0
    accepted: int = 0
    refused: int = 0
    crashes: int = 0
    first: int = 0  # branches that the seeds reach
    reached: int = 0  # branches in the end
    corpus: int = 0

    def line(self) -> str:
        return (
            f"{self.target:10} {self.executions:10,} {self.accepted:10,} {self.refused:10,}"
            f" {self.crashes:7} {self.first:7,} {self.reached:8,} {self.corpus:7,}"
        )


HEAD = (
    "target     executions   accepted    refused crashes   seeds  reached  corpus\n"
    "                                                    (branches)          (inputs)"
)


def main() -> int:
    options = _options()
    if options.again is not None:
        return _again(options.again)
    if options.inside is not None:
        return _fuzz(options.inside, options.counts, options.rest)
    from tests.fuzz.targets import TARGETS

    names = options.only or list(TARGETS)
    seconds = max(5, round(60 * options.minutes / len(names)))
    print(HEAD, flush=True)
    began = time.monotonic()
    found = []
    for name in names:
        found.append(_target(name, seconds, options.seed))
        print(found[-1].line(), flush=True)
    total = Result("all", *(sum(getattr(r, k) for r in found) for k in Result.__slots__[1:]))
    print(total.line())
    print(f"{(time.monotonic() - began) / 60:.1f} minutes, {total.crashes} crashes")
    return int(total.crashes > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0, help="of all targets together (15)")
    parser.add_argument("--only", nargs="+", metavar="TARGET")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer's random numbers (1)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run one input that crashed")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--counts", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- outside: one process per target, begun anew after a crash
def _target(name: str, seconds: int, seed: int) -> Result:
    from tests.fuzz.targets import TARGETS, words_of

    folder = REPO / "build" / "fuzz" / name
    corpus = folder / "corpus"
    shutil.rmtree(folder, ignore_errors=True)
    corpus.mkdir(parents=True)
    seeds = list(TARGETS[name].seeds())
    for number, content in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    words = folder / "words.dict"
    words.write_text("".join(f'"{w.decode()}"\n' for w in words_of(seeds)))
    result = Result(name)
    deadline = time.monotonic() + seconds
    while (left := round(deadline - time.monotonic())) > 0 and result.crashes < MOST_CRASHES:
        if not _once(name, folder, left, seed + result.crashes, result):
            break
    result.corpus = sum(1 for _ in corpus.iterdir())
    return result


def _once(name: str, folder: Path, seconds: int, seed: int, result: Result) -> bool:
    """Fuzz until the time is over (False) or something crashes (True)."""
    counts = folder / "counts"
    counts.write_bytes(bytes(COUNTS.size))
    command = [
        sys.executable, "-m", "tests.fuzz.run", "--inside", name, "--counts", str(counts), "--",
        f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={folder}/",
        f"-dict={folder / 'words.dict'}", f"-timeout={SECONDS_PER_INPUT}", f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={LONGEST}", "-len_control=0", "-print_final_stats=1", str(folder / "corpus"),
    ]  # fmt: skip
    log = folder / f"log-{result.crashes}.txt"
    with tempfile.TemporaryDirectory(dir=_fast()) as scratch, log.open("wb") as out:
        env = {**os.environ, "TMPDIR": scratch}  # the process ends without tidying up
        done = subprocess.run(command, cwd=REPO, stdout=out, stderr=out, env=env, check=False)
    said = log.read_text(errors="replace")
    executions, accepted, refused = COUNTS.unpack(counts.read_bytes())
    result.executions += executions
    result.accepted += accepted
    result.refused += refused
    covered = [int(x) for x in re.findall(r"\bcov: (\d+)", said)]
    initial = re.search(r"INITED cov: (\d+)", said)
    result.first = result.first or int(initial[1] if initial else 0)
    result.reached = max([result.reached, *covered])
    if done.returncode == 0:
        return False
    result.crashes += 1
    kept = re.search(r"written to (\S+)", said)
    print(f"\nCRASH in {name}: {kept[1] if kept else 'no input was kept'}\n{_told(said)}\n")
    return True


def _told(log: str) -> str:
    """The traceback, or the end of the log."""
    found = re.search(r"=== Uncaught Python exception: ===\n(.*?)\n==\d+==", log, re.DOTALL)
    return found[1] if found else "\n".join(log.splitlines()[-15:])


# ---- inside
def _fuzz(name: str, counts: Path, arguments: list[str]) -> int:
    """The fuzzing process: ends itself."""
    import atheris

    # The fuzzer's own thread is the only one; what native libraries do is not measured.
    from datayield.core.system import machine

    machine.prepare_process()
    import numpy  # noqa: F401 - before the instrumentation, which would look at each of them
    import pandas  # noqa: F401
    import torch  # noqa: F401

    with atheris.instrument_imports(
        include=["datayield", "csv", "json", "yaml", "tarfile", "zipfile"]
    ):
        from datayield.core.errors import UserError
        from tests.fuzz.targets import TARGETS
    warnings.simplefilter("ignore")
    folder = Path(tempfile.mkdtemp())
    file = counts.open("r+b")
    told = mmap.mmap(file.fileno(), COUNTS.size)
    done = [0, 0, 0]
    run = TARGETS[name].run

    def one(data: bytes) -> None:
        done[0] += 1
        try:
            run(data, folder)
            done[1] += 1
        except UserError:
            done[2] += 1
        except BaseException:
            kept = counts.with_name(f"crash-{hashlib.sha1(data).hexdigest()}")
            kept.write_bytes(data)
            print(f"Test unit written to {kept}", file=sys.stderr, flush=True)
            raise
        told[:] = COUNTS.pack(*done)

    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()
    return 0


def _fast() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _again(path: Path) -> int:
    from datayield.core.errors import UserError
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        try:
            TARGETS[path.parent.name].run(path.read_bytes(), Path(folder))
        except UserError as e:
            print(f"refused: {e}")
            return 0
    print("accepted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
