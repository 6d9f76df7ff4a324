"""What is shown, whatever its form: the one shape in which every format stands before the checks. Pure.

A reader takes one format apart and says what that format can prove; it judges nothing. Each member is read when a check first looks at it, and
raises ValueError for what cannot be read, which fails that check. Claims have the names of an SD-JWT VC (`iss`, `vct`, `iat`, `nbf`, `exp`,
`status`, `licence_identifier`), so that the checks, and whoever keeps the status, need to know one vocabulary.
"""

import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeGuard

from keys import suites
from runtime import base64url
from wallet.issuing import sd_jwt
from wallet.issuing.copy_marks import Marking

LONGEST_KEPT = 8 * 1024


class Presentation(ABC):
    """One thing shown. `unproven` names the checks that its form gives nothing to decide by; a signed form has none."""

    unproven: frozenset[str] = frozenset()
    format: str = ""

    @abstractmethod
    def check_form(self) -> None:
        """Read what there is to read; raises ValueError if that cannot be, or if something must be understood that is not."""

    @property
    @abstractmethod
    def chain(self) -> list[str]:
        """The issuer's certificates as `x5c` carries them, the leaf first; at least one."""

    @property
    def further_chains(self) -> tuple[list[str], ...]:
        """The certificates of others who signed around it and must be the same issuer, such as who sealed the document."""
        return ()

    @abstractmethod
    def is_signed(self, key: suites.PublicKey) -> bool:
        """Whether the key made every signature of the issuer's, by its own algorithm."""

    @property
    @abstractmethod
    def type(self) -> str | None:
        """The type of licence: a `vct`, or the name of a mobile document. None if it says that it is something else than a credential."""

    @property
    @abstractmethod
    def payload(self) -> dict[str, Any]:
        """What the issuer signed in the open."""

    @property
    @abstractmethod
    def claims(self) -> dict[str, Any]:
        """The payload with what was disclosed in its place; raises ValueError for a disclosure that does not belong."""

    @property
    @abstractmethod
    def disclosed(self) -> tuple[str, ...]:
        """The names of the fields that are seen, once `claims` was read."""

    @property
    def names_issuer(self) -> bool:
        """Whether it, or its certificate, has a name for who issued it. Where neither has, whoever vouches for the certificate may name it."""
        return True

    @property
    def names_status(self) -> bool:
        """Whether the issuer says that somebody keeps its status, in whichever way, be it one that cannot be read."""
        return "status" in self.payload

    @property
    def types(self) -> frozenset[str]:
        """All that it says it is."""
        return frozenset() if self.type is None else frozenset({self.type})

    @property
    def queried(self) -> Mapping[str, Any]:
        """What the paths of a query point into; raises ValueError as `claims` does."""
        return self.claims

    @property
    def is_marked(self) -> bool:
        """Whether it says that it is a copy that was made for one purpose; False of what cannot be read."""
        return False

    @property
    def marking(self) -> Marking | None:
        """What it says of that, or None; raises ValueError if that cannot be read."""
        return None

    @property
    def is_bound(self) -> bool:
        """Whether a holder's proof came along."""
        return False

    @property
    def occasion(self) -> str | None:
        """The member that a request lacks, beside a holder's proof, if it does not say for which occasion it was made: `nonce`, `session_transcript`.

        None where there is no proof, or the form of the request sees to it. Never raises.
        """
        return None

    @property
    def is_bound_by_mac(self) -> bool:
        """Whether the holder's proof is one that only who shares a key with the holder could check."""
        return False

    def is_bound_rightly(self) -> bool:
        """Whether the key that the issuer named signed over just this."""
        return False

    def is_made_between(self, oldest: float, newest: float) -> bool:
        """Whether the holder's proof says that it was made in that time."""
        return False

    def is_over(self, present: float) -> bool:
        """Whether the holder's proof says of itself that its time is past, or to come; False of a form that never says so."""
        return False

    def is_for(self, audience: str | None) -> bool:
        """Whether the holder's proof was made for an audience; never for None."""
        return False

    def is_of(self, nonce: str | None) -> bool:
        """Whether the holder's proof was made for an occasion; never for None."""
        return False

    def confirms(self, acts: Sequence[str]) -> bool:
        """Whether the holder's proof is over just these acts, given as they were sent; a form that cannot say so never is."""
        return False


def read_object(compact: str, part: int) -> dict[str, Any]:
    """Return a part of a compact JWS, which must be an object; raises ValueError."""
    parts = compact.split(".")
    content = sd_jwt.read_json(parts[part]) if part < len(parts) else None
    if not isinstance(content, dict):
        raise sd_jwt.MalformedSdJwt("a part is not an object")
    return content


def read_header(compact: str) -> dict[str, Any]:
    """Return the header of a compact JWS, which nobody changes; an issuer's is the same on all that it signs, and read once. Raises ValueError."""
    encoded = compact.partition(".")[0]
    return _read_header(encoded) if len(encoded) <= LONGEST_KEPT else read_object(compact, 0)


@lru_cache(maxsize=256)
def _read_header(encoded: str) -> dict[str, Any]:
    return read_object(encoded, 0)


def chain_of(header: dict[str, Any]) -> list[str]:
    """Return the certificates of a header; raises ValueError."""
    chain = header.get("x5c")
    if not isinstance(chain, list) or not chain or not all(isinstance(one, str) for one in chain):
        raise ValueError("no chain of certificates")
    return chain


def is_signed(compact: str, header: dict[str, Any], key: suites.PublicKey) -> bool:
    """Tell whether a compact JWS, whose header was read, was signed with the key by that key's own algorithm, of Ed25519 by either of its names."""
    suite, alg = suites.suite_of(key), header.get("alg")
    if alg != suite.name and not (suite is suites.EDDSA and alg == suites.ED25519.name):
        return False
    signed, _, encoded = compact.rpartition(".")
    try:
        raw = base64url.read(encoded)
    except ValueError:
        return False
    return suites.verify(key, signed.encode(), raw, suite=suite.name)


def is_time(value: Any) -> TypeGuard[float]:
    """Whether a value is a number, as times are."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_same(unverified: Any, expected: str | None) -> bool:
    """Whether a text is the one expected, told without saying where they part; nothing is the same as None."""
    return expected is not None and isinstance(unverified, str) and hmac.compare_digest(unverified.encode(), expected.encode())
