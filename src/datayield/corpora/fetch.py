"""Files by hash: from the mirror folder, from the cache, or from their URL.

A file is never believed for its name or its address, only for its sha256. What is half-fetched never
gets the name of a finished file.
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
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pooch
import requests

from datayield import memory
from datayield.config import RemoteFile
from datayield.errors import UserError

MIRROR = "DATAYIELD_MIRROR"
TIMEOUT_SECONDS = 60
RETRIES = 2
LARGEST_UNPACKED = 4 * 2**30  # bytes of all members of an archive together
SLACK = 2**20  # bytes beyond the pinned size that are read: a web page instead of a small file
_PAGE = (b"<!doctype html", b"<html")


def fetch(file: RemoteFile, cache: Path) -> bytes:
    """The bytes of a file, or of its member where it is an archive.

    Args:
        file: name, URL, hash and size.
        cache: folder that keeps what was downloaded, by hash.

    Raises:
        UserError: for a wrong hash, a page instead of a file, no network, an unsafe archive.
    """
    content = _mirrored(file) or _cached(file, cache)
    return content if file.member is None else _member(file, content)


def _mirrored(file: RemoteFile) -> bytes | None:
    """The file from the mirror: the one of that name, else any file of that size and hash."""
    named = os.environ.get(MIRROR)
    if not named:
        return None
    mirror = Path(named)
    if not mirror.is_dir():
        raise UserError(
            f"{MIRROR}={named} is no folder. Name a folder that holds the files, or unset it to"
            " download them."
        )
    own = mirror / file.name
    if own.is_file():
        content = own.read_bytes()
        _check(file, content, str(own))
        return content
    same_size = (p for p in sorted(mirror.rglob("*")) if _size(p) == file.bytes)
    contents = (p.read_bytes() for p in same_size)
    return next((c for c in contents if _sha256(c) == file.sha256), None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _cached(file: RemoteFile, cache: Path) -> bytes:
    fetched = cache / file.sha256
    if fetched.is_file() and _sha256(fetched.read_bytes()) != file.sha256:
        fetched.unlink()  # damaged since; fetched anew
    if not fetched.is_file():
        _download(file, cache)
    return fetched.read_bytes()


def _download(file: RemoteFile, cache: Path) -> None:
    """Fetch with progress and retries; pooch writes to a temporary name and renames."""
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
            kernel = e.__cause__ if isinstance(e.__cause__, OSError) else e  # pooch wraps some
            raise UserError(
                f"cannot write to {cache}: {kernel.strerror or e}. Free some space or choose a writable folder;"
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
    """Pooch's downloader: stream to its temporary file and check before it may be renamed."""
    fetched = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT_SECONDS)
    with Path(output_file).open("wb") as out:
        fetched(url, _Bounded(out, file, url), store)
    _check(file, Path(output_file).read_bytes(), url)


class _Bounded:
    """A file that takes little more than was pinned, so that no server fills the disk."""

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


def _member(file: RemoteFile, content: bytes) -> bytes:
    """One member of a zip or tar archive, read in memory; nothing is unpacked to disk."""
    assert file.member is not None
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as packed:
                return _from_zip(file, packed)
        with tarfile.open(fileobj=io.BytesIO(content)) as packed_tar:
            return _from_tar(file, packed_tar)
    except KeyError as e:
        raise UserError(f"{file.name} holds no file named {file.member}") from e
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        OSError,
        ValueError,
        IndexError,
        OverflowError,
        struct.error,
    ) as e:  # encrypted, cut off, of another kind, with places that are none
        why = " ".join(str(e).split())
        raise UserError(f"{file.name} is no zip or tar archive that can be read: {why}") from e


def _from_zip(file: RemoteFile, packed: zipfile.ZipFile) -> bytes:
    total = 0
    for info in packed.infolist():
        total += info.file_size
        _check_member(file, info.filename, total)
    wanted = packed.getinfo(str(file.member))
    memory.require(f"{file.name}, unpacked,", wanted.file_size)
    with packed.open(wanted) as member:
        return member.read(wanted.file_size + 1)  # a size that lies is an error of zipfile


def _from_tar(file: RemoteFile, packed: tarfile.TarFile) -> bytes:
    """Members are judged by their heads, one after the other: what is too large is not unpacked."""
    wanted, total = None, 0
    for info in packed:
        total += info.size
        _check_member(file, info.name, total)
        if not (info.isreg() or info.isdir()):
            raise UserError(
                f"{file.name} holds {info.name!r}, which is a link or a device; such an archive is not"
                " read"
            )
        if info.name == file.member and info.isreg():
            wanted = info
    if wanted is None:
        raise KeyError(file.member)
    memory.require(f"{file.name}, unpacked,", wanted.size)
    member = packed.extractfile(wanted)
    assert member is not None  # a regular file
    return member.read()


def _check_member(file: RemoteFile, name: str, total: int) -> None:
    """Whether a member lies inside of the archive, and all up to it (total bytes) are not too large."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        raise UserError(
            f"{file.name} holds a path outside of the archive ({name!r}); such an archive is not read"
        )
    if total > LARGEST_UNPACKED:
        raise UserError(
            f"{file.name} would unpack to more than {LARGEST_UNPACKED / 2**30:g} GiB; such an archive is"
            " not read. Unpack it by hand and name its file."
        )
