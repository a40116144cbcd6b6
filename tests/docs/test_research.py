"""docs/research.md and docs/replicating-a-table.md show what the stored tables say."""

import re

import yaml

from datayield import config
from docs import replication, research_tables
from tests.conftest import REPO

PAGE = (REPO / "docs/replicating-a-table.md").read_text()


def test_research_shows_the_tables_of_the_showcases() -> None:
    written = (REPO / "docs/research.md").read_text()
    assert research_tables.page(written) == written, "run `python docs/research_tables.py`"


def test_the_small_replication_is_a_study() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    preset = yaml.safe_load(config.preset("eda5"))
    params = config.parse({**preset, "study": yaml.safe_load(block)["study"]})
    assert params.study.name == "eda_small" and params.study.corpora == ("eda_cr",)


def test_the_replication_is_read_from_a_report() -> None:
    table = replication.table(REPO / "reports/showcase/eda5")
    rows = dict(line.strip("| ").split(" | ", 1) for line in table.splitlines()[2:])
    assert len(rows) == 6 and rows["published, mean of five"] == "75.3 % | 79.1 % | +3.8 | – | –"
    assert "undecided" in rows["eda_trec"]
    assert replication.HEAD in PAGE and "| published, mean of five | " in PAGE
