"""Defines the entries below `corpora:` in params.yaml: the sources of texts."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from datayield.config.fields import Frozen, Listed, Name, Place, Sha256
from datayield.core.system.download import RemoteFile
from datayield.core.system.secrets import has_secret, masked


class UnlabelledFile(Frozen):
    """A file with additional texts without labels."""

    path: Place = Field(description="the file, relative to the project")
    sha256: Sha256 = Field(description="hash that the file must have")
    text: str = Field(description="column that holds the texts")
    encoding: Place = Field(default="utf-8", description="encoding of the file")


class NoisyFile(UnlabelledFile):
    """A file with cheaper labels of pool texts, by a language model or by untrained annotators."""

    label: str = Field(description="column that holds the cheaper labels")
    price: float | None = Field(default=None, ge=0, description="money for one noisy label")
    clean_price: float | None = Field(
        default=None, gt=0, description="money for one label of the corpus, in the same unit"
    )


class _Texts(Frozen):
    """Settings of every corpus, whatever its source."""

    test_share: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="share of the texts in the test set, if the source has no test set",
    )
    label_noise: float = Field(
        default=0.0, ge=0, lt=1, description="share of wrong labels planted in the pool"
    )
    noise: Literal["symmetric", "class"] = Field(
        default="symmetric",
        description="wrong labels: any other class evenly (symmetric), or the next class (class)",
    )
    unlabelled: UnlabelledFile | None = Field(
        default=None, description="additional texts without labels"
    )
    noisy: NoisyFile | None = Field(
        default=None, description="labels of pool texts from a cheaper source, for lstm:noisy"
    )
    settled: int | None = Field(
        default=None,
        ge=1,
        description="texts, from the first on, that decide by their content which are test texts; later"
        " ones are drawn after them. null: the seed draws all places",
    )


class PydocsSource(_Texts):
    """The built-in corpus: docstrings of Python libraries, labelled by library."""

    loader: Literal["pydocs"]
    libraries: Listed[str] = Field(
        min_length=2, description="installed Python libraries, which are the classes"
    )
    per_class: int = Field(ge=50, description="texts of each library")


Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "lines"]
Tool = Literal["argilla", "doccano", "fasttext", "label_studio", "prodigy", "spacy"]
Separator = Annotated[str, Field(min_length=1, max_length=1)]


class FileColumns(Frozen):
    """The columns of a file and how it is written, where a further file differs from the first."""

    text: str = Field(description="column that holds the texts")
    label: str = Field(description="column that holds the labels")
    encoding: Place = Field(default="utf-8", description="encoding of the file")
    separator: Separator | None = Field(
        default=None, description="separator of a csv file; null: a comma"
    )
    tool: Tool | None = Field(
        default=None, description="labelling tool that exported the file; null: none"
    )


class FilePart(Frozen):
    """A further file of a corpus."""

    path: Place = Field(description="the file, relative to the project")
    sha256: Sha256 = Field(description="hash that the file must have")
    format: Format = Field(description="form of the file")
    test: bool = Field(default=False, description="its texts are the test set")
    columns: FileColumns | None = Field(
        default=None, description="its columns; null: those of the first file"
    )


class FileSource(_Texts):
    """One or more files of labelled texts; `datayield corpora add` prints this entry."""

    loader: Literal["file"]
    path: Place = Field(description="the file, relative to the project")
    sha256: Sha256 = Field(description="hash that the file must have")
    text: str = Field(
        description="column that holds the texts, or several that are joined: title,body"
    )
    label: str = Field(description="column that holds the labels")
    format: Format = Field(description="form of the file")
    encoding: Place = Field(default="utf-8", description="encoding of the file")
    separator: Separator | None = Field(
        default=None, description="separator of a csv file; null: a comma"
    )
    split: str | None = Field(
        default=None, description="column that says train, validation or test"
    )
    group: str | None = Field(
        default=None,
        description="column whose equal values keep texts together in pool or test set",
    )
    time: str | None = Field(
        default=None, description="column of dates or numbers; the newest texts are the test set"
    )
    tool: Tool | None = Field(
        default=None, description="labelling tool that exported the files; null: none"
    )
    annotator: str | None = Field(
        default=None, description="column that names who labelled the text of each row"
    )
    labels: Literal["merged", "as-they-are"] | None = Field(
        default=None,
        description="labels that differ in case or blanks: one class (merged), or each its own",
    )
    merge_rare: str | None = Field(
        default=None, description="class that joins those too small for a study; null: left out"
    )
    quotes: bool | None = Field(
        default=None, description="whether fields stand in quotation marks; null: found out"
    )
    header: bool | None = Field(
        default=None, description="whether the first row names the columns; null: found out"
    )
    more: Listed[FilePart] = Field(default=(), description="further files")
    family: str | None = Field(
        default=None, description="family of corpora that share texts; null: its own"
    )

    @model_validator(mode="after")
    def _one_split(self) -> "FileSource":
        if self.split is not None and any(part.test for part in self.more):
            raise ValueError(
                f'the test set comes from a file of its own or from the column "{self.split}", not both'
            )
        column = self.group or self.time
        if column and (self.split is not None or any(part.test for part in self.more)):
            raise ValueError(
                f'the source has a test set of its own, so the column "{column}" has nothing to decide:'
                " leave group and time out"
            )
        if column and self.settled is None:
            raise ValueError(
                f'the column "{column}" needs settled, the number of texts that decide about the test set'
            )
        return self


class RemoteFileEntry(Frozen):
    """One file of a downloaded corpus: its address, and the hash that its bytes must have."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
        description="path below the cache; relative and without ..",
    )
    url: str = Field(pattern=r"^https?://", description="address of the file, without a password")
    sha256: Sha256 = Field(description="hash that the file must have")
    bytes: int = Field(ge=1, description="size of the file")
    rows: int | None = Field(
        default=None, ge=1, description="number of lines, checked after reading"
    )
    split: Literal["pool", "test"] | None = Field(
        default=None, description="what its texts are; null: a share of them is the test set"
    )
    member: str | None = Field(
        default=None, description="name of the file inside a zip or tar archive"
    )

    @field_validator("url")
    @classmethod
    def _without_secret(cls, value: str) -> str:
        if has_secret(value):
            raise ValueError(
                f"an address with a password ({masked(value)}) would be kept in dvc.lock and in the"
                " report; put the file into a mirror folder (DATAYIELD_MIRROR) instead"
            )
        return value

    @property
    def remote(self) -> RemoteFile:
        """The file in the form that `core.system.download.fetch` needs."""
        return RemoteFile(self.name, self.url, self.sha256, self.bytes, self.member)


class DownloadSource(_Texts):
    """A corpus fetched by URL and hash; the entries of corpora/loaders/catalog.yaml are of this kind."""

    loader: Literal["download"] = "download"
    title: str = Field(description="name of the corpus for readers")
    task: str = Field(default="", description="question that the labels answer")
    note: str = Field(default="", description="what readers should know about the texts")
    family: str | None = Field(
        default=None, description="family of corpora that share texts; null: its own"
    )
    licence: str = Field(description="licence of the texts, as their source states it")
    citation: str = Field(description="publication to cite")
    format: str = Field(description="layout of a line: a name in corpora/loaders/catalog.py")
    encoding: Place = Field(default="utf-8", description="encoding of the files")
    classes: dict[str, str] = Field(default_factory=dict, description="label in the file → name")
    files: Listed[RemoteFileEntry] = Field(min_length=1, description="the files")

    @model_validator(mode="after")
    def _splits(self) -> "DownloadSource":
        splits = {f.split for f in self.files}
        if len(splits) > 1 and splits != {"pool", "test"}:
            raise ValueError("expected split: pool or test for every file, or for none")
        return self


class CatalogSource(_Texts):
    """A corpus of the catalog, by its name there (default: the name of the corpus)."""

    loader: Literal["catalog"]
    entry: Name | None = Field(
        default=None, description="name in the catalog; null: the name of the corpus"
    )


_HUB_NAME = r"[A-Za-z0-9][\w-]*(\.[\w-]+)*(/[A-Za-z0-9][\w-]*(\.[\w-]+)*)?"  # no .. in it


class HubSource(_Texts):
    """A data set of the Hugging Face hub, or a local folder in one of the hub's layouts."""

    loader: Literal["hub"]
    name: str = Field(min_length=1, description="owner/name on the hub, or a folder: ./name")
    revision: str | None = Field(default=None, description="commit on the hub")
    config: str | None = Field(
        default=None, description="configuration of the data set; null: its only one"
    )
    text: str = Field(description="column that holds the texts")
    label: str = Field(description="column that holds the labels")
    pool: str = Field(default="train", description="split with the texts to learn from")
    test: str | None = Field(
        default=None, description="split with the test texts; null: a share of the pool"
    )
    licence: str = Field(
        default="see the data set's card on the hub", description="licence of the texts"
    )
    family: str | None = Field(
        default=None, description="family of corpora that share texts; null: its own"
    )

    @property
    def local(self) -> bool:
        """Whether `name` is a folder."""
        return self.name.startswith(("./", "../", "/"))

    @model_validator(mode="after")
    def _named(self) -> "HubSource":
        if not self.local and not re.fullmatch(_HUB_NAME, self.name):
            raise ValueError(
                f"expected owner/name as on the hub, or a folder that begins with ./, got {self.name!r}"
            )
        return self

    @model_validator(mode="after")
    def _pinned(self) -> "HubSource":
        if not self.local and self.revision is None:
            raise ValueError(
                "a data set of the hub needs its revision (the commit on its Files page), so that"
                " everybody reads the same rows"
            )
        return self


class SyntheticSource(_Texts):
    """Generated texts from a grammar of each class; their best possible accuracy is known."""

    loader: Literal["synthetic"]
    classes: int = Field(default=3, ge=2, le=50, description="number of classes")
    pool: int = Field(default=8000, ge=50, description="texts to learn from")
    test: int = Field(default=2000, ge=10, description="test texts")
    length: int = Field(default=12, ge=1, description="filler words per text, on average")
    cues: int = Field(default=2, ge=1, description="phrases per text that show its class")
    concepts: int = Field(default=20, ge=1, description="meanings per class")
    synonyms: int = Field(default=6, ge=1, description="interchangeable words per concept")
    bayes_error: float = Field(
        default=0.05, ge=0, lt=0.5, description="share of texts whose label is random"
    )
    negation: float = Field(default=0.0, ge=0, le=1, description="share of phrases: not + cue")
    duplicates: float = Field(default=0.0, ge=0, lt=1, description="share of repeated pool texts")


Source = Annotated[
    PydocsSource | FileSource | CatalogSource | DownloadSource | HubSource | SyntheticSource,
    Field(discriminator="loader"),
]
