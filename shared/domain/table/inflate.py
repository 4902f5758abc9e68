"""Gzip unpacked as it streams, within bounds: a small file can hold a very large one.

A file is gzip where its first bytes say so, whatever its name or its Content-Encoding.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from shared.domain.errors import InvalidTable

MAGIC = b"\x1f\x8b"
#: Bytes given out at a time.
PIECE = 1 << 18
#: Unpacked bytes taken for each packed one, once more than FREE bytes were unpacked. Tables reach 5 to 50.
MAX_RATIO = 200
FREE = 1 << 26
#: Unpacked bytes taken altogether.
MAX_UNPACKED = 1 << 34


def unpacked(source: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of `source`, unpacked where they are gzip. Raises InvalidTable for a broken or bloated archive."""
    chunks = iter(source)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(MAGIC):
            break
    if not head.startswith(MAGIC):
        if head:
            yield head
        yield from chunks
        return
    yield from _members(head, chunks)


def _members(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Every gzip member, one after another."""
    packed, out, data = len(head), 0, head
    engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
    while True:
        try:
            piece = engine.decompress(data, PIECE)
        except zlib.error as error:
            raise _broken(packed, _why(str(error))) from error
        out += len(piece)
        if out > MAX_UNPACKED or (out > FREE and out > MAX_RATIO * packed):
            raise _bloated(packed, out)
        if piece:
            yield piece
        data = engine.unused_data.lstrip(b"\0") if engine.eof else engine.unconsumed_tail
        if not data and (engine.eof or not piece):
            data = next(chunks, b"")
            packed += len(data)
            if engine.eof:
                data = data.lstrip(b"\0")  # padding between or behind members
            if not data:
                if engine.eof:
                    return
                raise _broken(packed, "it ends in the middle")
        if engine.eof:
            engine = zlib.decompressobj(16 + zlib.MAX_WBITS)


def _why(said: str) -> str:
    """What zlib says, in words."""
    if "header check" in said:
        return "something else than gzip stands there"
    if "data check" in said or "length check" in said:
        return "what it holds does not fit its check sum, so it was damaged on the way"
    return "it is damaged there"


def _broken(at: int, why: str) -> InvalidTable:
    return InvalidTable(
        f"The gzip archive can't be unpacked near byte {at:,}: {why}.",
        remedy="Pack the file again, or upload it whole or unpacked.",
        code="broken-archive",
        byte=at,
    )


def _bloated(packed: int, out: int) -> InvalidTable:
    return InvalidTable(
        f"The gzip archive unpacks to more than {out:,} bytes from {packed:,}; at most {MAX_RATIO} for one, and "
        f"{MAX_UNPACKED:,} altogether, are taken.",
        remedy="Upload the file unpacked.",
        code="archive-too-large",
    )
