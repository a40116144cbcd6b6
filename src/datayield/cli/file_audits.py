"""Adds the command `audit`: the rows of a file that should be looked at before a study."""

import argparse
from dataclasses import replace
from pathlib import Path

from datayield.cli import common
from datayield.core.errors import UserError


def add(commands: "common.Commands") -> None:
    """Add the command."""
    audit = common.command(
        commands,
        "audit",
        "list the rows of a file that look wrong: labels, duplicates, encoding; without a study",
        "datayield audit reviews.csv",
        "datayield audit reviews.csv --unlabelled more.csv --out checked",
    )
    common.add_inputs(audit, "+")
    audit.add_argument(
        "--out",
        metavar="FOLDER",
        help="folder for audit.md and rows.csv (default: the name, with -audit after it)",
    )
    audit.add_argument(
        "--force",
        action="store_true",
        help="permission to replace both files (default: an existing file is an error)",
    )
    common.add_json(audit)
    audit.set_defaults(run=_audit)


def _audit(options: argparse.Namespace) -> None:
    import numpy as np

    from datayield.core import files
    from datayield.corpora import input_files
    from datayield.study import audit_writers
    from datayield.study.file_audit import audit_file
    from datayield.text import sequences

    name = input_files.corpus_name(options.files, options.name)
    folder = Path(options.out or f"{name}-audit")
    page, rows = folder / "audit.md", folder / "rows.csv"
    for path in (page, rows):
        if path.exists() and not options.force:
            raise UserError(
                f"{path} exists. Name another folder by --out, or replace the file with --force."
            )
    inputs = replace(common.inputs(options), unlabelled=None, rare=True)
    labelled, column, notices = input_files.labelled_texts(inputs)
    more = [options.unlabelled] if options.unlabelled else []
    unlabelled, places, further = input_files.unlabelled_texts(more, None, options.encoding, column)
    for sentence in (*notices, *further):
        common.notify(sentence)
    audit = audit_file(
        labelled.texts,
        labelled.labels,
        labelled.in_test,
        sequences.JoinedTexts(labelled.unlabelled, unlabelled),
        np.concatenate([np.arange(count := len(labelled.unlabelled)), places + count]),
    )
    files.write_text(audit_writers.as_markdown(name, audit), page)
    files.write_text(audit_writers.as_csv(audit), rows)
    if options.json:
        print(common.as_json(audit_writers.as_data(audit)), end="")
        return
    print("\n".join(audit_writers.terminal_lines(name, audit)))
    print(f"{page}: the findings; {rows}: every text of them")
