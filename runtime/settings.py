"""What an operator sets: one frozen object, read from the environment once, here and nowhere else.

Everything that is missing or unsafe is reported together. Secrets do not show in a repr, a log or an error, and may rest in files (`secret_files`).
"""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.x509 import load_pem_x509_certificates

from runtime import database_url, secret_files
from runtime.known_names import Asked
from runtime.security_access import Access

PREFIX = "KABAO_"
MASTER_KEY_BYTES = 32
DAY, LONGEST_WHOLE = 24 * 3600, 10
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
CLIENT_AUTHENTICATION = (
    "private_key_jwt",
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "attest_jwt_client_auth",
    "none",
)
HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


class SettingsError(Exception):
    """One or more settings are missing or unsafe; the message lists every one with its remedy."""


@dataclass(frozen=True, eq=False)  # what is kept by its settings is asked for with each request: compared by identity, not field by field
class Settings:
    """The whole configuration of one process.

    `public_url` is the issuer: scheme, host and port, without a closing slash. `master_key` seals every private
    key and every data key; whoever has it and the database has everything. `outbound_hosts` may be asked at inner addresses.
    A refresh token is good for `refresh_token_lifetime` from the sign-in, unless it is not used for `refresh_token_idle`. Wallets that nobody
    registered get tokens as `anonymous_wallet_client`, a public client of the operator's; without one they get none.
    With `haip_required` credentials are issued only to wallets that are held to HAIP; with `credential_encryption_required` only
    by encrypted requests and answers.
    `smtp_url` and `sms_url` are where messages to people leave; without one, that kind is not offered (in development: shown in the log).
    `open_registration` is the policy under which clients may register without a token, None for no open registration.
    Once the master key was changed, what was derived from the first one goes on from `derivation_key`; while it changes,
    `former_master_key` still opens what is sealed under it. A client's TLS certificate is believed only where `client_certificate_header`
    is set, and only from one of `client_certificate_proxies`; `mtls_url` is where clients with one reach us, if elsewhere.
    Signing keys are rotated every `key_rotation` (0: by command alone), published `key_published_ahead` of it, and kept for verifying for
    `key_retired`. Keys may live in a security module (`pkcs11`): KABAO_PKCS11_MODULE is its library, KABAO_PKCS11_TOKEN the label of the token for
    new keys, and KABAO_PKCS11_PIN its PIN.
    A credential that goes to a wallet elsewhere holds for `credential_lifetime` at most.
    A process that serves answers short requests on `threads` threads while these keep up (`kabao serve` says how many; 0: it does not serve).
    Sealed documents have their time stamps of `time_stamp_url` (RFC 3161), if there is one, believed by `time_stamp_roots` (PEM, the file
    KABAO_TIME_STAMP_ROOTS); where that gives none, of our own key, unless KABAO_TIME_STAMP_FALLBACK is `none`.
    What status lists said is told for `status_history` back (0: not at all; whoever asks often learns when licences were revoked).
    Draws on authority are flagged, never stopped, past `draws_an_hour` (of a type by a system), `draws_of_holders` (different ones by a system in ten
    minutes), `draws_at_night` (by a system) and `draws_by_departments` (that drew from one holder within a day).
    """

    database_url: str = field(repr=False)
    master_key: bytes = field(repr=False)
    public_url: str = "http://127.0.0.1:8000"
    development: bool = False
    log_level: str = "INFO"
    trusted_proxies: int = 0
    max_body_bytes: int = 1024 * 1024
    pool_size: int = 8
    session_idle: timedelta = timedelta(minutes=15)
    session_lifetime: timedelta = timedelta(hours=12)
    access_token_lifetime: timedelta = timedelta(minutes=10)
    refresh_token_lifetime: timedelta = timedelta(days=30)
    refresh_token_idle: timedelta = timedelta(days=14)
    anonymous_wallet_client: str = ""
    haip_required: bool = False
    credential_encryption_required: bool = False
    pushed_request_lifetime: timedelta = timedelta(seconds=90)
    pushed_requests_required: bool = False
    qr_lifetime: timedelta = timedelta(minutes=5)
    credential_lifetime: timedelta = timedelta(days=90)
    outbound_hosts: frozenset[str] = frozenset()
    people_registry_url: str | None = None
    organisations_registry_url: str | None = None
    registry_timeout: timedelta = timedelta(seconds=3)
    registry_cache: timedelta = timedelta(minutes=5)
    throttle_enforced: bool = True
    registry_proof_lifetime: timedelta = timedelta(days=730)
    person_proof_lifetime: timedelta = timedelta(days=1826)
    level_1_accounts: bool = True
    key_rotation: timedelta = timedelta(days=90)
    key_published_ahead: timedelta = timedelta(hours=1)
    key_retired: timedelta = timedelta(days=30)
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    sms_url: str = field(default="", repr=False)
    former_master_key: bytes | None = field(default=None, repr=False)
    derivation_key: bytes | None = field(default=None, repr=False)
    open_registration: str | None = None
    mtls_url: str | None = None
    client_certificate_header: str | None = None
    client_certificate_format: str = "pem"
    client_certificate_verified_header: str | None = None
    client_certificate_proxies: tuple[Network, ...] = LOOPBACK
    client_authentication: frozenset[str] = frozenset(CLIENT_AUTHENTICATION)
    dpop_nonces_always: bool = False
    pkcs11: Access | None = None
    threads: int = 0
    status_history: timedelta = timedelta(days=366)
    time_stamp_url: str | None = None
    time_stamp_roots: bytes = b""
    time_stamp_fallback: bool = True
    draws_an_hour: int = 1000
    draws_of_holders: int = 200
    draws_at_night: int = 50
    draws_by_departments: int = 5
    unknown_names: tuple[str, ...] = ()

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read and check `KABAO_*`.

        Raises SettingsError that names every fault at once.
        """
        return _Reader(os.environ if environ is None else environ).settings()

    @property
    def host(self) -> str:
        """The host and port of the public address."""
        return urlsplit(self.public_url).netloc

    @property
    def is_https(self) -> bool:
        """Whether the public address is HTTPS; only in development may it not be."""
        return self.public_url.startswith("https://")

    def derived_key(self, purpose: str) -> bytes:
        """Return a 32-byte key for one purpose, derived from the master key that was first (HKDF-SHA-256, RFC 5869)."""
        if purpose not in self._derived:
            self._derived[purpose] = self._derive(b"kabao:" + purpose.encode())
        return self._derived[purpose]

    @cached_property
    def _derived(self) -> dict[str, bytes]:
        return {}

    def _derive(self, info: bytes) -> bytes:
        if self.derivation_key is not None:
            return HKDFExpand(SHA256(), 32, info=info).derive(self.derivation_key)
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self.master_key)

    @property
    def wrapping_keys(self) -> list[bytes]:
        """The keys that private keys and data keys are sealed under: the present one, then the former one while there is one."""
        masters = [self.master_key, *([self.former_master_key] if self.former_master_key else [])]
        return [HKDF(SHA256(), 32, salt=None, info=b"kabao:wrap").derive(master) for master in masters]

    @property
    def derivation(self) -> bytes:
        """What every other key is derived from: it stays when the master key changes."""
        return self.derivation_key or HKDF.extract(SHA256(), None, self.master_key)


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self.environ = Asked(secret_files.resolved(environ, self.faults))
        self.module: Access | None = None

    def settings(self) -> Settings:
        self.module = self.pkcs11()
        development = self.one_of("KABAO_ENVIRONMENT", ("production", "development")) == "development"
        read = Settings(
            database_url=self.database_url(),
            master_key=self.master_key(),
            former_master_key=self.former_master_key(),
            derivation_key=self.key("KABAO_DERIVATION_KEY"),
            public_url=self.public_url(development=development),
            development=development,
            log_level=self.log_level(),
            trusted_proxies=self.whole("KABAO_TRUSTED_PROXIES", 0, least=0, most=10),
            max_body_bytes=self.whole("KABAO_MAX_BODY_BYTES", 1024 * 1024, least=256 * 1024, most=16 * 1024 * 1024),
            pool_size=self.whole("KABAO_POOL_SIZE", 8, least=1, most=500),  # 0 is no bound at all to SQLAlchemy
            session_idle=timedelta(seconds=self.whole("KABAO_SESSION_IDLE_SECONDS", 900, least=60, most=DAY)),
            session_lifetime=timedelta(seconds=self.whole("KABAO_SESSION_LIFETIME_SECONDS", 43200, least=60, most=DAY)),
            refresh_token_lifetime=timedelta(days=self.whole("KABAO_REFRESH_TOKEN_DAYS", 30, least=1, most=366)),
            refresh_token_idle=timedelta(days=self.whole("KABAO_REFRESH_TOKEN_IDLE_DAYS", 14, least=1, most=366)),
            anonymous_wallet_client=self.environ.get("KABAO_ANONYMOUS_WALLET_CLIENT", "").strip(),
            haip_required=self.one_of("KABAO_WALLET_PROFILE", ("any", "haip")) == "haip",
            credential_encryption_required=self.one_of("KABAO_CREDENTIAL_ENCRYPTION", ("allow", "require")) == "require",
            pushed_request_lifetime=timedelta(seconds=self.whole("KABAO_PUSHED_REQUEST_SECONDS", 90, least=5, most=599)),  # FAPI 2.0: less than 600
            pushed_requests_required=self.one_of("KABAO_PUSHED_REQUESTS", ("allow", "require")) == "require",
            people_registry_url=self.other_url("KABAO_PEOPLE_REGISTRY_URL", development=development),
            organisations_registry_url=self.other_url("KABAO_ORGANISATIONS_REGISTRY_URL", development=development),
            registry_timeout=timedelta(seconds=self.whole("KABAO_REGISTRY_TIMEOUT_SECONDS", 3, least=1, most=10)),
            registry_cache=timedelta(seconds=self.whole("KABAO_REGISTRY_CACHE_SECONDS", 300, least=0, most=DAY)),
            outbound_hosts=frozenset(self.environ.get("KABAO_OUTBOUND_HOSTS", "").replace(",", " ").lower().split()),
            throttle_enforced=self.one_of("KABAO_THROTTLE", ("enforce", "track")) == "enforce",
            registry_proof_lifetime=timedelta(days=self.whole("KABAO_REGISTRY_PROOF_DAYS", 730, least=1, most=7305)),
            person_proof_lifetime=timedelta(days=self.whole("KABAO_PERSON_PROOF_DAYS", 1826, least=1, most=7305)),
            key_rotation=timedelta(days=self.whole("KABAO_KEY_ROTATION_DAYS", 90, least=0, most=3650)),
            key_published_ahead=timedelta(minutes=self.whole("KABAO_KEY_AHEAD_MINUTES", 60, least=10, most=10080)),
            key_retired=timedelta(days=self.whole("KABAO_KEY_RETIRED_DAYS", 30, least=1, most=3650)),
            credential_lifetime=timedelta(days=self.whole("KABAO_CREDENTIAL_DAYS", 90, least=2, most=366)),
            level_1_accounts=self.one_of("KABAO_LEVEL_1_ACCOUNTS", ("allow", "refuse")) == "allow",
            smtp_url=self.sender("KABAO_SMTP_URL", ("smtps", "smtp")),
            mail_from=self.mail_from(),
            open_registration=self.environ.get("KABAO_OPEN_REGISTRATION", "").strip() or None,
            sms_url=self.sender("KABAO_SMS_URL", ("https", "http") if development else ("https",)),
            mtls_url=self.mtls_url(development=development),
            client_certificate_header=self.header("KABAO_CLIENT_CERTIFICATE_HEADER"),
            client_certificate_format=self.one_of("KABAO_CLIENT_CERTIFICATE_FORMAT", ("pem", "rfc9440")),
            client_certificate_verified_header=self.header("KABAO_CLIENT_CERTIFICATE_VERIFIED_HEADER"),
            client_certificate_proxies=self.networks("KABAO_CLIENT_CERTIFICATE_PROXIES"),
            client_authentication=self.client_authentication(),
            threads=self.whole("KABAO_THREADS", 0, least=0, most=500),
            dpop_nonces_always=self.one_of("KABAO_DPOP_NONCES", ("fapi", "always")) == "always",
            pkcs11=self.module,
            draws_an_hour=self.whole("KABAO_DRAWS_AN_HOUR", 1000, least=0, most=10**9),
            draws_of_holders=self.whole("KABAO_DRAWS_OF_HOLDERS", 200, least=0, most=10**9),
            draws_at_night=self.whole("KABAO_DRAWS_AT_NIGHT", 50, least=0, most=10**9),
            draws_by_departments=self.whole("KABAO_DRAWS_BY_DEPARTMENTS", 5, least=0, most=10**9),
            status_history=timedelta(days=self.whole("KABAO_STATUS_HISTORY_DAYS", 366, least=0, most=36525)),
            time_stamp_url=self.other_url("KABAO_TIME_STAMP_URL", development=development),
            time_stamp_roots=self.time_stamp_roots(),
            time_stamp_fallback=self.one_of("KABAO_TIME_STAMP_FALLBACK", ("own", "none")) == "own",
        )
        if self.faults:
            raise SettingsError("The settings are not usable:\n" + "\n".join(f"  - {fault}" for fault in self.faults))
        return replace(read, unknown_names=self.environ.unknown(PREFIX, secret_files.NAMES))

    def required(self, name: str, remedy: str) -> str:
        value = self.environ.get(name, "").strip()
        if not value:
            self.faults.append(f"{name} is not set: {remedy}")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self.environ.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= LONGEST_WHOLE and least <= int(text) <= most):
            self.faults.append(f"{name} must be a whole number from {least} to {most}.")
            return default
        return int(text)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """Return what is chosen, the first of the choices if nothing is."""
        chosen = self.environ.get(name, "").strip() or choices[0]
        if chosen not in choices:
            self.faults.append(f"{name} must be one of {', '.join(choices)}.")
        return chosen

    def log_level(self) -> str:
        level = self.environ.get("KABAO_LOG_LEVEL", "").strip().upper() or "INFO"
        if level not in LOG_LEVELS:
            self.faults.append(f"KABAO_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}.")
        return level

    def database_url(self) -> str:
        url = self.required("KABAO_DATABASE_URL", "a PostgreSQL address, postgresql://user@host/database.")
        if url and not url.startswith(("postgresql://", "postgres://")):
            self.faults.append("KABAO_DATABASE_URL must begin with postgresql://; PostgreSQL is the one database.")
        elif url and not database_url.is_read_by_all(url):
            self.faults.append(f"KABAO_DATABASE_URL is no address that PostgreSQL's library takes: {database_url.HINT}.")
        return url

    def master_key(self) -> bytes:
        self.required("KABAO_MASTER_KEY", "32 random bytes in base64url; `kabao init` prints a fresh one.")
        return self.key("KABAO_MASTER_KEY") or b""

    def former_master_key(self) -> bytes | None:
        if self.environ.get("KABAO_FORMER_MASTER_KEY") and not self.environ.get("KABAO_DERIVATION_KEY"):
            self.faults.append("KABAO_FORMER_MASTER_KEY needs KABAO_DERIVATION_KEY beside it: see `kabao keys derivation`.")
        return self.key("KABAO_FORMER_MASTER_KEY")

    def key(self, name: str) -> bytes | None:
        text = self.environ.get(name, "").strip()
        if not text:
            return None
        try:
            key = self.unsealed(name, text) if text.startswith("pkcs11:") else base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != MASTER_KEY_BYTES or len(set(key)) < MASTER_KEY_BYTES // 4:
            self.faults.append(f"{name} must be 32 random bytes in base64url.")
        return key

    def unsealed(self, name: str, text: str) -> bytes:
        """Return a key that rests sealed under one in the security module; here the module is needed at the start."""
        from runtime.sealed_master_key import unseal
        from runtime.security_module import ModuleAway

        if self.module is None:
            self.faults.append(f"{name} is sealed under a security module: set KABAO_PKCS11_MODULE and what goes with it.")
            return b""
        try:
            return unseal(self.module, text)
        except ModuleAway as away:
            self.faults.append(f"{name} cannot be opened by the security module: {away.reason}.")
            return b""

    def sender(self, name: str, schemes: tuple[str, ...]) -> str:
        url = self.environ.get(name, "").strip()
        if url and not (urlsplit(url).scheme in schemes and urlsplit(url).hostname):
            self.faults.append(f"{name} must be an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
        return url

    def mail_from(self) -> str:
        address = self.environ.get("KABAO_MAIL_FROM", "").strip()
        if self.environ.get("KABAO_SMTP_URL", "").strip() and not ("@" in address and address.isprintable()):
            self.faults.append("KABAO_MAIL_FROM must be the address that mail comes from, since KABAO_SMTP_URL is set.")
        return address

    def other_url(self, name: str, *, development: bool) -> str | None:
        """Return the address of another service, or None where none is set; it is signed over, so it is written as it is sent."""
        url = self.environ.get(name, "").strip()
        if not url:
            return None
        parts = urlsplit(url)
        if not parts.hostname or parts.username is not None or parts.fragment or not url.isascii():
            self.faults.append(f"{name} must be an address in ASCII, without user name and fragment.")
        elif parts.scheme != "https" and not (development and parts.scheme == "http"):
            self.faults.append(f"{name} must be https outside KABAO_ENVIRONMENT=development.")
        return url

    def time_stamp_roots(self) -> bytes:
        """Return the certificates that stamps of the authority outside must lead to."""
        url, roots = (self.environ.get(name, "").strip() for name in ("KABAO_TIME_STAMP_URL", "KABAO_TIME_STAMP_ROOTS"))
        if not url:
            return b""
        try:
            texts = Path(roots).read_bytes()
            load_pem_x509_certificates(texts)
        except (OSError, ValueError):
            self.faults.append("KABAO_TIME_STAMP_URL needs KABAO_TIME_STAMP_ROOTS beside it: a file of the authority's root certificates (PEM).")
            return b""
        return texts

    def header(self, name: str) -> str | None:
        text = self.environ.get(name, "").strip()
        if text and not HEADER_NAME.fullmatch(text):
            self.faults.append(f"{name} must be the name of a header: letters, digits and hyphens.")
        if text and not self.environ.get("KABAO_TRUSTED_PROXIES", "").strip("0 "):
            self.faults.append(f"{name} needs KABAO_TRUSTED_PROXIES: without a proxy before the service, anyone could send that header.")
        return text or None

    def networks(self, name: str) -> tuple[Network, ...]:
        """Return networks, or single addresses, separated by spaces or commas; this machine's own if none is named."""
        text = self.environ.get(name, "").replace(",", " ")
        try:
            return tuple(map(ipaddress.ip_network, text.split())) or LOOPBACK
        except ValueError:
            self.faults.append(f"{name} must be addresses or networks, such as 10.1.2.3 or 10.1.0.0/16.")
            return LOOPBACK

    def client_authentication(self) -> frozenset[str]:
        chosen = frozenset(self.environ.get("KABAO_CLIENT_AUTHENTICATION", "").replace(",", " ").split())
        if not chosen <= set(CLIENT_AUTHENTICATION):
            self.faults.append(f"KABAO_CLIENT_AUTHENTICATION must be some of {', '.join(CLIENT_AUTHENTICATION)}.")
        return chosen or frozenset(CLIENT_AUTHENTICATION)

    def pkcs11(self) -> Access | None:
        """Return how to reach the security module, or None where none is named."""
        module, token = (self.environ.get(name, "").strip() for name in ("KABAO_PKCS11_MODULE", "KABAO_PKCS11_TOKEN"))
        pin = self.environ.get("KABAO_PKCS11_PIN", "")
        if not module:
            return None
        if not token or not pin:
            self.faults.append("KABAO_PKCS11_MODULE needs KABAO_PKCS11_TOKEN, and KABAO_PKCS11_PIN_FILE or KABAO_PKCS11_PIN, beside it.")
        return Access(module, token, pin)

    def mtls_url(self, *, development: bool) -> str | None:
        url = self.other_url("KABAO_MTLS_URL", development=development)
        if url is not None and urlsplit(url.rstrip("/")).path:
            self.faults.append("KABAO_MTLS_URL must be scheme, host and port alone, such as https://mtls.id.example.gov.cn.")
        return url.rstrip("/") if url else None

    def public_url(self, *, development: bool) -> str:
        url = self.environ.get("KABAO_PUBLIC_URL", "http://127.0.0.1:8000" if development else "").rstrip("/")
        parts = urlsplit(url)
        if not parts.netloc or parts.path or parts.query or parts.fragment or parts.username:
            self.faults.append("KABAO_PUBLIC_URL must be scheme, host and port alone, such as https://id.example.gov.cn.")
        elif not development and parts.scheme != "https":
            self.faults.append("KABAO_PUBLIC_URL must be https outside KABAO_ENVIRONMENT=development.")
        return url
