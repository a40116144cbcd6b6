"""Adds the command `corpora` with its actions list, check and add."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from datayield.cli import common
from datayield.core.errors import UserError, nearest

if TYPE_CHECKING:
    from datayield.config import Params
    from datayield.core.types import Corpus
    from datayield.study.cut_cost import CutCost


def add(commands: "common.Commands") -> None:
    """Add the command and its actions."""
    corpora = common.command(
        commands,
        "corpora",
        "list and check corpora, or add your own files",
        "datayield corpora list",
        "datayield corpora check sms_spam",
        "datayield corpora add reviews.csv",
    )
    actions = corpora.add_subparsers(required=True, metavar="ACTION")
    listing = common.command(
        actions,
        "list",
        "list the corpora of params.yaml and of the catalog",
        "datayield corpora list --json",
    )
    common.add_json(listing)
    listing.set_defaults(run=_list)
    check = common.command(
        actions,
        "check",
        "load corpora and report duplicates and other problems in them",
        "datayield corpora check pydocs sms_spam",
    )
    common.add_json(check)
    check.add_argument(
        "names", nargs="+", metavar="NAME", help="name of a corpus of params.yaml or of the catalog"
    )
    check.set_defaults(run=_check)
    add = common.command(
        actions,
        "add",
        "check files of labelled texts and print their entry for params.yaml",
        "datayield corpora add reviews.csv",
        "datayield corpora add reviews.csv --text body --label stars",
        "datayield corpora add train.csv --test test.csv",
    )
    common.add_inputs(add, "+")
    add.set_defaults(run=_add)


def _list(options: argparse.Namespace) -> None:
    from datayield.corpora.loaders.catalog import catalog

    in_params = common.params().corpora
    in_catalog = {name: entry for name, entry in catalog().items() if name not in in_params}
    if options.json:
        listing: dict[str, dict[str, str]] = {
            name: {"loader": source.loader, "in": "params.yaml"}
            for name, source in in_params.items()
        }
        for name, entry in in_catalog.items():
            listing[name] = {"loader": "catalog", "in": "the catalog", "task": entry.task,
                             "title": entry.title, "licence": entry.licence}  # fmt: skip
        print(common.as_json(listing), end="")
        return
    for name, source in in_params.items():
        print(f"{name:14} {source.loader:10} in params.yaml")
    for name, entry in in_catalog.items():
        print(f"{name:14} catalog    {entry.task}: {entry.title} ({entry.licence})")


def _check(options: argparse.Namespace) -> None:
    from datayield import config, corpora
    from datayield.corpora import audit, row_account
    from datayield.corpora.loaders.catalog import catalog

    params = common.params()
    checked: dict[str, dict[str, Any]] = {}
    for name in options.names:
        source = params.corpora.get(name)
        if source is None:
            if name not in catalog():
                known = [*params.corpora, *catalog()]
                raise UserError(f'unknown corpus "{name}": {nearest(name, known)}')
            source = config.CatalogSource(loader="catalog")
        corpus, card = corpora.build(name, source, params.study.seed, common.ROOT)
        findings = row_account.findings(card) + audit.audit(corpus, card["removed"])[0]["findings"]
        cut = _cut(params, corpus, card)
        checked[name] = {"card": card, "findings": findings, "cut": asdict(cut) if cut else None}
        if not options.json:
            _print_checked(name, card, findings)
            if cut:
                print(f"  {cut.sentence()}")
    if options.json:
        print(common.as_json(checked), end="")


def _cut(params: "Params", corpus: "Corpus", card: dict[str, Any]) -> "CutCost | None":
    """Return what reading only the beginning of texts costs; None where nearly all is read."""
    from datayield.config.own_data import MOST_UNREAD
    from datayield.core.types import Settings
    from datayield.corpora.corpus_card import share_read
    from datayield.models.settings import settings
    from datayield.study.cut_cost import cut_cost

    limit = Settings.from_dict(settings("lstm", params.model, 1)).tokens_read
    if share_read(card, limit) >= 1 - MOST_UNREAD:
        return None
    seed = params.study.seed
    return cut_cost(corpus.texts, corpus.labels, corpus.blocks, limit, seed, corpus.name)


def _print_checked(name: str, card: dict[str, Any], findings: list[dict[str, Any]]) -> None:
    texts, classes = card["texts"], ", ".join(card["classes"])
    print(f"{name}: {texts['pool']:,} texts to learn from, {texts['test']:,} test texts; {classes}")
    print(f"  licence: {card['source']['licence']}; family: {card['family']}")
    for finding in findings:
        if finding["count"]:
            print(f"  {finding['count']:7,} of {finding['of']:7,}  {finding['what']}")


def _add(options: argparse.Namespace) -> None:
    import yaml

    from datayield.corpora import input_files

    name = input_files.corpus_name(options.files, options.name)
    source, notices = input_files.corpus_entry(common.inputs(options))
    for sentence in notices:
        common.notify(sentence)
    entry = {name: input_files.entry_in(source, common.ROOT)}
    print("# add this below `corpora:` in params.yaml, and the name to study.corpora")
    print(yaml.safe_dump(entry, sort_keys=False, allow_unicode=True).rstrip())
