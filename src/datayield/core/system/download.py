"""Fetches files by hash: from the mirror folder, from the cache, or from their URL.

A file is never trusted for its name or its address, only for its sha256. A file that is not complete
never gets the name of a complete one.
"""

import hashlib
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pooch
import requests

from datayield.core.errors import UserError
from datayield.core.system import machine

MIRROR = "DATAYIELD_MIRROR"
TIMEOUT_SECONDS = 60
RETRIES = 2
LARGEST_UNPACKED = 4 * 2**30  # bytes of all members of an archive together
SLACK = 2**20  # bytes read beyond the pinned size: a web page may stand in for a small file
_PAGE = (b"<!doctype html", b"<html")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that is identified by its hash.

    Attributes:
        name: relative path, for the mirror and the cache; no absolute path, no "..".
        url: http or https address.
        sha256: hash of the file's bytes, 64 hex digits.
        bytes: size of the file.
        member: name inside the file where it is a zip or tar archive.
    """

    name: str
    url: str
    sha256: str
    bytes: int
    member: str | None = None


def fetch(file: RemoteFile, cache: Path) -> bytes:
    """Return the bytes of a file, or of its member if it is an archive.

    Args:
        file: name, URL, hash and size.
        cache: folder that keeps downloaded files, named by hash.

    Raises:
        UserError: a wrong hash, a web page instead of the file, no network, an unsafe archive.
    """
    content = _mirrored(file) or _cached(file, cache)
    return content if file.member is None else _member(file, content)


def _mirrored(file: RemoteFile) -> bytes | None:
    """Return the file of that name in the mirror, else any file there of that size and hash."""
    named = os.environ.get(MIRROR)
    if not named:
        return None
    mirror = Path(named)
    if not mirror.is_dir():
        raise UserError(
            f"{MIRROR}={named} is not a folder. Name a folder that holds the files, or unset it to"
            " download them."
        )
    path = mirror / file.name
    if path.is_file():
        content = path.read_bytes()
        _check(file, content, str(path))
        return content
    same_size = (p for p in sorted(mirror.rglob("*")) if _size(p) == file.bytes)
    contents = (p.read_bytes() for p in same_size)
    return next((c for c in contents if _sha256(c) == file.sha256), None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _cached(file: RemoteFile, cache: Path) -> bytes:
    fetched = cache / file.sha256
    if fetched.is_file() and _sha256(fetched.read_bytes()) != file.sha256:
        fetched.unlink()  # damaged since it was fetched; fetched again below
    if not fetched.is_file():
        _download(file, cache)
    return fetched.read_bytes()


def _download(file: RemoteFile, cache: Path) -> None:
    """Download a file with progress and retries; pooch writes to a temporary name and renames."""
    pooch.get_logger().setLevel("ERROR")
    store = pooch.create(
        cache,
        base_url="",
        registry={file.sha256: f"sha256:{file.sha256}"},
        urls={file.sha256: file.url},
        retry_if_failed=RETRIES,
    )
    try:
        cache.mkdir(parents=True, exist_ok=True)
        store.fetch(file.sha256, downloader=lambda *a: _to_file(file, *a))
    except (requests.RequestException, OSError) as e:
        if not isinstance(e, requests.RequestException):
            cause = e.__cause__ if isinstance(e.__cause__, OSError) else e  # pooch wraps some
            raise UserError(
                f"cannot write to {cache}: {cause.strerror or e}. Free some space or choose a writable folder;"
                " nothing was kept."
            ) from e
        mirror = os.environ.get(MIRROR)
        missed = f" The mirror {mirror} has no file with sha256 {file.sha256}." if mirror else ""
        raise UserError(
            f"{file.name} cannot be downloaded from {file.url}: {_reason(e)}.{missed} Check the network,"
            f" or set {MIRROR} to a folder that holds the file."
        ) from e


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_SECONDS} seconds"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection ended before the whole file had come"
    return "no connection" if isinstance(error, requests.ConnectionError) else str(error)


def _to_file(file: RemoteFile, url: str, output_file: str, store: pooch.Pooch) -> None:
    """Download to the temporary file of pooch, and check it before pooch renames it."""
    fetched = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_SECONDS)
    with Path(output_file).open("wb") as out:
        fetched(url, _Bounded(out, file, url), store)
    _check(file, Path(output_file).read_bytes(), url)


class _Bounded:
    """A file that refuses more than SLACK bytes beyond the pinned size, so that no server fills the disk."""

    def __init__(self, out: BinaryIO, file: RemoteFile, url: str) -> None:
        self._out, self._file, self._url = out, file, url
        self._left = file.bytes + SLACK

    def write(self, content: bytes) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise UserError(
                f"{self._url} sends more than the {self._file.bytes:,} bytes of {self._file.name};"
                " nothing was kept. If the file changed at its source, its entry needs the new size"
                " and hash."
            )
        return self._out.write(content)

    def flush(self) -> None:
        self._out.flush()


def _check(file: RemoteFile, content: bytes, where: str) -> None:
    """Raise UserError if the content does not have the pinned hash."""
    found = _sha256(content)
    if found == file.sha256:
        return
    start = content[:200].lstrip().lower()
    if start.startswith(_PAGE):
        raise UserError(
            f"{where} answered with a web page instead of {file.name}: the address needs a login, has"
            " moved, or something on the way put its own page there."
        )
    kind = "truncated" if len(content) < file.bytes else "not the file that was pinned"
    raise UserError(
        f"{where} is {kind}: wanted {file.bytes:,} bytes with sha256 {file.sha256}, got"
        f" {len(content):,} bytes with sha256 {found}. Nothing was kept; if the file changed at its"
        " source, its entry needs the new hash."
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    RuntimeError, ValueError, IndexError, OverflowError,
)  # fmt: skip
"""What zipfile and tarfile raise for archives that are encrypted, cut off or of another kind."""


def _member(file: RemoteFile, content: bytes) -> bytes:
    """Return one member of a zip or tar archive, read in memory; nothing is unpacked to disk."""
    assert file.member is not None
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as zipped:
                _check_members(file, ((m.filename, m.file_size, True) for m in zipped.infolist()))
                return zipped.read(file.member)  # raises if the size in the head is not true
        with tarfile.open(fileobj=io.BytesIO(content)) as packed:
            _check_members(file, ((m.name, m.size, m.isreg() or m.isdir()) for m in packed))
            member = packed.extractfile(file.member)
            if member is None:  # a folder
                raise KeyError(file.member)
            return member.read()
    except KeyError as e:
        raise UserError(f"{file.name} holds no file named {file.member}") from e
    except _DAMAGED as e:
        why = " ".join(str(e).split())
        raise UserError(f"{file.name} is not a readable zip or tar archive: {why}") from e


def _check_members(file: RemoteFile, heads: Iterable[tuple[str, int, bool]]) -> None:
    """Raise UserError if a member has an unsafe name, is a link or a device, or all are too large.

    Args:
        file: the archive.
        heads: name, unpacked size and whether it is a plain file or folder, of every member. They are
            taken one by one: behind a member that is too large nothing is unpacked.
    """
    total = 0
    for name, size, plain in heads:
        total += size
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
            raise UserError(
                f"{file.name} holds a path outside of the archive ({name!r}); such an archive is not"
                " read"
            )
        if not plain:
            raise UserError(
                f"{file.name} holds {name!r}, which is a link or a device; such an archive is not read"
            )
        if total > LARGEST_UNPACKED:
            raise UserError(
                f"{file.name} would unpack to more than {LARGEST_UNPACKED / 2**30:g} GiB; such an"
                " archive is not read. Unpack it by hand and name its file."
            )
        if name == file.member:
            machine.require(f"{file.name}, unpacked,", size)
