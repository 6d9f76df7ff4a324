"""How sure we are: how well a person is known (`ial`), and how strong a sign-in was (`aal`). Pure.

Two things, so two numbers, and two claims. Only `acr`, where OpenID Connect has room for one value alone, says both.
Levels as DESIGN names them: L1 nothing but the number's form was looked at, L2 matched with the registry, L3 proven in person.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from runtime.languages import Text

FORMAT_ONLY, MATCHED, IN_PERSON = 1, 2, 3
ONE_FACTOR, TWO_FACTORS = 1, 2
IALS, AALS = (FORMAT_ONLY, MATCHED, IN_PERSON), (ONE_FACTOR, TWO_FACTORS)
NAMES = {
    FORMAT_ONLY: Text("一级：仅核对号码格式", "Level 1: the number is well-formed, nothing more"),
    MATCHED: Text("二级：已与登记库核对", "Level 2: matched with the registry"),
    IN_PERSON: Text("三级：已当面核实本人", "Level 3: proven in person"),
}
KNOWN, POSSESSED, VERIFIED_BY_USER = {"pwd", "pin"}, {"otp", "sms", "hwk", "swk", "sc"}, {"hwk", "swk"}
ACR = re.compile(r"urn:kabao:acr:ial([1-3]):aal([12])")
SHORT = re.compile(r"(?:ial([1-3]))?(?:aal([12]))?")


@dataclass(frozen=True, slots=True)
class Level:
    """How well someone is known, and how strongly they signed in; as a demand, each is the least that will do."""

    ial: int = FORMAT_ONLY
    aal: int = ONE_FACTOR

    def covers(self, demand: "Level") -> bool:
        """Whether this is at least what is demanded, in both."""
        return self.ial >= demand.ial and self.aal >= demand.aal

    def and_also(self, other: "Level") -> "Level":
        """Return the demand that asks for both."""
        return Level(max(self.ial, other.ial), max(self.aal, other.aal))

    def as_json(self) -> dict[str, int]:
        """Return it as a registration keeps it."""
        return {"ial": self.ial, "aal": self.aal}


LEAST = Level()


def aal_of(amr: Collection[str]) -> int:
    """Return how strong a sign-in was, by its methods (RFC 8176): 2 for two kinds of factor, or a key that verified its user.

    A code by mail is no factor by itself, since a mailbox is often open in the very browser; whoever lets it count says `mfa`.
    """
    methods = set(amr)
    if "mfa" in methods or (methods & VERIFIED_BY_USER and "user" in methods):
        return TWO_FACTORS
    return TWO_FACTORS if methods & KNOWN and methods & POSSESSED else ONE_FACTOR


def acr_of(ial: int, aal: int) -> str:
    """Return the `acr` value of two levels."""
    return f"urn:kabao:acr:ial{ial}:aal{aal}"


ACRS = tuple(acr_of(ial, aal) for ial in IALS for aal in AALS)


def read_acr(unverified: str) -> Level | None:
    """Return the levels that an `acr` value says, or None for a value that is not ours."""
    found = ACR.fullmatch(unverified)
    return Level(int(found[1]), int(found[2])) if found else None


def read_level(unverified: str) -> Level | None:
    """Return the demand that an operator writes, such as `ial2`, `aal2` or `ial3aal2`; None for anything else."""
    found = SHORT.fullmatch(unverified)
    if not found or not unverified:
        return None
    return Level(int(found[1] or FORMAT_ONLY), int(found[2] or ONE_FACTOR))


def together(demands: Iterable[Level]) -> Level:
    """Return the demand that asks for all of several."""
    whole = LEAST
    for demand in demands:
        whole = whole.and_also(demand)
    return whole
