"""The paths that are single requests, each with the requests for it made ahead."""

import itertools
import json
import time
from collections.abc import Callable
from functools import partial
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from bench.load import CONNECTIONS, Outcome, drive, raw
from bench.measuring import Budget, Path
from bench.stand import TYPE, Citizen, Stand
from keys import holder_keys
from runtime.clock import now
from tests.world_people import sign_in
from tests.world_wallet import example_dates, example_fields, new_licence
from wallet.issuing import sd_jwt
from wallet.issuing.credentials import credential_of, text_of
from wallet.presenting import qr_codes
from wallet.register.catalogue import get_type
from wallet.register.licences import get_licence

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SHOWN = ["holder_name", "vehicle_class"]
NONCE, CAUSE = "bench-nonce-0001", {"text": "窗口核验"}
MOST = {"token": 3000, "verify-qr": 200}  # a second; more than this is never reached, or takes too long to prepare
READERS = 8  # citizens who look at their wallets; nobody issues them anything, so that these hold what they say
Load = Callable[[], Outcome]


def health(stand: Stand, seconds: float) -> Load:
    """A plain Flask route with our hooks around it: what no path here can cost less than."""
    return _sent(stand, [raw("GET", "/healthz")], seconds)


def token(stand: Stand, seconds: float) -> Load:
    """A system asks for a token by a signed proof, each sent once."""
    proofs = [stand.system.proof(exp=int(time.time()) + 280) for _ in range(_many("token", seconds))]
    forms = [urlencode({**proof, "grant_type": "client_credentials", "scope": "verifications"}).encode() for proof in proofs]
    return _sent(stand, [raw("POST", "/token", body=form, Content_Type=FORM) for form in forms], seconds, once=True)


def issue(stand: Stand, seconds: float) -> Load:
    """A department's system issues a licence."""
    with stand.kabao.world():
        begins, ends = example_dates(get_type(TYPE))
        fields = example_fields(TYPE)
    dates = {"valid_from": begins.isoformat(), "valid_until": ends.isoformat() if ends else None}
    return _sent(
        stand,
        [_api(stand, "licences", {"type": TYPE, "holder": _holder(one), "fields": fields, **dates}) for one in stand.citizens[READERS:]],
        seconds,
    )


def verify(stand: Stand, seconds: float) -> Load:
    """A counter's system verifies a presentation: signatures, status, receipt, ledger row, the holder's history."""
    return _sent(stand, [_api(stand, "verifications", one) for one in presentations(stand)], seconds)


def presentations(stand: Stand) -> list[dict[str, object]]:
    """Return what a counter's system asks to be verified, of each citizen."""
    return [{"presented": _bound(stand, one), "nonce": NONCE, "cause": CAUSE} for one in stand.citizens]


def verify_qr(stand: Stand, seconds: float) -> Load:
    """The same by QR code, each of a licence of its own, since a new code of a licence ends the one before."""
    holders = itertools.islice(itertools.cycle(stand.citizens[READERS:]), _many("verify-qr", seconds))
    contents = [_new_code(stand, one) for one in holders]
    return _sent(stand, [_api(stand, "verifications", {"presented": one, "cause": CAUSE}) for one in contents], seconds, once=True)


def page(stand: Stand, seconds: float) -> Load:
    """A citizen looks at the wallet: three cards."""
    cookies = [cookie_of(stand, one) for one in stand.citizens[:READERS]]
    asked = partial(raw, "GET", "/wallet", Accept="text/html", Accept_Language="zh-CN", Accept_Encoding="gzip, deflate, br")
    return _sent(stand, [asked(Cookie=cookie) for cookie in cookies], seconds, connections=1)


def cookie_of(stand: Stand, citizen: Citizen) -> str:
    """Sign a citizen in, and return the session's cookie as a browser sends it."""
    answer = sign_in(stand.kabao.app.test_client(), citizen.person)
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.headers.getlist("Set-Cookie"):
        cookies.load(header)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items() if name.endswith("kabao_session"))


def _bound(stand: Stand, citizen: Citizen) -> str:
    """Return a presentation of a few fields, bound by the holder's key."""
    with stand.kabao.world() as session:
        credential = credential_of(session, get_licence(session, citizen.licence_id))
        parts = sd_jwt.parse(text_of(credential))
        text = sd_jwt.combine(parts.jwt, [one for one in parts.disclosures if one.name in SHOWN])
        audience = qr_codes.audience(stand.kabao.app.extensions["kabao_settings"])
        binding = {"iat": int(time.time()), "aud": audience, "nonce": NONCE, "sd_hash": sd_jwt.sd_hash(text)}
        return text + holder_keys.sign(credential.holder_key_sealed, binding, credential_id=credential.id, typ="kb+jwt")


def _new_code(stand: Stand, citizen: Citizen) -> str:
    with stand.kabao.world() as session:
        licence = new_licence(session, type=TYPE, department=stand.department, number=citizen.person.number)
        session.flush()
        return qr_codes.create(session, holder_id=citizen.subject_id, licence_id=licence.id, fields=SHOWN, now=now()).content


def _holder(citizen: Citizen) -> dict[str, str]:
    return {"number": citizen.person.number, "name": citizen.person.name}


def _api(stand: Stand, collection: str, document: dict[str, object]) -> bytes:
    body = json.dumps(document).encode()
    return raw("POST", f"/api/v1/{collection}", body=body, Content_Type=JSON, Authorization=stand.authorization)


def _many(name: str, seconds: float) -> int:
    return max(20, int(MOST[name] * seconds))


def _sent(stand: Stand, requests: list[bytes], seconds: float, *, once: bool = False, connections: int = CONNECTIONS) -> Load:
    """Warm the path up with a few of the requests, and return the load with the others."""
    port, few = stand.processes.port, requests[:8] if once else requests * 2
    drive(port, few, seconds=min(seconds, 0.5), once=once, connections=2)
    return partial(drive, port, requests[len(few) :] if once else requests, seconds=seconds, once=once, connections=connections)


PATHS = (
    Path("token", "client-credentials token, private_key_jwt", Budget(0.30), token),
    Path("verify", "verify one presentation, receipt and ledger row", Budget(0.8), verify),
    Path("verify-qr", "the same by QR code, which is spent", Budget(0.8), verify_qr),
    Path("issue", "issue one licence by API, SD-JWT VC signed", Budget(2.0), issue),
    Path("page", "a page: the wallet with its cards, one reader at a time", Budget(100, of="p99"), page),
)
