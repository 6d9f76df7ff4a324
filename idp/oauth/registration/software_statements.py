"""Software statements (RFC 7591 section 2.3): what someone whom the operator trusts says of a client's software, signed.

The issuers and their keys are registered by the operator; the algorithm is the key's, never the one that a header names. What a statement
says goes before what the client says itself.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
from authlib.oauth2.rfc7591.errors import InvalidSoftwareStatementError, UnapprovedSoftwareStatementError
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.key_sets import ClientKey, read_key_set
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.clients import ClientSchema

LEEWAY = timedelta(seconds=30)
LONGEST_ISSUER = 500
TYPES = ("jwt", "software-statement+jwt")
ASSERTED = frozenset(field.data_key or name for name, field in ClientSchema().fields.items()) - {"software_statement"}
OF_THE_TOKEN = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "software_statement"}


class IssuerRefused(Refusal):
    """An issuer of software statements cannot be registered so."""

    code, status, title = "issuer-refused", 422, Text("软件声明签发方的登记信息有误。", "The issuer of software statements is not acceptable.")


class StatementIssuer(Base):
    """Someone whose statements are believed."""

    __tablename__ = "statement_issuers"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    jwks: Mapped[dict[str, Any]]
    added_at: Mapped[datetime]


def trust(session: Session, issuer: str, *, jwks: dict[str, Any], now: datetime, actor: str = "operator") -> None:
    """Believe an issuer's statements from now on, by these keys alone; raises IssuerRefused."""
    if not issuer or len(issuer) > LONGEST_ISSUER or not issuer.isprintable():
        raise IssuerRefused("issuer: the `iss` of its statements, at most 500 characters", field="issuer")
    try:
        read_key_set(jwks)
    except ValueError as error:
        raise IssuerRefused(f"jwks: {error}", field="jwks") from error
    session.merge(StatementIssuer(issuer=issuer, jwks=jwks, added_at=now))
    ledger.record(session, "statement-issuer.trusted", actor=actor, object_id=issuer, now=now)


def distrust(session: Session, issuer: str, *, now: datetime, actor: str = "operator") -> None:
    """Believe an issuer no longer; clients that are registered stay. Raises IssuerRefused if it is not known."""
    row = session.get(StatementIssuer, issuer)
    if row is None:
        raise IssuerRefused("no such issuer", field="issuer")
    session.delete(row)
    ledger.record(session, "statement-issuer.distrusted", actor=actor, object_id=issuer, now=now)


def issuers(session: Session) -> list[StatementIssuer]:
    """Return every issuer, by name."""
    return list(session.scalars(select(StatementIssuer).order_by(StatementIssuer.issuer)))


def verify(session: Session, unverified: str, *, approved: tuple[str, ...], is_kept: bool, settings: Settings, now: datetime) -> dict[str, Any]:
    """Return the members that a statement asserts.

    `approved` are the issuers that the policy takes, none named means all that are trusted; of a statement that `is_kept` since the client
    was registered with it the times are not looked at again. Raises UnapprovedSoftwareStatementError for an issuer that is not believed,
    InvalidSoftwareStatementError for anything else.
    """
    header, claims = _read(unverified)
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise InvalidSoftwareStatementError("software_statement: there is no iss.")
    row = session.get(StatementIssuer, issuer) if len(issuer) <= LONGEST_ISSUER and issuer.isprintable() else None
    if row is None or (approved and issuer not in approved):
        raise UnapprovedSoftwareStatementError("software_statement: its issuer is not approved here.")
    _check_signature(unverified, header, read_key_set(row.jwks).signing)
    _check_kind(header, claims, settings)
    if not is_kept:
        _check_times(claims, now=now)
    return {name: value for name, value in claims.items() if name not in OF_THE_TOKEN}


def _check_kind(header: Mapping[str, Any], claims: Mapping[str, Any], settings: Settings) -> None:
    """Check that this is a statement, and no other token that its issuer signed with the same key: for us if for anybody, and of a client."""
    typ, audience = header.get("typ", "JWT"), claims.get("aud", settings.public_url)
    named = audience if isinstance(audience, list) else [audience]
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in TYPES:
        raise InvalidSoftwareStatementError("software_statement: it is another kind of token.")
    if not {settings.public_url, f"{settings.public_url}/register"} & {one for one in named if isinstance(one, str)}:
        raise InvalidSoftwareStatementError("software_statement: it is for somebody else.")
    if ASSERTED.isdisjoint({*claims, *(name.partition("#")[0] for name in claims)}):
        raise InvalidSoftwareStatementError("software_statement: it says nothing of a client.")


def _read(unverified: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    try:
        header, claims, _ = (segment for segment in unverified.encode("ascii").split(b"."))
        read = [json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))) for part in (header, claims)]
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidSoftwareStatementError("software_statement: it is not a signed JWT.") from error
    if not all(isinstance(part, dict) for part in read) or "crit" in read[0] or "b64" in read[0]:
        raise InvalidSoftwareStatementError("software_statement: it is not a JWT that can be read here.")
    return read[0], read[1]


def _check_signature(unverified: str, header: Mapping[str, Any], keys: tuple[ClientKey, ...]) -> None:
    named = [key for key in keys if "kid" not in header or key.kid == header["kid"]] or list(keys)
    for key in named:
        if header.get("alg") == key.algorithm and _is_signed_by(unverified, key):
            return
    raise InvalidSoftwareStatementError("software_statement: its signature is not its issuer's.")


def _is_signed_by(unverified: str, key: ClientKey) -> bool:
    signed, _, signature = unverified.rpartition(".")
    try:
        decoded = base64.b64decode(signature + "=" * (-len(signature) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return False
    return jwt.get_algorithm_by_name(key.algorithm).verify(signed.encode(), key.key, decoded)


def _check_times(claims: Mapping[str, Any], *, now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if claims.get(name) is not None}
    for name, at in times.items():
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise InvalidSoftwareStatementError(f"software_statement: {name} is no time.")
        if (at <= moment - leeway) if name == "exp" else (at > moment + leeway):
            raise InvalidSoftwareStatementError(f"software_statement: {name} does not hold now.")
