"""Base64url without padding (RFC 7515 section 2), read strictly, and written. Pure."""

import binascii

LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WRITTEN = bytes.maketrans(b"+/", b"-_")
READ = bytes(code if code in LETTERS else 0 for code in range(256)).translate(bytes.maketrans(b"-_", b"+/"))  # 0 is a letter of neither alphabet
PADDING = (b"", b"===", b"==", b"=")


def read(unverified: str) -> bytes:
    """Return the bytes that a text stands for; raises ValueError for any other letter, padding included, and for a length that cannot be."""
    raw = unverified.encode().translate(READ)
    return binascii.a2b_base64(raw + PADDING[len(raw) % 4], strict_mode=True)


def write(raw: bytes) -> str:
    """Return the text that stands for some bytes."""
    return binascii.b2a_base64(raw, newline=False).translate(WRITTEN, b"=").decode()
