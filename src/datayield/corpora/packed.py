"""Opens files of texts as bytes, whether they are plain or packed by gzip or zip."""

import gzip
import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from datayield.core.errors import UserError

PACKED = (".gz", ".zip")
LARGEST = 2**35  # bytes of an unpacked file: 32 GiB
_DAMAGED = (
    zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error, zipfile.BadZipFile,
    gzip.BadGzipFile, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What the standard library raises for a damaged archive; RuntimeError: a member with a password."""


def content_name(path: Path) -> Path:
    """Return the name of the file that is packed in a file, or the file's own name.

    Raises:
        UserError: a zip archive cannot be read, or holds several files or none.
    """
    ending = path.suffix.lower()
    if ending == ".gz":
        return path.with_suffix("")
    if ending == ".zip" and path.exists():
        with _archive(path) as archive:
            return Path(_member(path, archive).filename)
    return path


def outer_name(path: Path) -> Path:
    """Return the name of the packed file as far as the name of the outer one says it: a.csv for a.csv.zip."""
    return path.with_suffix("") if is_packed(path) else path


def is_packed(path: Path) -> bool:
    """Return whether a file's ending says that it is packed."""
    return path.suffix.lower() in PACKED


def open_binary(path: Path) -> BinaryIO:
    """Open the content of a file; the caller closes it.

    Raises:
        OSError: the file is missing or cannot be read.
        UserError: it is not of the packed format that its ending says; while reading too.
    """
    ending = path.suffix.lower()
    if ending == ".gz":
        return io.BufferedReader(_Unpacked(path, gzip.open(path, "rb")))
    if ending == ".zip":
        archive = _archive(path)
        try:
            return io.BufferedReader(_Unpacked(path, archive.open(_member(path, archive)), archive))
        except _DAMAGED as e:
            archive.close()
            raise _unreadable(path, e) from e
        except BaseException:
            archive.close()
            raise
    return path.open("rb")


class _Unpacked(io.RawIOBase):
    """The content of a packed file, whose faults are told as errors of the file."""

    def __init__(self, path: Path, content: object, archive: zipfile.ZipFile | None = None) -> None:
        self._path, self._content, self._archive = path, content, archive
        self._read = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            piece = self._content.read(len(view))  # type: ignore[attr-defined]
        except _DAMAGED as e:
            raise _unreadable(self._path, e) from e
        self._read += len(piece)
        if self._read > LARGEST:
            raise UserError(
                f"{self._path}: more than {LARGEST / 2**30:.0f} GiB when unpacked; wanted a file of"
                " texts. Unpack it and divide it."
            )
        view[: len(piece)] = piece
        return len(piece)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._read = 0
        return int(self._content.seek(place, whence))  # type: ignore[attr-defined]

    def tell(self) -> int:
        return int(self._content.tell())  # type: ignore[attr-defined]

    def close(self) -> None:
        self._content.close()  # type: ignore[attr-defined]
        if self._archive is not None:
            self._archive.close()
        super().close()


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _DAMAGED as e:
        raise _unreadable(path, e) from e


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Return the only file of an archive; hidden ones (.DS_Store) and what else macOS adds do not count."""
    files = [f for f in archive.infolist() if not f.is_dir() and _is_shown(Path(f.filename))]
    if len(files) != 1:
        names = ", ".join(f.filename for f in files[:5])
        raise UserError(
            f"{path} holds {len(files)} files ({names}); wanted one. Unpack it and name the files."
        )
    return files[0]


def _is_shown(name: Path) -> bool:
    return "__MACOSX" not in name.parts and not name.name.startswith(".")


def _unreadable(path: Path, error: Exception) -> UserError:
    why = " ".join(str(error).split())[:200]
    kind = "gzip" if path.suffix.lower() == ".gz" else "zip"
    return UserError(f"{path} cannot be unpacked as {kind}: {why}")
