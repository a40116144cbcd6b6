"""Reads YAML whose aliases cannot grow without bound."""

from typing import Any

import yaml

MOST_NODES = (
    100_000  # keys, values and list entries with every alias written out; params.yaml has hundreds
)


def from_yaml(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        yaml.YAMLError: the text is not YAML, or its aliases stand for more than `MOST_NODES` values.
    """
    _size(yaml.compose(text, yaml.SafeLoader), {})
    return yaml.safe_load(text)


def _size(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Return the number of nodes at or below a node, aliases written out.

    Args:
        node: a node of the composed text; None for an empty text.
        known: sizes of the nodes that were counted; 0 while one is being counted.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0
        parts = (
            [x for pair in node.value for x in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    size = known[id(node)]
    if not size or size > MOST_NODES:
        what = "contains itself" if not size else f"stands for more than {MOST_NODES:,} values"
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: an alias here {what}")
    return size
