"""`python -m bench.beside`: what tokens cost here, beside oidc-provider (npm) with everything in memory, in one run on one machine.

Each act is measured of both in turn. What counts is the processor time of a request, PostgreSQL's included, and so how many of them one core
answers a second; theirs keeps nothing on disk, and ours does.
"""

import base64
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
import jwt
import psutil
from rich.console import Console
from rich.table import Table

from bench import report
from bench.load import CONNECTIONS, Journey, Outcome, Refused, drive, raw, travel
from bench.stand import Stand, spent, stand
from idp.oauth import clients, refresh_tokens
from idp.oauth.client_authentication import ASSERTION_TYPE
from idp.oauth.grantees import Grantee
from keys import suites
from runtime.clock import now
from runtime.ids import new_id
from runtime.languages import Text
from tests.served import Connection, free_port, send
from tests.world_clients import ISSUER, jwks_of

HERE = Path(__file__).parent / "elsewhere"
FORM = "application/x-www-form-urlencoded"
SCOPE = "verifications"
PORTALS = 4
MOST = 4000
SECRET = secrets.token_urlsafe(32)
Load = Callable[[], Outcome]


@dataclass
class Side:
    """One of the two: where it listens, what it has taken of the processor so far, and its refresh tokens."""

    name: str
    port: int
    issuer: str
    key: suites.PrivateKey
    spent: Callable[[], float]
    by_key: str
    by_secret: str
    opaque: str
    portal: str
    refresh: list[str]
    revealed: str = field(default="")

    def basic(self, client_id: str) -> str:
        """Return the header by which a client proves itself with its secret."""
        return "Basic " + base64.b64encode(f"{client_id}:{SECRET}".encode()).decode()

    def assertions(self, count: int) -> list[str]:
        """Return signed proofs, each for one request."""
        common = {"iss": self.by_key, "sub": self.by_key, "aud": self.issuer, "exp": int(time.time()) + 280, "iat": int(time.time())}
        return [jwt.encode({**common, "jti": secrets.token_urlsafe(16)}, self.key, algorithm="ES256") for _ in range(count)]


@dataclass(frozen=True)
class Act:
    """Something that both do: `prepare` returns the load."""

    title: str
    prepare: Callable[[Side, float], Load]


def _form(path: str, form: dict[str, str], **headers: str) -> bytes:
    return raw("POST", path, body=urlencode(form).encode(), Content_Type=FORM, **headers)


def by_key(side: Side, seconds: float) -> Load:
    """Ask for a token by a signed proof, each sent once."""
    form = {"grant_type": "client_credentials", "scope": SCOPE, "client_assertion_type": ASSERTION_TYPE}
    sent = [_form("/token", {**form, "client_assertion": one}) for one in side.assertions(int(MOST * seconds))]
    return _driven(side, sent, seconds, once=True)


def by_secret(side: Side, seconds: float) -> Load:
    """Ask for a token by a secret."""
    form = {"grant_type": "client_credentials", "scope": SCOPE}
    return _driven(side, [_form("/token", form, Authorization=side.basic(side.by_secret))], seconds)


def introspection(side: Side, seconds: float) -> Load:
    """Ask whether a token is good."""
    header = side.basic(side.opaque)
    with Connection("127.0.0.1", side.port) as connection:
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        token = _tokens(connection, form, header)["access_token"]
        path = "/introspect" if side.name == "kabao" else "/token/introspection"
        told = send(connection, "POST", path, form={"token": token}, headers={"Authorization": header})
        assert told.json["active"], told.text
    return _driven(side, [_form(path, {"token": token}, Authorization=header)], seconds)


def refresh(side: Side, seconds: float) -> Load:
    """Refresh again and again, each time by the token that came last."""
    journeys = [_refreshing(side, number) for number in range(len(side.refresh))]
    travel(journeys, seconds=0.5)
    return partial(travel, journeys, seconds=seconds)


ACTS = (
    Act("client credentials, private_key_jwt", by_key),
    Act("client credentials, client_secret_basic", by_secret),
    Act("introspection", introspection),
    Act("refresh, rotated, with an ID token", refresh),
)


def _refreshing(side: Side, number: int) -> Journey:
    connection = Connection("127.0.0.1", side.port)

    def once() -> None:
        form = {"grant_type": "refresh_token", "refresh_token": side.refresh[number]}
        side.refresh[number] = _tokens(connection, form, side.basic(side.portal))["refresh_token"]

    return once


def _tokens(connection: Connection, form: dict[str, str], header: str) -> dict[str, Any]:
    answer = send(connection, "POST", "/token", form=form, headers={"Authorization": header})
    if answer.status != 200:
        raise Refused(answer.status, answer.text[:300])
    return dict(answer.json)


def _driven(side: Side, requests: list[bytes], seconds: float, *, once: bool = False) -> Load:
    few = requests[:16] if once else requests * 16
    drive(side.port, few, seconds=0.5, once=once, connections=2)
    return partial(drive, side.port, requests[16:] if once else requests, seconds=seconds, once=once, connections=CONNECTIONS)


def ours(standing: Stand) -> Side:
    """Register the clients here, and begin their refresh families."""
    grants = {"kb-key": [clients.CLIENT_CREDENTIALS], "kb-secret": [clients.CLIENT_CREDENTIALS]}
    key, settings = suites.ES256.generate(), standing.kabao.app.extensions["kabao_settings"]
    portal = "kb-portal"
    with standing.kabao.world() as session:
        register = partial(clients.register_client, session, name=Text("基准", "Bench"), owner=standing.department, now=now())
        register(client_id="kb-key", jwks=jwks_of(key), scopes=[SCOPE], grant_types=grants["kb-key"])
        secret = {"auth_method": clients.CLIENT_SECRET_BASIC, "client_secret": SECRET}
        register(client_id="kb-secret", scopes=[SCOPE], grant_types=grants["kb-secret"], **secret)
        granted = [clients.AUTHORIZATION_CODE, clients.REFRESH_TOKEN]
        scopes = ["openid", "offline_access"]
        register(client_id=portal, scopes=scopes, grant_types=granted, redirect_uris=["https://portal.example/callback"], **secret)
        begin = partial(
            refresh_tokens.begin_family, session, client_id=portal, scopes=scopes, auth_time=now(), amr=["pwd"], settings=settings, now=now()
        )
        tokens = [begin(Grantee(one.subject_id, one.subject_id), family_id=new_id(), session_id=new_id()) for one in standing.citizens[:PORTALS]]
    return Side("kabao", standing.processes.port, ISSUER, key, lambda: sum(standing.cpu()[:2]), "kb-key", "kb-secret", "kb-secret", portal, tokens)


@contextmanager
def theirs() -> Iterator[Side]:
    """Start oidc-provider until the end of the block; raises ClickException where its packages are not there."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        raise click.ClickException(f"oidc-provider is not here. Run: npm ci --ignore-scripts --prefix {HERE}")
    key, port = suites.ES256.generate(), free_port()
    own = suites.ES256.generate()
    jwk = {**jwt.get_algorithm_by_name("ES256").to_jwk(own, as_dict=True), "use": "sig", "alg": "ES256"}
    issuer = f"http://127.0.0.1:{port}"
    asked = {"issuer": issuer, "secret": SECRET, "jwk": jwk, "client_jwks": jwks_of(key), "portals": PORTALS}
    process = subprocess.Popen(
        [node, HERE / "provider.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=HERE
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
        said = process.stdout.readline()
        if not said:
            raise click.ClickException("oidc-provider does not start.")
        taken = partial(spent, [psutil.Process(process.pid)])
        yield Side("oidc-provider", port, issuer, key, taken, "by-key", "by-secret", "opaque", "portal", json.loads(said)["refresh"])
    finally:
        process.terminate()
        process.wait(10)


def _measure(act: Act, side: Side, seconds: float) -> tuple[float, int]:
    """Return what a request costs in ms of processor time, and how many went wrong."""
    load = act.prepare(side, seconds)
    before = side.spent()
    outcome = load()
    return (side.spent() - before) * 1000 / max(outcome.count, 1), outcome.errors


@click.command()
@click.option("--seconds", default=4.0, show_default=True, help="How long each act is measured of each side.")
@click.option("--rounds", default=3, show_default=True, help="How often; the best of each side counts.")
def main(seconds: float, rounds: int) -> None:
    """Measure ours beside theirs."""
    console, progress = Console(width=report.WIDTH), Console(stderr=True)
    table = Table("act", "ours, ms", "theirs, ms", "ours, a second and core", "theirs", "ours is", "errors")
    with progress.status("Setting both up ...") as status, stand() as standing, theirs() as other:
        sides = (ours(standing), other)
        for act in ACTS:
            best, errors = [float("inf")] * 2, 0
            for round_ in range(rounds):
                for number, side in enumerate(sides):
                    status.update(f"{act.title}: {side.name}, {round_ + 1} of {rounds} ...")
                    cost, wrong = _measure(act, side, seconds)
                    best[number], errors = min(best[number], cost), errors + wrong
            mine, their = best
            table.add_row(
                act.title, f"{mine:.2f}", f"{their:.2f}", f"{1000 / mine:,.0f}", f"{1000 / their:,.0f}", f"{their / mine:.2f} x", str(errors)
            )
    console.print(table)


if __name__ == "__main__":
    main()
