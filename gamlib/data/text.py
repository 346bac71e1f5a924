"""Text files of the data sets: what cannot be read is an error that names the file and the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark; ValueError for another encoding."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, byte = error.object[: error.start], error.object[error.start]
        line = before.count(b"\n") + 1
        raise ValueError(f"'{path}', line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None


def read_words(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each line that is not blank: where it is, for errors, and its words."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip():
            yield f"'{path}', line {number}", line.split()


def read_csv(path: Path, header: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Each row below the header that is not blank: where it is, for errors, and its fields.

    header: the names that the first row must begin with. ValueError for another first row or broken quotes.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        first = [field.strip() for field in next(reader, [])]
        if first[: len(header)] != list(header):
            raise ValueError(f"'{path}', line 1: '{','.join(first)[:80]}', expected the header {','.join(header)},...")
        for fields in reader:
            if any(field.strip() for field in fields):
                yield f"'{path}', line {reader.line_num}", fields
    except csv.Error as error:
        raise ValueError(f"'{path}', line {reader.line_num}: not valid CSV ({error})") from None
