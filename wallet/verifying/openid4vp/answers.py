"""Reading what a wallet posts: an answer in the open or encrypted, or its refusal. Nothing of what is inside is believed here.

What cannot be read is refused before the request is spent, so that who knows only the address cannot use it up. OpenID4VP 1.0 sections 8.1 to 8.5.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from keys import jwe
from keys.jwe import NotDecrypted
from runtime import strict_json
from wallet.presenting.dcql import Query
from wallet.presenting.dcql_reading import MOST_EACH
from wallet.verifying.openid4vp.errors import InvalidRequest
from wallet.verifying.openid4vp.request_objects import CONTENTS, ENCRYPTED, encryption_jwk
from wallet.verifying.openid4vp.requests import DIRECT_POST_JWT, PresentationRequest

LONGEST = 512 * 1024
KNOWN = ("vp_token", "state", "response", "error")
ERROR = re.compile(r"[a-z_]{1,64}")


@dataclass(frozen=True, slots=True)
class Posted:
    """What a wallet answered: presentations by credential query, or why it did not."""

    presentations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    error: str | None = None


def read(form: Sequence[tuple[str, str]], row: PresentationRequest, query: Query) -> Posted:
    """Return what was posted; raises InvalidRequest, in words that hold nothing of it."""
    named = [name for name, _ in form if name in KNOWN]
    if len(set(named)) != len(named) or sum(len(value) for _, value in form) > LONGEST:
        raise InvalidRequest("A parameter is there twice, or all is too long.")
    found: dict[str, Any] = {name: value for name, value in form if name in KNOWN}
    if row.response_mode == DIRECT_POST_JWT and "error" not in found:
        found = _opened(found, row)
    elif "response" in found:
        raise InvalidRequest("The answer was not asked for encrypted.")
    else:
        found |= {"vp_token": _json(found["vp_token"])} if "vp_token" in found else {}
    state = found.get("state")
    if not isinstance(state, str) or not hmac.compare_digest(state.encode(), row.state.encode()):
        raise InvalidRequest("state is missing, or is not the request's.")
    return _refusal(found) if "error" in found else Posted(_presentations(found.get("vp_token"), query))


def _opened(found: Mapping[str, Any], row: PresentationRequest) -> dict[str, Any]:
    """Return what an encrypted answer says; only by the algorithms, and to the key, that the request named."""
    if set(found) - {"state"} != {"response"}:
        raise InvalidRequest("response is missing, or does not stand alone.")
    key = row.key
    if key is None:
        raise InvalidRequest("The request is over.")
    kid = encryption_jwk(key)["kid"]
    try:
        opened = jwe.decrypt_for(found["response"], key, kid=kid, algs=ENCRYPTED, encs=CONTENTS, longest=LONGEST)
    except NotDecrypted as error:
        raise InvalidRequest("response cannot be decrypted by the key and the algorithms that were asked for.") from error
    content = _json(opened.decode("utf-8", "replace"))
    if not isinstance(content, dict):
        raise InvalidRequest("What is encrypted is not a JSON object.")
    return {name: content[name] for name in ("vp_token", "state", "error") if name in content}


def _refusal(found: Mapping[str, Any]) -> Posted:
    if "vp_token" in found or not isinstance(found["error"], str) or not ERROR.fullmatch(found["error"]):
        raise InvalidRequest("error is not the name of an error, or stands beside an answer.")
    return Posted(error=found["error"])


def _presentations(unverified: Any, query: Query) -> dict[str, tuple[str, ...]]:
    if not isinstance(unverified, dict) or not unverified:
        raise InvalidRequest("vp_token is not a JSON object with presentations.")
    found = {}
    for name, each in unverified.items():
        wanted = query.find(name)
        if wanted is None:
            raise InvalidRequest("vp_token answers what was not asked.")
        most = MOST_EACH if wanted.multiple else 1
        if not isinstance(each, list) or not 1 <= len(each) <= most or not all(isinstance(one, str) and one for one in each):
            raise InvalidRequest("vp_token holds something else than an array of presentations, or more of them than asked for.")
        if len(set(each)) != len(each):
            raise InvalidRequest("vp_token holds a presentation twice.")
        found[name] = tuple(each)
    return found


def _json(text: str) -> Any:
    """Read JSON strictly."""
    try:
        return strict_json.read(text.encode())
    except ValueError:
        _refuse()


def _refuse() -> NoReturn:
    raise InvalidRequest("vp_token is not JSON.")
