"""Measures how often the encoding of a file is found from its content, refused, or wrong.

Usage: python benchmarks/encodings.py [--repetitions 10] [--messages FOLDER]

Files are made of rows of the real corpora (English) and of the messages of translated programs, real sentences
of many languages, as Debian installs them (/usr/share/locale). Of each file the rows are drawn at random from
those that the encoding can write. "Wrong" is a file whose text was read as another text.
"""

import argparse
import csv
import gettext
import io
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from datayield import config, corpora
from datayield.core import seeds
from datayield.core.errors import UserError
from datayield.corpora import encodings, text_files

CORPORA = ("sms_spam", "mr", "trec")
ROWS = (10, 100, 1000)
WRITTEN = {
    "utf-8": ("English", "de", "ru", "ja", "zh_CN"),
    "utf-16-le": ("English", "de", "ru", "ja", "zh_CN"),  # without a byte order mark
    "windows-1252": (
        "English",
        "de",
        "fr",
        "es",
        "it",
        "pt_BR",
        "sv",
        "da",
        "fi",
        "nl",
        "ca",
        "is",
    ),
    "windows-1250": ("pl", "cs", "hu", "ro", "hr", "sl", "sk"),
    "windows-1251": ("ru", "uk", "bg", "sr"),
    "cp932": ("ja",),
    "gb18030": ("zh_CN",),
    "cp949": ("ko",),
    "big5": ("zh_TW",),
    "euc-jp": ("ja",),
    "koi8-r": ("ru",),
    "cp866": ("ru",),
    "iso-8859-2": ("hu", "pl", "cs"),
    "windows-1253": ("el",),
    "windows-1254": ("tr",),
    "windows-1255": ("he",),
    "windows-1256": ("ar",),
    "windows-1257": ("lt", "et", "lv"),
    "cp874": ("th",),
    "mac-roman": ("fr", "de"),
    "cp850": ("fr", "de"),
}


def sentences(language: str, messages: Path) -> list[str]:
    """Return texts of one language."""
    if language == "English":
        source = config.CatalogSource(loader="catalog")
        return sorted(
            {t for name in CORPORA for t in corpora.build(name, source, 1, Path())[0].texts}
        )
    return sorted(set(_messages(messages / language / "LC_MESSAGES")))


def _messages(folder: Path) -> Iterator[str]:
    for path in folder.glob("*.mo"):
        try:
            with path.open("rb") as file:
                catalog = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        except (OSError, UnicodeDecodeError):
            continue
        for key, text in catalog.items():
            if key and isinstance(text, str) and 12 <= len(text) <= 300:
                yield " ".join(text.split())


def written(texts: Sequence[str], encoding: str, rows: int, repetition: int) -> str:
    """Return the content of a csv file of texts that an encoding can write."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(("label", "text"))
    left = rows
    for place in seeds.rng(1, "encodings", encoding, rows, repetition).permutation(len(texts)):
        if left and _can_write(texts[place], encoding):
            lines.writerow(("ab"[left % 2], texts[place]))
            left -= 1
    return out.getvalue()


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def outcome(content: str, encoding: str, folder: Path) -> str:
    """Return what becomes of a file."""
    path = folder / "a.csv"
    path.unlink(missing_ok=True)
    path.write_bytes(content.encode(encoding))
    content = content.encode(encoding).decode(encoding)  # some characters have two codes
    try:
        found = encodings.found(path).name
    except UserError:
        return "refused"
    with text_files.opened(path, "a.csv", found, "") as file:
        return "right" if file.read() == content else f"wrong ({found})"


def main() -> None:
    """Print one row of the table for each encoding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--messages", type=Path, default=Path("/usr/share/locale"))
    parser.add_argument(
        "--only", nargs="+", default=list(WRITTEN), choices=list(WRITTEN), metavar="ENCODING"
    )
    options = parser.parse_args()
    print(
        "| encoding | languages | "
        + " | ".join(f"{n:,} rows" for n in ROWS)
        + " |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for encoding in options.only:
            cells = {rows: Counter[str]() for rows in ROWS}
            for language in WRITTEN[encoding]:
                texts = sentences(language, options.messages)
                for rows in ROWS:
                    for repetition in range(options.repetitions):
                        content = written(texts, encoding, rows, repetition)
                        cells[rows][outcome(content, encoding, Path(scratch))] += 1
            shown = (
                ", ".join(f"{n} {what}" for what, n in sorted(cells[rows].items())) for rows in ROWS
            )
            print(
                f"| {encoding} | {', '.join(WRITTEN[encoding])} | {' | '.join(shown)} |", flush=True
            )


if __name__ == "__main__":
    main()
