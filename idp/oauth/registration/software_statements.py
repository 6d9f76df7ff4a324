"""Software statements (RFC 7591 section 2.3): what someone whom the operator trusts says of a client's software, signed.

The issuers and their keys are registered by the operator; the algorithm is the key's, never the one that a header names. What a statement
says goes before what the client says itself.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc7591.errors import InvalidSoftwareStatementError, UnapprovedSoftwareStatementError
from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.compact import Compact, NotCompact, is_moment, take_apart
from idp.oauth.key_sets import is_signed_by_one_of, read_key_set
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import Refusal
from runtime.settings import Settings
from schemas.clients import LONGEST_STATEMENT, ClientSchema

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
        is_usable = bool(read_key_set(jwks).signing)
    except ValueError as error:
        raise IssuerRefused(f"jwks: {error}", field="jwks") from error
    if not is_usable:
        raise IssuerRefused("jwks: none of its keys can verify a signature here", field="jwks")
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
    statement = _read(unverified)
    claims, issuer = statement.claims, statement.claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise InvalidSoftwareStatementError("software_statement: there is no iss.")
    row = session.get(StatementIssuer, issuer) if len(issuer) <= LONGEST_ISSUER and issuer.isprintable() else None
    if row is None or (approved and issuer not in approved):
        raise UnapprovedSoftwareStatementError("software_statement: its issuer is not approved here.")
    if not is_signed_by_one_of(read_key_set(row.jwks).signing, statement):
        raise InvalidSoftwareStatementError("software_statement: its signature is not its issuer's.")
    _check_kind(statement, settings)
    if not is_kept:
        _check_times(claims, now=now)
    return {name: value for name, value in claims.items() if name not in OF_THE_TOKEN}


def _check_kind(statement: Compact, settings: Settings) -> None:
    """Check that this is a statement, and no other token that its issuer signed with the same key: for us if for anybody, and of a client."""
    claims, audience = statement.claims, statement.claims.get("aud", settings.public_url)
    named = audience if isinstance(audience, list) else [audience]
    if statement.kind not in TYPES:
        raise InvalidSoftwareStatementError("software_statement: it is another kind of token.")
    if not {settings.public_url, f"{settings.public_url}/register"} & {one for one in named if isinstance(one, str)}:
        raise InvalidSoftwareStatementError("software_statement: it is for somebody else.")
    if ASSERTED.isdisjoint({*claims, *(name.partition("#")[0] for name in claims)}):
        raise InvalidSoftwareStatementError("software_statement: it says nothing of a client.")


def _read(unverified: str) -> Compact:
    try:
        return take_apart(unverified, longest=LONGEST_STATEMENT)
    except NotCompact as error:
        raise InvalidSoftwareStatementError("software_statement: it is not a signed JWT that can be read here.") from error


def _check_times(claims: Mapping[str, Any], *, now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if claims.get(name) is not None}
    for name, at in times.items():
        if not is_moment(at):
            raise InvalidSoftwareStatementError(f"software_statement: {name} is no time.")
        if (at <= moment - leeway) if name == "exp" else (at > moment + leeway):
            raise InvalidSoftwareStatementError(f"software_statement: {name} does not hold now.")
