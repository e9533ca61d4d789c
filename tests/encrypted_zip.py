"""Writes an archive encrypted as in PKWARE's APPNOTE 6.1, which `zipfile` reads and can't write."""

import struct
import zlib
from pathlib import Path


def _crc(old: int, byte: int) -> int:
    """One step of CRC-32 without its inversions."""
    value = old ^ byte
    for _ in range(8):
        value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


class _Cipher:
    def __init__(self, password: bytes) -> None:
        self.keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self._update(byte)

    def _update(self, byte: int) -> None:
        a, b, c = self.keys
        a = _crc(a, byte)
        b = ((b + (a & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        self.keys = [a, b, _crc(c, b >> 24)]

    def encrypt(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            mixed = (self.keys[2] & 0xFFFF) | 2
            out.append(byte ^ ((mixed * (mixed ^ 1)) >> 8 & 0xFF))
            self._update(byte)
        return bytes(out)


def write_encrypted_zip(path: Path, files: dict[str, bytes], password: str) -> Path:
    """Write files by name, uncompressed, each encrypted under the password."""
    body, directory = bytearray(), bytearray()
    for name, data in files.items():
        check = zlib.crc32(data)
        header = bytes(11) + bytes([check >> 24])  # its last byte tells a right password
        held = _Cipher(password.encode()).encrypt(header + data)
        plain = name.encode()
        fields = struct.pack(
            "<HHHHHIIIHH", 20, 1, 0, 0, 0x21, check, len(held), len(data), len(plain), 0
        )
        directory += b"PK\1\2" + struct.pack("<H", 20) + fields
        directory += struct.pack("<HHHII", 0, 0, 0, 0, len(body)) + plain
        body += b"PK\3\4" + fields + plain + held
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    path.write_bytes(bytes(body) + bytes(directory) + b"PK\5\6" + end)
    return path
