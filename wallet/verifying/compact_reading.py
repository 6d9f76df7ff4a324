"""The compact code of a licence (`KBL1:`, a signed CWT in a QR code or on paper) before the checks. Pure.

It brings no certificate: its signer is named by department and key id, so whoever reads it must know the department's certificates. It binds no
holder and proves nobody's presence, and is fresh only for a time.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from typing import Any

from keys import cose, suites
from wallet.issuing import compact_text, copy_marks, sd_jwt
from wallet.issuing.copy_marks import Marking
from wallet.verifying import chains
from wallet.verifying.presentations import Presentation

ChainsOf = Callable[[str, bytes], Iterable[list[str]]]
ALWAYS = frozenset({"licence_identifier", "licence_valid_from", "licence_valid_until"})


def is_compact(unverified: str) -> bool:
    """Tell whether a text is meant as such a code."""
    return unverified.startswith(compact_text.PREFIX)


class CompactPresentation(Presentation):
    """A compact code. `chains_of` knows the certificates that a department has, by its code and a key's short id."""

    def __init__(self, unverified: str, *, chains_of: ChainsOf) -> None:
        self.unverified, self.chains_of = unverified, chains_of

    @cached_property
    def message(self) -> cose.Sign1:
        """The signed message, unpacked within bounds."""
        return compact_text.open_message(self.unverified)

    @cached_property
    def told(self) -> compact_text.Read:
        """What the message says."""
        return compact_text.told(self.message)

    def check_form(self) -> None:
        """Unpack it."""
        if self.told.fields.keys() & {"iss", "vct", "iat", "nbf", "exp", "cnf", "status"}:
            raise sd_jwt.MalformedSdJwt("a field has a registered name")

    @cached_property
    def chain(self) -> list[str]:
        """The certificates of the department's key that it names; of several with the same short id, the one that signed."""
        kid = self.message.protected.get(cose.KEY_ID)
        known = list(self.chains_of(self.told.department, kid)) if isinstance(kid, bytes) else []
        if not known:
            raise compact_text.NotCompact("no certificate is known")
        return next((one for one in known if self._is_by(one)), known[0])

    def is_signed(self, key: suites.PublicKey) -> bool:
        """Whether the key signed the message."""
        cose.verify1(self.message, key)
        return True

    @property
    def type(self) -> str | None:
        """The address of the type, as the issuer's house has it."""
        return f"{self._issuer.rpartition('/departments/')[0]}/types/{self.told.type}"

    @cached_property
    def payload(self) -> dict[str, Any]:
        """What was signed, but the fields."""
        status = {"status": self.told.status} if self.told.status else {}
        identifier = {"licence_identifier": one} if isinstance(one := self.told.fields.get("licence_identifier"), str) else {}
        times = {"iat": self.told.issued_at.timestamp(), "exp": self.told.fresh_until.timestamp()}
        return {"iss": self._issuer, "vct": self.type, **times, **status, **identifier}

    @cached_property
    def claims(self) -> dict[str, Any]:
        """What was signed."""
        return {**self.told.fields, **self.payload}

    @property
    def is_marked(self) -> bool:
        """Whether a claim marks a copy, rightly or not."""
        with suppress(ValueError):
            return self.told.marked is not None
        return False

    @property
    def marking(self) -> Marking | None:
        """What its claim says of a marked copy."""
        return copy_marks.of_compact(self.told.marked)

    @property
    def disclosed(self) -> tuple[str, ...]:
        """Its fields."""
        return tuple(name for name in self.told.fields if name not in ALWAYS)

    @property
    def _issuer(self) -> str:
        """The address of the department in its certificate; one that names another department is nobody's here."""
        uris = chains.read_leaf(self.chain[0]).uris
        return next((one for one in sorted(uris) if one.endswith(f"/departments/{self.told.department}")), "")

    def _is_by(self, chain: list[str]) -> bool:
        try:
            cose.verify1(self.message, chains.read_leaf(chain[0]).key)
        except ValueError:
            return False
        return True
