"""What a register does all day, each with the requests for it made ahead: issue, act, give a wallet elsewhere credentials, make a document."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count

from flask.testing import FlaskClient

from bench.load import Outcome, drive, raw, send_each
from bench.measuring import Budget, Path
from bench.stand import PEOPLE, TYPE, Citizen, Stand
from idp.oauth.grantees import Grantee
from runtime.clock import now
from runtime.settings import Settings
from tests.batch_sending import PATH as BATCHES
from tests.batch_sending import send_batch
from tests.wallet.issuing.oid4vci.wallets import Holder, Wallet, new_wallet, proof, with_token
from tests.world_wallet import example_dates, example_fields
from wallet.issuing.oid4vci import c_nonces
from wallet.register.catalogue import get_type
from wallet.register.licences import get_licence

WHY = {"reason": "基准测试", "legal_basis": "《测试办法》第一条"}
JSON = "application/json"
WALLETS, TEN, HALF = 8, 10, PEOPLE // 2
CLIENT = "bench_wallet"
Load = Callable[[], Outcome]
_batches = count()


@dataclass(frozen=True)
class Request:
    """A request, for the wire or for the application in this process."""

    method: str
    path: str
    authorization: str
    body: bytes = b""
    kind: str = JSON
    key: str = ""

    def on_the_wire(self) -> bytes:
        """Return it as it goes over the wire."""
        typed = {"Content_Type": self.kind} if self.body else {}
        return raw(self.method, self.path, body=self.body, Authorization=self.authorization, **typed)

    def within(self, client: FlaskClient) -> None:
        """Send it to the application in this process; raises RuntimeError if it is refused."""
        typed = {"Content-Type": self.kind} if self.body else {}
        typed |= {"Idempotency-Key": self.key} if self.key else {}
        answer = client.open(self.path, method=self.method, data=self.body, headers={"Authorization": self.authorization, **typed})
        if answer.status_code >= 400:
            raise RuntimeError(f"{self.path}: {answer.status_code} {answer.text[:300]}")


@dataclass(frozen=True)
class Act:
    """Something that a register does: `make` returns so many requests for it, each sent once, and `most` a second are never reached.

    After a `round` of requests all is as it was before.
    """

    name: str
    title: str
    make: Callable[[Stand, int], list[Request]]
    most: int
    budget: Budget | None = None
    connections: int = 8
    round: int = 2

    @property
    def path(self) -> Path:
        """The act as something to measure."""
        return Path(self.name, self.title, self.budget, self._load)

    def _load(self, stand: Stand, seconds: float) -> Load:
        port, requests = stand.processes.port, [one.on_the_wire() for one in self.make(stand, max(24, int(self.most * seconds)))]
        send_each(port, requests[:8])
        return partial(drive, port, requests[8:], seconds=seconds, once=True, connections=self.connections)


def issue(stand: Stand, number: int) -> list[Request]:
    """A department's system issues licences to people who have accounts."""
    return [post(stand, "licences", one) for one in _orders(stand, number)]


def suspend_and_resume(stand: Stand, number: int) -> list[Request]:
    """A department's system suspends each of half of the licences, with their one credential, then resumes each, and so on."""
    ids, paths = [one.licence_id for one in stand.citizens[HALF:]], ("suspension", "resumption")
    return [post(stand, f"licences/{ids[turn % len(ids)]}/{paths[turn // len(ids) % 2]}", WHY) for turn in range(number)]


def document(stand: Stand, number: int) -> list[Request]:
    """A department's system asks for the other licences as sealed documents."""
    ids = [one.licence_id for one in stand.citizens[:HALF]]
    return [Request("GET", f"/api/v1/licences/{ids[turn % len(ids)]}/document", stand.authorization) for turn in range(number)]


def credentials(stand: Stand, number: int, *, keys: int) -> list[Request]:
    """Wallets elsewhere ask for credentials by proofs of new keys, each with its own nonce, by tokens that they have."""
    app = stand.kabao.app
    settings: Settings = app.extensions["kabao_settings"]
    if CLIENT not in app.extensions:
        app.extensions[CLIENT] = new_wallet(app)  # one for all, since a licence is in no more than a few wallets
    client = app.extensions[CLIENT]
    wallets = [with_token(app, app.test_client(), _holder(stand, one), client) for one in stand.citizens[:WALLETS]]
    return [_credential_request(wallets[turn % WALLETS], settings, keys=keys) for turn in range(number)]


def batch(stand: Stand, seconds: float) -> Load:
    """A department's system sends a batch over one connection; what is counted are its lines."""
    lines = [json.dumps({"ref": f"row-{number}", **order}).encode() for number, order in enumerate(_orders(stand, max(20, int(300 * seconds))))]
    return partial(_send_lines, stand, lines)


def batch_request(stand: Stand, number: int) -> Request:
    """Return a batch of some lines as one request."""
    lines = [json.dumps({"ref": f"one-{number}", **order}).encode() for number, order in enumerate(_orders(stand, number))]
    return Request("POST", BATCHES, stand.authorization, b"\n".join(lines), "application/x-ndjson", key=f"bench-{next(_batches)}")


def _orders(stand: Stand, number: int) -> list[dict[str, object]]:
    with stand.kabao.world():
        begins, ends = example_dates(get_type(TYPE))
    fields = example_fields(TYPE)
    order = {"type": TYPE, "fields": fields, "valid_from": begins.isoformat(), "valid_until": ends.isoformat() if ends else None}
    people = [one.person for one in stand.citizens]
    holders = [{"number": one.number, "name": one.name} for one in people]
    return [{**order, "holder": holders[turn % len(holders)]} for turn in range(number)]


def post(stand: Stand, path: str, document: Mapping[str, object]) -> Request:
    """Return a request of the department's system to its API."""
    return Request("POST", f"/api/v1/{path}", stand.authorization, json.dumps(document).encode())


def _credential_request(wallet: Wallet, settings: Settings, *, keys: int) -> Request:
    nonce = c_nonces.make(settings, now=now())
    asked = {"credential_identifier": wallet.identifiers[TYPE][0], "proofs": {"jwt": [proof(nonce) for _ in range(keys)]}}
    return Request("POST", "/credential", f"Bearer {wallet.token}", json.dumps(asked).encode())


def _holder(stand: Stand, citizen: Citizen) -> Holder:
    with stand.kabao.world() as session:
        licence = get_licence(session, citizen.licence_id)
    return Holder(citizen.person, Grantee(citizen.subject_id, citizen.subject_id), licence, stand.department)


def _send_lines(stand: Stand, lines: list[bytes]) -> Outcome:
    begun = now()
    sent = send_batch(stand.processes, lines, token=stand.token, key=f"bench-{next(_batches)}")
    good = sum(one["status"] == 201 for one in sent.results.values())
    return Outcome(len(lines), (now() - begun).total_seconds(), 0, 0, 0, 0, len(lines) - good)


ACTS = (
    Act("issue", "issue one licence by API, SD-JWT VC signed", issue, 400, Budget(2.0)),
    Act("credential", "a credential by OpenID4VCI, one proof", partial(credentials, keys=1), 250),
    Act("ten", "ten credentials of a licence at once, ten proofs", partial(credentials, keys=TEN), 40),
    Act("document", "a sealed PDF (PAdES B-LT)", document, 60, connections=2),
    Act("act", "suspend a licence, or resume it", suspend_and_resume, 400, round=2 * (PEOPLE - HALF)),
)
BATCH = Path("batch", "issue in a batch, each line", None, batch)
