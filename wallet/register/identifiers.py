"""Licence identifiers (证照标识), GB/T 36904-2018. Pure.

`1.2.156.3005.2` . type code (21) . issuer (18) . serial . version (3) . check character (ISO 7064 MOD 37,36 over the
fields, without the root and without the dots). Strict where one is made; lenient where one of another house is read, whose
issuer may be a division code and whose fields may have lengths of their own.
"""

import re
import secrets
from dataclasses import dataclass

from stdnum.iso7064 import mod_37_36

from idp.subjects import credit_codes

ROOT = "1.2.156.3005.2"
SERIAL_LENGTH = 20
SERIAL_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LIMIT = 128
TYPE_CODE = re.compile(r"([0-9A-Z]{18})([0-9]{3})")
SERIAL = re.compile(r"[0-9]{7,12}|[0-9A-Z]{20}|[0-9A-Z]{32}")
VERSION = re.compile(r"[0-9]{3}")
LENIENT_FIELD = re.compile(r"[0-9A-Z]{1,40}")


class MalformedIdentifier(ValueError):
    """The text is no licence identifier; the message says which part is wrong, and repeats none of it."""


@dataclass(frozen=True, slots=True)
class LicenceIdentifier:
    """An identifier's fields; `str()` gives its whole form."""

    type_code: str
    issuer_code: str
    serial: str
    version: str

    @property
    def check(self) -> str:
        """The check character."""
        return str(mod_37_36.calc_check_digit(self.type_code + self.issuer_code + self.serial + self.version))

    def __str__(self) -> str:
        return ".".join((ROOT, self.type_code, self.issuer_code, self.serial, self.version, self.check))


def make_identifier(type_code: str, issuer_code: str, serial: str, version: int = 1) -> LicenceIdentifier:
    """Return the identifier of a licence; raises MalformedIdentifier unless every field is just as the standard has it."""
    if not 0 < version < 1000:
        raise MalformedIdentifier("the version is not between 1 and 999")
    identifier = LicenceIdentifier(type_code, issuer_code, serial, f"{version:03d}")
    _check_strictly(identifier)
    return identifier


def new_serial() -> str:
    """Return a serial that cannot be guessed from another: 20 letters and digits, 103 bits."""
    number, letters = secrets.randbelow(len(SERIAL_ALPHABET) ** SERIAL_LENGTH), []
    for _ in range(SERIAL_LENGTH):
        number, place = divmod(number, len(SERIAL_ALPHABET))
        letters.append(SERIAL_ALPHABET[place])
    return "".join(letters)


def parse_identifier(unverified: str, *, strict: bool = False) -> LicenceIdentifier:
    """Read an identifier and check its check character.

    Unless `strict`, spaces around it, small letters and fields of unusual length are let pass. Raises MalformedIdentifier.
    """
    text = unverified if strict else unverified.strip().upper()
    if len(text) > LIMIT or not text.isascii():
        raise MalformedIdentifier("it is too long or holds other characters than letters, digits and dots")
    fields = text.removeprefix(ROOT + ".").split(".")
    if not text.startswith(ROOT + ".") or len(fields) != 5:
        raise MalformedIdentifier("it has not the root and five fields")
    identifier = LicenceIdentifier(*fields[:4])
    (_check_strictly if strict else _check_leniently)(identifier)
    if fields[4] != identifier.check:
        raise MalformedIdentifier("the check character does not fit")
    return identifier


def check_type_code(code: str) -> None:
    """Raise MalformedIdentifier unless a type code is its defining authority's credit code and three digits."""
    match = TYPE_CODE.fullmatch(code)
    if match is None or credit_codes.fault(match[1]) is not None:
        raise MalformedIdentifier("the type code is not a credit code and three digits")


def _check_strictly(identifier: LicenceIdentifier) -> None:
    check_type_code(identifier.type_code)
    if credit_codes.fault(identifier.issuer_code) is not None:
        raise MalformedIdentifier("the issuer is not a credit code")
    if not SERIAL.fullmatch(identifier.serial):
        raise MalformedIdentifier("the serial is not 7 to 12 digits, nor 20 or 32 letters and digits")
    if not VERSION.fullmatch(identifier.version):
        raise MalformedIdentifier("the version is not three digits")


def _check_leniently(identifier: LicenceIdentifier) -> None:
    for field in (identifier.type_code, identifier.issuer_code, identifier.serial, identifier.version):
        if not LENIENT_FIELD.fullmatch(field):
            raise MalformedIdentifier("a field is empty, too long or holds other characters than letters and digits")
