"""What a token is good for: which licence a wallet may have now, later, or never (OpenID4VCI 1.0 sections 8.2 and 8.3).

The token says whose, and of which configurations; the register says what there is this moment. Somebody who acts for another is looked at
afresh, for a mandate may have ended, or not reach so far.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from idp.oauth import resources
from idp.oauth.access_tokens import AccessToken, InvalidToken, check_not_cut
from idp.oauth.callers import InsufficientScope, Shown
from idp.subjects import appointments, mandates
from idp.subjects.directory import Subject
from idp.subjects.mandates import NoMandate
from idp.subjects.records import ACTIVE
from runtime.present import extension
from wallet.issuing import pending
from wallet.issuing.credential_details import CONFIGURATION, IDENTIFIERS, OPENID_CREDENTIAL
from wallet.issuing.oid4vci import identifiers
from wallet.issuing.oid4vci.configurations import Configuration, find_configuration
from wallet.issuing.oid4vci.errors import (
    CredentialRequestDenied,
    InvalidCredentialRequest,
    UnknownCredentialConfiguration,
    UnknownCredentialIdentifier,
)
from wallet.issuing.oid4vci.issuing import NotReady
from wallet.register.licences import Licence, LicenceState, held_by


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: the form, and by which identifier of the token."""

    configuration: Configuration
    identifier: str


def read(token: AccessToken, *, identifier: str | None, configuration_id: str | None) -> Asked:
    """Return what is asked for, within what the token is for.

    Raises InvalidCredentialRequest where not just one of the two is named, UnknownCredentialIdentifier, UnknownCredentialConfiguration, and
    InsufficientScope for a configuration that there is but that was not allowed.
    """
    if (identifier is None) == (configuration_id is None):
        raise InvalidCredentialRequest("Name exactly one of credential_identifier and credential_configuration_id.")
    details = [one for one in token.terms.authorization_details if one.get("type") == OPENID_CREDENTIAL]
    if identifier is not None:
        named = next((one[CONFIGURATION] for one in details if identifier in one.get(IDENTIFIERS, ())), None)
        configuration = find_configuration(named) if named is not None else None
        if configuration is None:
            raise UnknownCredentialIdentifier()
        return Asked(configuration, identifier)
    configuration = find_configuration(configuration_id or "")
    if configuration is None:
        raise UnknownCredentialConfiguration()
    return Asked(configuration, detail_for(token, configuration)[IDENTIFIERS][0])


def claims_for(token: AccessToken, configuration: Configuration) -> frozenset[str] | None:
    """Return the names of the fields that were allowed, None for all (appendix B.1); raises InsufficientScope."""
    claims = detail_for(token, configuration).get("claims")
    return frozenset(one["path"][-1] for one in claims) if claims is not None else None


def detail_for(token: AccessToken, configuration: Configuration) -> Mapping[str, Any]:
    """Return the detail by which a token is for a configuration; raises InsufficientScope if it is not (RFC 6750 section 3.1)."""
    for one in token.terms.authorization_details:
        if one.get("type") == OPENID_CREDENTIAL and one[CONFIGURATION] == configuration.id:
            return one
    scheme = token.binding.token_type if token.binding is not None else "Bearer"
    shown = Shown(scheme, "", resources.credential_issuer(extension("kabao_settings")))
    raise InsufficientScope("another configuration", headers=shown.challenge("insufficient_scope", f', scope="{configuration.scope}"'))


def find_issuer(session: Session, asked: Asked, token: AccessToken) -> str | None:
    """Return the department whose licence is asked for, without a lock and with nothing checked: to know whose keys will be wanted."""
    licence_id, type_code = identifiers.licence_of(asked.identifier, asked.configuration), asked.configuration.licence_type.code
    assert token.holder_id is not None
    of_type = Licence.type_code == type_code
    mine = select(Licence.issuer_code).where(held_by(token.holder_id, of_type), of_type)
    mine = mine.where(Licence.id == licence_id) if licence_id is not None else mine.order_by(Licence.id.desc())
    return session.scalar(mine.limit(1))


def find_licence(session: Session, asked: Asked, token: AccessToken, *, now: datetime) -> Licence:
    """Return the licence, its row locked until the transaction ends; raises NotReady and CredentialRequestDenied.

    Where none is named, one that waits for its second officer is waited for, unless the holder has another.
    """
    holder_id, type_code = token.holder_id, asked.configuration.licence_type.code
    assert holder_id is not None
    _check_mandate(session, token, type_code, now=now)
    licence_id = identifiers.licence_of(asked.identifier, asked.configuration)
    of_type = Licence.type_code == type_code
    mine = select(Licence).where(held_by(holder_id, of_type), of_type)
    if licence_id is not None:
        licence = session.scalars(mine.where(Licence.id == licence_id).with_for_update()).one_or_none()
    else:
        present = mine.where(Licence.state.in_(identifiers.PRESENT)).order_by(Licence.id.desc())
        licence = session.scalars(present.limit(1).with_for_update()).one_or_none()
    try:
        found = _in_force(session, licence, holder_id, now=now)
    except CredentialRequestDenied:
        if licence_id is None and pending.is_awaited(session, holder_id=holder_id, type_code=type_code, now=now):
            raise NotReady from None
        raise
    _check_not_taken_back(session, token)
    return found


def _check_not_taken_back(session: Session, token: AccessToken) -> None:
    """Check, once the licence is held, as whoever takes it back holds it, too, that what was allowed stands."""
    try:
        check_not_cut(session, token)
    except InvalidToken as error:
        raise CredentialRequestDenied("What the wallet was allowed was taken back.") from error


def _in_force(session: Session, licence: Licence | None, holder_id: UUID, *, now: datetime) -> Licence:
    if licence is None:
        raise CredentialRequestDenied("The holder has no licence of this kind.")
    if session.scalar(select(Subject.state).where(Subject.id == holder_id)) != ACTIVE:  # asked once the licence is held: who ends them holds it, too
        raise CredentialRequestDenied("The holder is no more.")
    _check_state(licence, now=now)
    return licence


def _check_state(licence: Licence, *, now: datetime) -> None:
    state = licence.state_at(now)
    if state is LicenceState.NOT_YET_VALID:
        raise NotReady
    if state is LicenceState.SUSPENDED:
        raise CredentialRequestDenied("The licence is suspended.")
    if state is not LicenceState.VALID:
        raise CredentialRequestDenied("The licence is not in force.")


def _check_mandate(session: Session, token: AccessToken, type_code: str, *, now: datetime) -> None:
    if token.acting_person is None or token.holder_id is None:
        return
    appointments.lock(session, token.holder_id, shared=True)  # whoever ends the mandate waits, and finds what is issued here
    try:
        mandate = mandates.check_mandate(session, person_id=token.acting_person, organisation_id=token.holder_id, now=now)
    except NoMandate as error:
        raise CredentialRequestDenied("The person may act for the holder no longer.") from error
    if mandate.right.types is not None and type_code not in mandate.right.types:
        raise CredentialRequestDenied("The mandate does not reach to licences of this kind.")
