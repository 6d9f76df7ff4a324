"""How an authorization request came to the authorization endpoint. Pure."""

from dataclasses import dataclass, field

from authlib.oauth2 import OAuth2Error


@dataclass(frozen=True, slots=True)
class Arrival:
    """An authorization request as it came.

    `parameters` are the request's own, each once, and `repeated` the names of those that came twice. `carried` is what the browser takes
    from page to page: the same, or the reference that the request is kept under. `reference` is that reference, None for a request in
    the query; `moved` says that the browser does not carry it yet. `pushed` and `signed` say how the client sent it, `pressed` that a person
    answers it on a page, and `refusal` why what the browser carries stands for no request.
    """

    parameters: dict[str, str]
    repeated: frozenset[str] = frozenset()
    carried: dict[str, str] = field(default_factory=dict)
    reference: str | None = None
    moved: bool = False
    pushed: bool = False
    signed: bool = False
    pressed: bool = False
    refusal: OAuth2Error | None = None


def in_the_query(parameters: dict[str, str], repeated: frozenset[str] = frozenset()) -> Arrival:
    """Return the arrival of a request whose parameters are all in the query."""
    return Arrival(parameters, repeated, carried=parameters)
