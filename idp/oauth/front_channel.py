"""Portals that hear of a sign-out through the browser: a frame each on the page that says so (Front-Channel Logout 1.0).

The page may frame exactly the origins of these portals. It works without a script, and the browser goes on after a bounded wait.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from flask import Response, make_response, render_template

from idp.oauth import redirects
from idp.oauth.clients import find_client
from idp.oauth.pairwise import pairwise_sid
from runtime.languages import Text
from runtime.pages import page_may_frame
from runtime.settings import Settings

SECONDS = 4
MOST = 40


@dataclass(frozen=True, slots=True)
class Frame:
    """What tells one portal: its name and the address to load."""

    name: Text
    address: str


def announced(_: Settings) -> dict[str, Any]:
    """Return what discovery says of it."""
    return {"frontchannel_logout_supported": True, "frontchannel_logout_session_supported": True}


def frames_of(client_ids: Iterable[str], session_id: UUID, *, settings: Settings) -> list[Frame]:
    """Return the frames of those portals that want to be told so, with `iss` and the portal's own `sid` (section 2: both or neither)."""
    found = []
    for client in map(find_client, client_ids):
        if client is not None and client.metadata.frontchannel_logout_uri is not None:
            named = {"iss": settings.public_url, "sid": pairwise_sid(session_id, client.client_id)}
            found.append(Frame(client.name, add_params_to_uri(client.metadata.frontchannel_logout_uri, named)))
    return found[:MOST]


def farewell(frames: list[Frame], *, goal: str | None, is_everywhere: bool) -> Response:
    """Show that somebody is signed out while the portals are told, and go on to `goal` after a moment."""
    page = render_template("oauth/logged_out.html", frames=frames, goal=goal, is_everywhere=is_everywhere)
    response = page_may_frame(make_response(page), *sorted({redirects.origin_of(frame.address) for frame in frames}))
    if goal is not None:
        response.headers["Refresh"] = f"{SECONDS}; url={goal}"
    return response
