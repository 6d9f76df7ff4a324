"""Where a browser goes after signing in: a path of ours, never another place (CWE-601).

A page whose form is followed by redirects names the origins that these may lead to, since browsers check the whole
chain against `form-action`. `origins_beyond` holds what tells, of a path, which other origins it leads to; `askers` what tells by whose
wish someone goes there, such as a portal's.
"""

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from runtime.languages import Text

HOME = "/wallet"
LONGEST = 4096
PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")
NEVER = ("/signin", "/signout", "/account/new")
origins_beyond: list[Callable[[str], Iterable[str]]] = []
askers: list[Callable[[str], Text | None]] = []


def local_path(unverified: str | None) -> str:
    """Return the path if it is one of ours to go to, else the wallet's."""
    if not unverified or len(unverified) > LONGEST or not PATH.fullmatch(unverified):
        return HOME
    try:
        parts = urlsplit(unverified)
    except ValueError:
        return HOME
    return HOME if parts.scheme or parts.netloc or parts.path.rstrip("/") in NEVER else unverified


def origins_of(path: str) -> list[str]:
    """Return the other origins that a path of ours may lead to."""
    return sorted({origin for beyond in origins_beyond for origin in beyond(path)})


def asker_of(path: str) -> Text | None:
    """Return the name of who sent the browser to a path of ours, or None if nobody did."""
    return next((name for asker in askers if (name := asker(path)) is not None), None)
