"""Turns params.yaml into checked, immutable settings; the only room that imports pydantic."""

from datayield.config.load import PRESETS, catalog, changes, checked, load, load_text, parse, preset
from datayield.config.params import Analysis, Block, Execution, Limits, Params, Study, Tuning
from datayield.config.sources import (
    CatalogSource,
    DownloadSource,
    FileColumns,
    FilePart,
    FileSource,
    HubSource,
    NoisyFile,
    PydocsSource,
    RemoteFileEntry,
    Source,
    SyntheticSource,
    UnlabelledFile,
)

__all__ = [
    "PRESETS",
    "Analysis",
    "Block",
    "CatalogSource",
    "DownloadSource",
    "Execution",
    "FileColumns",
    "FilePart",
    "FileSource",
    "HubSource",
    "Limits",
    "NoisyFile",
    "Params",
    "PydocsSource",
    "RemoteFileEntry",
    "Source",
    "Study",
    "SyntheticSource",
    "Tuning",
    "UnlabelledFile",
    "catalog",
    "changes",
    "checked",
    "load",
    "load_text",
    "parse",
    "preset",
]  # fmt: skip
