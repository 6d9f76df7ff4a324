"""An archive of receipts as it is read, offline and years later: whether each receipt in it was signed and recorded as it says.
No database, no network.

Whoever reads one must hold a root already: an archive cannot vouch for itself. What was signed counts by what held when it was signed, so ended
certificates, rotated keys and a root that was followed by another break nothing; what the revocation lists in it say is believed only as far as
a root signed them.
"""

import base64
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from keys import paths
from keys.paths import CertificateRevoked, Revoked, UntrustedChain
from runtime import base64url, merkle
from wallet.verifying import chains
from wallet.verifying.presentations import chain_of, is_signed, read_object

MANIFEST, SEAL, README, ANCHORS = "manifest.json", "manifest.jws", "README.txt", "anchors/roots.pem"
RECEIPTS, PROOFS, CHECKPOINTS, CERTIFICATES, LISTS = "receipts/", "proofs/", "checkpoints/", "certificates/", "revocation-lists/"
SEAL_TYPE, RECEIPT_TYPE, CHECKPOINT_TYPE = "receipt-archive+jwt", "receipt+jwt", "checkpoint+jwt"
RECEIPT_SIGNER, LEDGER_SIGNER = "/jwks/receipt", "/jwks/ledger"
MOST_RECEIPTS = 10_000
MOST_FILES, MOST_MANIFEST, MOST_FILE = 4 * MOST_RECEIPTS, 16 * 1024 * 1024, 256 * 1024
COMPROMISES = (x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise)
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as archives are made; others could ask for any memory
UNPACKABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError)


class NotAnArchive(ValueError):
    """It is no archive of receipts, or one that is too large to be looked at."""


class NotVouchedFor(ValueError):
    """No root that is held vouches for who sealed it."""


class NotAsSigned(ValueError):
    """A receipt, or what proves it, is not as it was signed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was signed: which file, and what of it."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Found:
    """What an archive came to: whose, for which department and time, how many receipts, and every fault."""

    service: str
    department: str
    made_at: datetime
    since: str
    until: str
    receipts: int
    faults: list[Fault]


@dataclass
class Archive:
    """An open archive, and what is believed of it: the roots, and what their lists revoked."""

    file: zipfile.ZipFile
    roots: tuple[x509.Certificate, ...]
    revoked: dict[str, dict[int, Revoked]] = field(default_factory=dict)
    checkpoints: dict[int, tuple[bytes, str]] = field(default_factory=dict)

    def read(self, name: str, *, most: int = MOST_FILE) -> bytes:
        """Return a file of it, bounded; raises NotAsSigned, KeyError."""
        if self.file.getinfo(name).compress_type not in PACKED:
            raise NotAsSigned("the file is packed in another way")
        try:
            with self.file.open(name) as opened:
                content = opened.read(most + 1)
        except UNPACKABLE as error:
            raise NotAsSigned("the file cannot be unpacked") from error
        if len(content) > most:
            raise NotAsSigned("the file is too large")
        return content

    def signed(self, compact: str, *, typ: str, signer: str) -> dict[str, Any]:
        """Return what a service's own key signed when its certificate held; raises NotAsSigned, and NotVouchedFor for a stranger's."""
        return read_signed(compact, typ=typ, signer=signer, roots=self.roots, revoked_of=self._revoked_of)

    def _revoked_of(self, path: paths.Path) -> dict[str, Revoked]:
        lists = self.revoked.get(paths.fingerprint_of(path.root), {})
        return {one.fingerprint: lists[one.number] for one in map(_Known.of, path.certificates) if one.number in lists}


@dataclass(frozen=True, slots=True)
class _Known:
    fingerprint: str
    number: int

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "_Known":
        return cls(paths.fingerprint_of(certificate), certificate.serial_number)


def read_signed(
    compact: str, *, typ: str, signer: str, roots: tuple[x509.Certificate, ...], revoked_of: Callable[[paths.Path], dict[str, Revoked]]
) -> dict[str, Any]:
    """Return what a service's own key signed when its certificate held, and as `kabao:signer` which service that was.

    Raises NotAsSigned, and NotVouchedFor for a stranger's; any of UNREADABLE for what is no such token at all.
    """
    header, told = read_object(compact, 0), read_object(compact, 1)
    chain = chain_of(header)
    leaf, signed_at = chains.read_leaf(chain[0]), float(told["iat"])
    try:
        path = paths.check_path(chain, roots=roots)
        path.check_held(signed_at)
        path.check_not_revoked(revoked_of(path), signed_at)
    except UntrustedChain as error:
        raise NotVouchedFor(str(error)) from error
    if header.get("typ") != typ or "crit" in header or not is_signed(compact, header, leaf.key):
        raise NotAsSigned("the signature does not fit, or it is a token of another type")
    service = next((uri.removesuffix(signer) for uri in leaf.uris if uri.endswith(signer)), None)
    if service is None:
        raise NotAsSigned("it was signed for another purpose")
    return told | {"kabao:signer": service}


def verify_archive(unverified: BinaryIO, *, roots: tuple[x509.Certificate, ...] | None, lists: tuple[bytes, ...] = ()) -> Found:
    """Look at every receipt of an archive and return what was found; `lists` are newer revocation lists, `roots` None those that it brings itself.

    Raises NotAnArchive, and NotVouchedFor where no root fits its seal.
    """
    try:
        with zipfile.ZipFile(unverified) as file:
            return _verify(file, roots, lists)
    except NotVouchedFor:
        raise
    except CertificateRevoked as error:
        raise NotVouchedFor(f"the certificate of its seal was revoked: {error}") from error
    except (*UNPACKABLE, *UNREADABLE) as error:
        raise NotAnArchive("it is no archive of receipts, or it was cut short") from error


def _verify(file: zipfile.ZipFile, roots: tuple[x509.Certificate, ...] | None, lists: tuple[bytes, ...]) -> Found:
    names = [one.filename for one in file.infolist()]
    if len(names) > MOST_FILES or len(set(names)) < len(names):
        raise NotAnArchive("too many files, or the same twice")
    archive = Archive(file, roots or ())
    archive.roots = roots if roots is not None else tuple(x509.load_pem_x509_certificates(archive.read(ANCHORS)))
    brought = [archive.read(name) for name in names if name.startswith(LISTS)]
    archive.revoked = _read_lists([*brought, *lists], archive.roots)
    manifest = archive.read(MANIFEST, most=MOST_MANIFEST)
    sealed = archive.signed(archive.read(SEAL).decode("ascii"), typ=SEAL_TYPE, signer=RECEIPT_SIGNER)
    if sealed["digest"] != sha256(manifest).hexdigest() or sealed["iss"] != sealed["kabao:signer"]:
        raise NotAnArchive("the manifest is not the one that was sealed")
    told = json.loads(manifest)
    faults = list(_faults(archive, told, names))
    made_at = datetime.fromtimestamp(sealed["iat"], UTC)
    ids = [name for name in told["files"] if name.startswith(RECEIPTS)]
    return Found(sealed["iss"], told["department"], made_at, told["from"], told["until"], len(ids), faults)


def _faults(archive: Archive, told: Mapping[str, Any], names: list[str]) -> Iterator[Fault]:
    files: dict[str, str] = told["files"]
    yield from (Fault(name, "it is not in the manifest") for name in names if name not in files and name not in (MANIFEST, SEAL))
    yield from (Fault(name, "it is missing") for name in files if name not in set(names))
    whole: set[str] = set()
    for name in sorted(set(names) & set(files)):
        try:
            if sha256(archive.read(name)).hexdigest() == files[name]:
                whole.add(name)
                continue
        except UNREADABLE:
            pass
        yield Fault(name, "its content is not the one in the manifest")
    for name in sorted(one for one in whole if one.startswith(RECEIPTS)):
        try:
            _check_receipt(archive, name, told, whole)
        except NotVouchedFor as error:
            yield Fault(name, f"no root vouches for who signed it: {error}")
        except CertificateRevoked as error:
            yield Fault(name, f"its certificate was revoked: {error}")
        except UNREADABLE as error:
            yield Fault(name, str(error) if isinstance(error, NotAsSigned) else "it cannot be read")


def _check_receipt(archive: Archive, name: str, told: Mapping[str, Any], whole: set[str]) -> None:
    """Check that a receipt was signed, is the department's, and stands in a ledger whose root was signed; raises NotAsSigned."""
    number = name.removeprefix(RECEIPTS).removesuffix(".jws")
    compact = archive.read(name).decode("ascii")
    claims = archive.signed(compact, typ=RECEIPT_TYPE, signer=RECEIPT_SIGNER)
    if claims["jti"] != number or claims["iss"] != claims["kabao:signer"]:
        raise NotAsSigned("it is another receipt than its name says, or another service's")
    if claims["verifier"]["code"] != told["department"]:
        raise NotAsSigned("it is another department's")
    if f"{PROOFS}{number}.json" not in whole:
        raise NotAsSigned("its proof is missing or was changed")
    proof = json.loads(archive.read(f"{PROOFS}{number}.json"))
    row = proof["row"]
    digest = base64url.write(sha256(compact.encode()).digest())
    if row["detail"]["receipt"] != digest or row["object_id"] != number or row["id"] != claims["ledger_entry"]:
        raise NotAsSigned("its proof is another receipt's")
    root, service = _checkpoint(archive, int(proof["size"]), whole)
    path = [base64.b64decode(one, validate=True) for one in proof["path"]]
    is_there = merkle.verify_inclusion(merkle.leaf_of(row), index=int(proof["position"]), size=int(proof["size"]), path=path, expected_root=root)
    if not is_there or service != claims["iss"]:
        raise NotAsSigned("it does not stand in the ledger")


def _checkpoint(archive: Archive, size: int, whole: set[str]) -> tuple[bytes, str]:
    """Return the root of the ledger at a size, and which service signed it; raises NotAsSigned."""
    if size not in archive.checkpoints:
        name = f"{CHECKPOINTS}{size}.jws"
        if name not in whole:
            raise NotAsSigned("the checkpoint that its proof leads to is missing or was changed")
        signed = archive.signed(archive.read(name).decode("ascii"), typ=CHECKPOINT_TYPE, signer=LEDGER_SIGNER)
        if signed["size"] != size:
            raise NotAsSigned("the checkpoint is of another size")
        archive.checkpoints[size] = base64.b64decode(signed["root"], validate=True), signed["kabao:signer"]
    return archive.checkpoints[size]


def _read_lists(brought: list[bytes], roots: tuple[x509.Certificate, ...]) -> dict[str, dict[int, Revoked]]:
    """Return what each root revoked, by serial number; a list that no root signed says nothing."""
    found: dict[str, dict[int, Revoked]] = {}
    for der in brought:
        try:
            listed = x509.load_der_x509_crl(der)
            signer = next((root for root in roots if root.subject == listed.issuer and listed.is_signature_valid(root.public_key())), None)  # type: ignore[arg-type]
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
            raise NotAnArchive("a revocation list cannot be read") from error
        if signer is not None:
            known = found.setdefault(paths.fingerprint_of(signer), {})
            for one in listed:
                known[one.serial_number] = _revocation(one)
    return found


def _revocation(one: x509.RevokedCertificate) -> Revoked:
    at, reason = one.revocation_date_utc, None
    for extension in one.extensions:
        if isinstance(extension.value, x509.InvalidityDate):
            at = min(at, extension.value.invalidity_date_utc)
        elif isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
    return Revoked(at, reason in COMPROMISES)
