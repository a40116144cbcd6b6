"""`corpora list|check|add`."""

import argparse
from pathlib import Path

from datayield.commands import common
from datayield.errors import UserError, nearest


def add(commands: "common.Commands") -> None:
    """The commands about corpora."""
    corpora = common.command(
        commands,
        "corpora",
        "list corpora or add your own file",
        "datayield corpora list",
        "datayield corpora check sms_spam",
        "datayield corpora add reviews.csv --text body --label stars",
    )
    actions = corpora.add_subparsers(required=True, metavar="ACTION")
    listed = common.command(
        actions,
        "list",
        "the corpora of params.yaml and of the catalog",
        "datayield corpora list --json",
    )
    common.listing(listed)
    listed.set_defaults(run=_corpora_list)
    check = common.command(
        actions,
        "check",
        "load corpora and say what is wrong with them",
        "datayield corpora check pydocs sms_spam",
    )
    common.listing(check)
    check.add_argument("names", nargs="+", metavar="NAME", help="of params.yaml or the catalog")
    check.set_defaults(run=_corpora_check)
    add = common.command(
        actions,
        "add",
        "check a file and print its entry for params.yaml",
        "datayield corpora add reviews.csv --text body --label stars",
    )
    add.add_argument("file", help="csv, tsv, jsonl or parquet")
    add.add_argument("--text", required=True, help="column that holds the texts")
    add.add_argument("--label", required=True, help="column that holds the labels")
    add.add_argument("--name", help="name of the corpus (from the file's name)")
    add.add_argument("--encoding", default="utf-8")
    add.add_argument("--split", help="column that says train or test")
    add.set_defaults(run=_corpora_add)


def _corpora_list(options: argparse.Namespace) -> None:
    from datayield.corpora.download import catalog

    own = common.params().corpora
    known = {n: e for n, e in catalog().items() if n not in own}
    if options.json:
        told: dict[str, dict[str, str]] = {
            name: {"loader": source.loader, "in": "params.yaml"} for name, source in own.items()
        }
        for name, entry in known.items():
            told[name] = {"loader": "catalog", "in": "the catalog", "task": entry.task,
                          "title": entry.title, "licence": entry.licence}  # fmt: skip
        print(common.as_json(told), end="")
        return
    for name, source in own.items():
        print(f"{name:14} {source.loader:10} in params.yaml")
    for name, entry in known.items():
        print(f"{name:14} catalog    {entry.task}: {entry.title} ({entry.licence})")


def _corpora_check(options: argparse.Namespace) -> None:
    from datayield import config, corpora
    from datayield.corpora import audit
    from datayield.corpora.download import catalog

    params = common.params()
    told = {}
    for name in options.names:
        source = params.corpora.get(name)
        if source is None:
            if name not in catalog():
                known = [*params.corpora, *catalog()]
                raise UserError(f'unknown corpus "{name}": {nearest(name, known)}')
            source = config.CatalogSource(loader="catalog")
        built, card = corpora.build(name, source, params.study.seed, common.ROOT)
        findings = audit.audit(built, card["removed"])[0]["findings"]
        told[name] = {"card": card, "findings": findings}
        if options.json:
            continue
        texts, classes = card["texts"], ", ".join(card["classes"])
        print(
            f"{name}: {texts['pool']:,} texts to learn from, {texts['test']:,} test texts; {classes}"
        )
        print(f"  licence: {card['source']['licence']}; family: {card['family']}")
        for found in findings:
            if found["count"]:
                print(f"  {found['count']:7,} of {found['of']:7,}  {found['what']}")
    if options.json:
        print(common.as_json(told), end="")


def _corpora_add(options: argparse.Namespace) -> None:
    import re

    import yaml

    from datayield.corpora import files

    name = options.name or re.sub(r"[^a-z0-9_-]+", "_", Path(options.file).stem.lower())
    source = files.describe(
        Path(options.file), options.text, options.label, options.encoding, options.split
    )
    entry = {name: files.entry(source)}
    print("# add this under `corpora:` in params.yaml and the name to study.corpora")
    print(yaml.safe_dump(entry, sort_keys=False, allow_unicode=True).rstrip())
