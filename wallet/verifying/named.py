"""A licence that is only named: by its identifier, and by its number or its holder's, as both stand on paper.

Nothing is signed, so that most checks have nothing to go by; the register alone says whether there is such a licence and how it stands. Whoever
does not know both is told that it is unknown, which of the two was wrong included.
"""

import hmac
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.subjects.directory import Subject, get_subject, number_of
from idp.subjects.numbers import written_plainly
from idp.subjects.records import ACTIVE
from keys import certificates, suites
from runtime.settings import Settings
from wallet.issuing.contents import type_uri
from wallet.register.catalogue import LicenceTypeNotFound, get_type
from wallet.register.due import said_of
from wallet.register.identifiers import MalformedIdentifier, parse_identifier
from wallet.register.licences import Licence, find_by_identifier, holder_ids_of, licence_number_of, type_of
from wallet.verifying.checks import HOLDER_ENDED, IN_FORCE, NotRegistered
from wallet.verifying.presentations import Presentation

RECALLED = "kabao_recalled_licences"


@dataclass(frozen=True, slots=True)
class Named:
    """What was said."""

    identifier: str
    number: str = field(repr=False)


class NamedLicence(Presentation):
    """A licence that was named: found in the register, or not."""

    unproven = frozenset({"signature", "issuer", "disclosures", "validity", "holder_binding", "audience", "nonce"})

    def __init__(self, session: Session, settings: Settings, named: Named, *, now: datetime) -> None:
        self.session, self.settings, self.named, self.now = session, settings, named, now
        found = find(session, named)
        self.licence = found[0] if found is not None else None
        self.holder = found[1] if found is not None else None

    def check_form(self) -> None:
        """Two texts are always of a form."""

    @property
    def chain(self) -> list[str]:
        """There is none."""
        raise ValueError("nothing is signed")

    def is_signed(self, key: suites.PublicKey) -> bool:
        """Nothing is signed."""
        return False

    @property
    def type(self) -> str | None:
        """The type of the licence, or no type in particular."""
        return type_uri(self.settings, type_of(self.licence)) if self.licence else ""

    @property
    def payload(self) -> dict[str, Any]:
        """What the register says of it."""
        if self.licence is None:
            return {"status": {}}
        issuer = certificates.department_uri(self.settings, self.licence.issuer_code)
        return {"iss": issuer, "vct": self.type, "licence_identifier": self.licence.identifier, "status": {}}

    @property
    def claims(self) -> dict[str, Any]:
        """The same: no field is told."""
        return self.payload

    @property
    def disclosed(self) -> tuple[str, ...]:
        """No field."""
        return ()

    def status_of(self, claims: Mapping[str, Any]) -> str:
        """Return the state now; raises NotRegistered."""
        if self.licence is None or self.holder is None:
            raise NotRegistered
        state = self.licence.state_at(self.now).value
        return HOLDER_ENDED if state == IN_FORCE and self.holder.state != ACTIVE else state


def recall(session: Session, all_named: Collection[Named]) -> None:
    """Read the licences that are named, and who holds them, in one query: `find` has them at hand as long as this session lasts."""
    asked = {named.identifier for named in all_named}
    held = select(Licence, Subject).join(Subject, Subject.id == Licence.holder_id).where(Licence.identifier.in_(asked))
    rows = {licence.identifier: (licence, holder) for licence, holder in session.execute(held)} if asked else {}
    session.info[RECALLED] = {identifier: rows.get(identifier, (None, None)) for identifier in asked}


def types_of(session: Session, named: Named) -> set[str]:
    """Return the codes of the types that an identifier is of, by its own letters and by the register, whoever's the number."""
    licence = _with_identifier(session, named.identifier)
    codes = {licence.type_code} if licence else set()
    with suppress(MalformedIdentifier, LicenceTypeNotFound):
        codes.add(get_type(parse_identifier(named.identifier).type_code).code)
    return codes


def find(session: Session, named: Named) -> tuple[Licence, Subject] | None:
    """Return the licence that has both the identifier and the number, and the one of its holders whose number that is.

    Where it is the licence's own, that is the first of them who is still there.
    """
    licence = _with_identifier(session, named.identifier)
    if licence is None:
        return None
    given = written_plainly(named.number).encode()
    holders = [get_subject(session, one) for one in holder_ids_of(session, licence)]
    theirs = [one for one in holders if _is_one_of(given, number_of(one).value, said_of(session, licence, one)[1].value)]
    if _is_one_of(given, licence_number_of(licence)):
        theirs += [*(one for one in holders if one.state == ACTIVE), holders[0]]
    return (licence, theirs[0]) if theirs else None


def _is_one_of(given: bytes, *known: str) -> bool:
    same = [hmac.compare_digest(given, written_plainly(one).encode()) for one in known]
    return any(same)


def _with_identifier(session: Session, identifier: str) -> Licence | None:
    recalled: Mapping[str, tuple[Licence | None, Subject | None]] = session.info.get(RECALLED, {})
    if identifier in recalled:
        return recalled[identifier][0]
    return find_by_identifier(session, identifier)
