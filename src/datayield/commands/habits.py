"""`doctor` and `completion`: what command lines are expected to have."""

import argparse
import os
import sys
from collections import Counter
from dataclasses import asdict

from datayield.commands import common

SHELLS = ("bash", "zsh", "fish")
COLOURS = {"ok": "32", "notice": "33", "problem": "31"}


def add(commands: "common.Commands") -> None:
    """The two commands."""
    doctor = common.command(
        commands,
        "doctor",
        "say what a study needs and lacks on this machine; exit 1 on a problem",
        "datayield doctor",
        "datayield doctor --quiet        # notices and problems alone",
        "datayield doctor --json",
    )
    doctor.add_argument("--quiet", "-q", action="store_true", help="notices and problems alone")
    common.listing(doctor)
    doctor.set_defaults(run=_doctor)

    completion = common.command(
        commands,
        "completion",
        "print the script that completes commands and options in a shell",
        "datayield completion bash > ~/.local/share/bash-completion/completions/datayield",
        "datayield completion zsh > ~/.zfunc/_datayield     # with ~/.zfunc in fpath",
        "datayield completion fish > ~/.config/fish/completions/datayield.fish",
    )
    completion.add_argument("shell", choices=SHELLS)
    completion.set_defaults(run=_completion)


def _doctor(options: argparse.Namespace) -> int:
    from datayield import doctor

    found = doctor.examine(common.ROOT)
    if options.json:
        print(common.as_json([asdict(f) for f in found]), end="")
    else:
        for f in found:
            if f.state != "ok" or not options.quiet:
                do = f" → {f.do}" if f.do else ""
                print(f"{_coloured(f.state)} {f.what:26} {f.found}{do}")
        counts = Counter(f.state for f in found)
        print(f"{counts['problem']} problems, {counts['notice']} notices")
    return int(any(f.state == "problem" for f in found))


def _coloured(state: str) -> str:
    """The word, eight columns wide, in its colour on a terminal that wants colours."""
    word = f"{state:8}"
    return f"\x1b[{COLOURS[state]}m{word}\x1b[0m" if colours() else word


def colours() -> bool:
    """Whether standard output is a terminal and NO_COLOR (no-color.org) is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _completion(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(options.parser, shell=options.shell))
