"""User codes: eight letters that a person reads on one screen and types on another (RFC 8628 section 6.1). Pure.

Twenty consonants, so that no word comes of them and none is taken for another; that makes 34 bits, and the throttle the rest.
"""

import re
import secrets
import unicodedata

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LETTERS = 8
LONGEST = 40
APART = re.compile(r"[\s\-‐-―－_.·]")
WHOLE = re.compile(f"[{ALPHABET}]{{{LETTERS}}}")


def new_code() -> str:
    """Return a fresh code, as it is shown."""
    return shown("".join(secrets.choice(ALPHABET) for _ in range(LETTERS)))


def shown(letters: str) -> str:
    """Return a code in two groups."""
    return f"{letters[:4]}-{letters[4:]}"


def read(unverified: str) -> str | None:
    """Return the code that somebody typed, whatever its case, width, spaces and dashes, or None if it can be none."""
    letters = APART.sub("", unicodedata.normalize("NFKC", unverified[:LONGEST])).upper()
    return shown(letters) if WHOLE.fullmatch(letters) else None
