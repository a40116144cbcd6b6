"""params.yaml → checked, frozen settings. The only package that knows pydantic."""

from datayield.config.read import (
    PRESETS,
    catalog,
    changes,
    checked,
    load,
    load_text,
    parse,
    preset,
)
from datayield.config.sources import (
    BesideFile,
    CatalogSource,
    DownloadSource,
    FilePart,
    FileSource,
    HubSource,
    PydocsSource,
    RemoteFile,
    Source,
    SyntheticSource,
)
from datayield.config.study import (
    Analysis,
    Block,
    Execution,
    Limits,
    Params,
    Study,
    Tuning,
)

__all__ = [
    "PRESETS", "Analysis", "BesideFile", "Block", "CatalogSource", "DownloadSource", "Execution",
    "FilePart", "FileSource", "HubSource", "Limits", "Params", "PydocsSource", "RemoteFile",
    "Source", "Study", "SyntheticSource", "Tuning", "catalog", "changes", "checked", "load",
    "load_text", "parse", "preset",
]  # fmt: skip
