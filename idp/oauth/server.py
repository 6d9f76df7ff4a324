"""The authorization server: Authlib's framework, with our clients, our proofs and our way to answer.

A view makes an `OAuthRequest`, which carries the transaction and the moment down to the grants; Authlib leads it through the grant.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Request
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.exceptions import RequestURITooLarge

from idp.oauth import assertions, bindings, client_authentication, terms, waymarks
from idp.oauth.attested import wallet_attestation
from idp.oauth.bindings import Binding
from idp.oauth.client_authentication import UseOnce
from idp.oauth.client_kinds import ATTEST_JWT
from idp.oauth.clients import Client, find_client
from idp.oauth.requests import resource_indicators
from idp.oauth.requests.arrival import Arrival, in_the_query
from idp.oauth.waymarks import Marks
from idp.signin.assurance import LEAST
from idp.signin.sessions import SignedIn
from runtime import compact_json
from runtime.lean import Answer
from runtime.settings import Settings

FORBIDDEN_IN_DESCRIPTION = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")
LONGEST_QUERY = 8000
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
ERROR = (("Content-Type", "application/json"), *NO_STORE.items())
CHALLENGED = (*ERROR, ("WWW-Authenticate", 'Basic realm="kabao"'))
NO_HEADERS = Headers()
MAY_REPEAT = frozenset({resource_indicators.PARAMETER, "audience"})  # RFC 8707 section 2, RFC 8693 section 2.1


class Payload(OAuth2Payload):
    """The parameters of a request, in Authlib's shape: looked at a dozen times a token, so that they are no property."""

    data: dict[str, str] = {}  # noqa: RUF012 - each has its own

    def __init__(self, parameters: dict[str, str]) -> None:
        self.data = parameters

    @property
    def datalist(self) -> dict[str, list[str]]:
        """The values of each parameter: one, since whatever comes twice was refused before."""
        return {name: [value] for name, value in self.data.items()}


class OAuthRequest(OAuth2Request):
    """A request to an OAuth endpoint: its parameters, each once, the transaction and the moment.

    `headers` are those of the HTTP request and `path` what it was sent to; `arrival` is how an authorization request came.
    `binding` is what the tokens are to be bound to, once the client is known, `instance` which installation of a wallet it is; `terms` are
    what is asked for beyond scopes. `reached` is how well whoever is signed in is known, and how strongly they signed in, once the view has
    asked. `use_once` uses a client's assertion up. `hinted_sub` is whom an `id_token_hint` names, `marks` what our own pages added to what
    the browser carries. The parameters are read from the HTTP request once. Transport security is the settings' concern, not looked at again
    here.
    """

    client: Any = None  # these as Authlib's own begins, which does more
    user: Any = None
    auth_method: Any = None
    authorization_code: Any = None
    refresh_token: Any = None
    credential: Any = None
    _scope: Any = None
    _body: Any = None
    hinted_sub: str | None = None
    binding: Binding | None = None
    instance: str | None = None
    terms = terms.PLAIN
    reached = LEAST

    def __init__(
        self,
        method: str,
        parameters: dict[str, str],
        *,
        session: Session | None,
        settings: Settings,
        now: datetime,
        authorization: str | None = None,
        signed_in: SignedIn | None = None,
        repeated: frozenset[str] = frozenset(),
        headers: Headers = NO_HEADERS,
        path: str = "",
        arrival: Arrival | None = None,
        marks: Marks = waymarks.NONE,
        use_once: UseOnce = assertions.use_once,
    ) -> None:
        self.method, self.uri, self.payload = method, "https://issuer", Payload(parameters)
        self._session = session
        self.settings = settings
        self.now = now
        self.authorization = authorization
        self.signed_in = signed_in
        self.repeated = repeated
        self.headers = headers
        self.path = path
        self._arrival = arrival
        self.marks = marks
        self.use_once = use_once

    @property
    def session(self) -> Session:
        """The transaction; a system's token in its own name is asked for without one."""
        assert self._session is not None
        return self._session

    @property
    def arrival(self) -> Arrival:
        """How the authorization request came; in the query, unless the view says otherwise."""
        if self._arrival is None:
            self._arrival = in_the_query(self.args, self.repeated)
        return self._arrival

    @property
    def reference(self) -> str | None:
        """What the authorization request is kept under, None for one in the query."""
        return self.arrival.reference

    @property
    def args(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data


def single(unverified: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a request; raises InvalidRequestError if one comes twice (RFC 6749 section 3.2).

    All but `resource` and `audience`, which may: their values come as one text.
    """
    found, repeated = once(unverified)
    if repeated:
        raise InvalidRequestError("A parameter is given more than once.")
    return found


def once(unverified: Iterable[tuple[str, str]]) -> tuple[dict[str, str], frozenset[str]]:
    """Return the first value of each parameter that has one, and the names of those that come twice."""
    found: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in unverified:
        if name not in found:
            found[name] = value
        elif name in MAY_REPEAT:
            found[name] = resource_indicators.joined((found[name], value))
        else:
            repeated.add(name)
    return {name: value for name, value in found.items() if value}, frozenset(repeated)


def as_query(unverified: MultiDict[str, str]) -> str:
    """Return posted parameters as a query, so that a browser comes back by GET; raises 414 where no server would take it."""
    query = urlencode(list(unverified.items(multi=True)))
    if len(query) > LONGEST_QUERY:
        raise RequestURITooLarge
    return query


class Server(AuthorizationServer):
    """Authlib's server, told where our clients are, how they prove themselves, and how errors are written."""

    def query_client(self, client_id: str) -> Client | None:
        """Return a client, or None."""
        return find_client(client_id)

    def save_token(self, token: dict[str, Any], request: OAuthRequest) -> None:
        """Save nothing: access tokens are signed, and refresh tokens are kept by their grants."""

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request as the view made it."""
        return request

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Send none; the ledger is told by the features themselves."""

    def authenticate_client(self, request: OAuthRequest, methods: Iterable[str], endpoint: str = "token") -> Client:
        """Return the client that the request proves to come from; raises InvalidClientError."""
        client = client_authentication.authenticate(
            request.form,
            authorization=request.authorization,
            settings=request.settings,
            now=request.now,
            path=request.path,
            headers=request.headers,
            before_use=lambda client: bindings.check_nonce(request, client),
            use_once=request.use_once,
        )
        if client.auth_method == ATTEST_JWT:
            request.instance = wallet_attestation.instance_of(request.headers)
        request.binding = bindings.read_binding(request, client)
        return client

    def handle_response(self, status_code: int, payload: Any, headers: Iterable[tuple[str, str]] | Mapping[str, str]) -> Answer:
        """Build the answer."""
        body = compact_json.write(payload) if isinstance(payload, dict) else str(payload or "").encode()
        return Answer(body, status_code, tuple(headers if isinstance(headers, list) else dict(headers).items()))

    def handle_error_response(self, request: OAuthRequest | None, error: OAuth2Error) -> Answer:
        """Build the answer for an error; those of the authorization endpoint leave by `response_modes`."""
        return refuse(error.error, description=describe(error), status=401 if error.error == "invalid_client" else 400)


def describe(error: OAuth2Error) -> str:
    """Return an error's description within the characters that RFC 6749 section 5.2 allows."""
    return FORBIDDEN_IN_DESCRIPTION.sub("", (error.get_error_description() or "")[:200])


def refuse(error: str | None, *, description: str = "", status: int = 400) -> Answer:
    """Answer an error as RFC 6749 section 5.2 writes it."""
    document = {"error": error, **({"error_description": description} if description else {})}
    return Answer(compact_json.write(document), status, CHALLENGED if status == 401 else ERROR)


server = Server()
