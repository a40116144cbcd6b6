"""What disks and crashes do to files."""

from pathlib import Path


def chop(path: Path, share: float = 0.5) -> None:
    """The file ends early."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def flip(path: Path, share: float = 0.5, bit: int = 3) -> None:
    """One bit of the file is another, this far into it."""
    content = path.read_bytes()
    path.write_bytes(flipped(content, min(len(content) - 1, int(len(content) * share)), bit))


def flipped(content: bytes, at: int, bit: int) -> bytes:
    """The content with one bit of one byte changed."""
    changed = bytearray(content)
    changed[at] ^= 1 << bit
    return bytes(changed)
