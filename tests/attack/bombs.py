"""Few bytes that unpack to many."""

from __future__ import annotations

import zlib

MIB = 2**20


def gzip_bomb(mib: int, begin: bytes = b"", line: bytes = b"0,0,yes\n") -> bytes:
    """A gzip stream of `begin` and then `mib` MiB of `line`, packed piece by piece."""
    packer = zlib.compressobj(9, wbits=31)
    piece = line * (MIB // len(line))
    return b"".join([packer.compress(begin), *(packer.compress(piece) for _ in range(mib)), packer.flush()])
