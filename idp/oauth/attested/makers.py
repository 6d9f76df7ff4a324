"""Wallet makers that the operator trusts: their keys or the roots of their certificates, and what their word is good for.

Kept in the process and cleared by a change. A maker's word is looked for by the certificate that came along (`x5c`), or by the `kid` of a key
that stands here; a certificate that leads to no trusted root says nothing, whatever it names itself.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.oauth.key_sets import ClientKey, named, read_key_set
from keys import suites
from runtime import cache, ledger
from runtime.database import Base, transaction
from runtime.languages import Text
from runtime.problems import Refusal

TOPIC = "wallet makers"
CLIENTS, KEYS = "wallets", "keys"
PURPOSES = (CLIENTS, KEYS)
WANTED = {
    "issuer": "1 to 200 printable characters",
    "purposes": "wallets, keys or both",
    "jwks": "public keys each with a kid, a root, or both",
}
LONGEST, LONGEST_CERTIFICATE, MOST_CERTIFICATES = 200, 8 * 1024, 4
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


class MakerRefused(Refusal):
    """A maker cannot be trusted like this; `field` says why."""

    code, status, title = "wallet-maker-refused", 422, Text("受信任钱包提供方的登记信息有误。", "This maker of wallets cannot be trusted so.")


class NotVouchedFor(ValueError):
    """No trusted maker's key stands behind a signature."""


class WalletMaker(Base):
    """A maker: by which `iss` it is known, its keys and its roots, and what its word is good for (`PURPOSES`)."""

    __tablename__ = "wallet_makers"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    jwks: Mapped[dict[str, Any] | None]
    roots: Mapped[list[str]]
    purposes: Mapped[list[str]]
    added_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Maker:
    """A maker as the endpoints know it."""

    issuer: str
    keys: tuple[ClientKey, ...]
    roots: tuple[x509.Certificate, ...]
    purposes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Voucher:
    """The key that signed, by the algorithms it may be used with, and the maker that stands behind it."""

    maker: Maker
    key: suites.PublicKey
    algorithms: tuple[str, ...]


def voucher_for(header: dict[str, Any], *, purpose: str, now: datetime) -> Voucher:
    """Return the key that a header names, by a chain to a maker's root or by the `kid` and algorithm of a maker's key; raises NotVouchedFor."""
    makers = [one for one in trusted() if purpose in one.purposes]
    if "x5c" in header:
        return _by_certificate(header["x5c"], makers, now=now)
    kid = header.get("kid")
    fitting = [(maker, key) for maker in makers for key in named(maker.keys, kid) if header.get("alg") in key.algorithms]
    if len(fitting) != 1:
        raise NotVouchedFor("no maker's key of this kid")
    maker, key = fitting[0]
    return Voucher(maker, key.key, key.algorithms)


def trusted() -> tuple[Maker, ...]:
    """Return every trusted maker, kept in the process."""
    return cache.get(TOPIC, "all", _load) or ()


def trust(session: Session, *, issuer: str, jwks: dict[str, Any] | None, roots: Iterable[bytes], purposes: Iterable[str], now: datetime) -> None:
    """Trust a maker from now on, or on other terms than before; `roots` are PEM. Raises MakerRefused."""
    pems, asked = [_read_root(pem) for pem in roots], sorted(set(purposes))
    wrong = {
        "issuer": not 0 < len(issuer) <= LONGEST or not issuer.isprintable(),
        "purposes": not asked or not set(asked) <= set(PURPOSES),
        "jwks": (jwks is None and not pems) or (jwks is not None and not _are_named_keys(jwks)),
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise MakerRefused(f"{field} is not acceptable: {WANTED[field]}", field=field)
    values = {"jwks": jwks, "roots": pems, "purposes": asked, "added_at": now}
    row = insert(WalletMaker).values(issuer=issuer, **values)
    session.execute(row.on_conflict_do_update(index_elements=["issuer"], set_=values))
    ledger.record(session, "wallet-maker.trusted", actor="operator", object_id=issuer, now=now, purposes=asked)
    cache.changed(session, TOPIC)


def distrust(session: Session, issuer: str, *, now: datetime) -> None:
    """Trust a maker no longer; raises MakerRefused if it never was."""
    if session.scalar(delete(WalletMaker).where(WalletMaker.issuer == issuer).returning(WalletMaker.issuer)) is None:
        raise MakerRefused("no such maker", field="issuer")
    ledger.record(session, "wallet-maker.distrusted", actor="operator", object_id=issuer, now=now)
    cache.changed(session, TOPIC)


def listed(session: Session) -> list[WalletMaker]:
    """Return every maker, by issuer."""
    return list(session.scalars(select(WalletMaker).order_by(WalletMaker.issuer)))


def read_chain(unverified: Any) -> list[x509.Certificate]:
    """Return the certificates of an `x5c`, leaf first; raises NotVouchedFor. Nothing is trusted yet."""
    if not isinstance(unverified, list) or not 0 < len(unverified) <= MOST_CERTIFICATES:
        raise NotVouchedFor("no chain of one to four certificates")
    try:
        return [_certificate(one) for one in unverified]
    except (binascii.Error, *UNREADABLE) as error:
        raise NotVouchedFor("not a certificate") from error


def check_signed_along(chain: list[x509.Certificate], *, now: datetime) -> None:
    """Check that each certificate is in its period and issued by the next, which may issue; raises NotVouchedFor."""
    for one, above in zip(chain, [*chain[1:], None], strict=True):
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            raise NotVouchedFor("a certificate is out of its period")
        if above is not None and not _is_issued_by(one, above):
            raise NotVouchedFor("a certificate is not issued by the next")


def key_of(certificate: x509.Certificate) -> tuple[suites.PublicKey, tuple[str, ...]]:
    """Return a certificate's key and the algorithms that it may sign with; raises NotVouchedFor."""
    try:
        key = certificate.public_key()
        return key, suites.algorithms_of(key)  # type: ignore[return-value, arg-type]
    except UNREADABLE as error:
        raise NotVouchedFor("a key of a kind that is not supported") from error


def _by_certificate(unverified: Any, makers: list[Maker], *, now: datetime) -> Voucher:
    """Return the leaf's key; the root never travels, and the leaf is never signed by itself (HAIP 1.0 sections 4.4.1 and 4.5.1)."""
    chain = read_chain(unverified)
    check_signed_along(chain, now=now)
    for maker in makers:
        for root in maker.roots:
            if root not in chain and _is_issued_by(chain[-1], root) and root.not_valid_before_utc <= now <= root.not_valid_after_utc:
                return Voucher(maker, *key_of(chain[0]))
    raise NotVouchedFor("no trusted root")


def _is_issued_by(one: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(above)
        return above.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (InvalidSignature, x509.ExtensionNotFound, *UNREADABLE):
        return False


def _certificate(text: Any) -> x509.Certificate:
    if not isinstance(text, str) or len(text) > LONGEST_CERTIFICATE:
        raise ValueError("too large")
    return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))


def _read_root(pem: bytes) -> str:
    try:
        root = x509.load_pem_x509_certificate(pem)
        is_root = root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise MakerRefused("not a certificate of an authority", field="roots") from error
    if not is_root:
        raise MakerRefused("not a certificate of an authority", field="roots")
    return root.public_bytes(Encoding.PEM).decode()


def _are_named_keys(jwks: dict[str, Any]) -> bool:
    try:
        keys = read_key_set(jwks).signing
    except ValueError:
        return False
    return bool(keys) and all(key.kid for key in keys)


def _load() -> tuple[Maker, ...]:
    with transaction() as session:
        rows = listed(session)
    return tuple(
        Maker(
            row.issuer,
            read_key_set(row.jwks).signing,
            tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in row.roots),
            frozenset(row.purposes),
        )
        for row in rows
    )
