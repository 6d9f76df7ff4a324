"""The menu of the account pages: every room of one's own account, in the order in which people look for them.

A page that belongs to the account includes `signin/account_nav.html` as the first thing of its content; the room that the page stands in is
marked. A room that this installation does not have is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Flask, current_app, g, request
from sqlalchemy.orm import Session

from runtime.clock import now
from runtime.database import transaction
from runtime.languages import Text


@dataclass(frozen=True, slots=True)
class Room:
    """One page of the account, with those beneath it."""

    path: str
    name: Text

    @property
    def id(self) -> str:
        """The id of its link."""
        return "room-" + self.path.rsplit("/", 1)[1]

    @property
    def is_here(self) -> bool:
        """Whether the present page stands in this room."""
        return request.path == self.path or (self.path != OVERVIEW and request.path.startswith(self.path + "/"))


OVERVIEW = "/account"
ROOMS = (
    Room(OVERVIEW, Text("账号概览", "Overview")),
    Room("/account/ways", Text("登录方式", "Ways to sign in")),
    Room("/account/passkeys", Text("通行密钥", "Passkeys")),
    Room("/account/devices", Text("登录设备", "Devices")),
    Room("/account/level", Text("实名等级", "Real-name level")),
    Room("/enterprise", Text("单位办事", "Organisations")),
    Room("/account/children", Text("未成年子女", "Children")),
    Room("/account/requests", Text("登录请求", "Requests")),
    Room("/account/portals", Text("门户授权", "Portals")),
    Room("/account/history", Text("账号记录", "Account history")),
    Room("/account/download", Text("下载数据", "Download my data")),
    Room("/account/close", Text("注销账号", "Close the account")),
)


# How much waits for the person in a room, as `(session, subject id, now)`; a part adds what it knows.
waiting: dict[str, Callable[[Session, UUID, datetime], int]] = {}


def rooms() -> list[Room]:
    """Return the rooms that are there."""
    routes = current_app.url_map.bind("")
    return [room for room in ROOMS if routes.test(room.path, "GET")]


def how_much_waits(path: str) -> int:
    """Return how much waits in a room for whoever is signed in."""
    if path not in waiting:
        return 0
    with transaction() as session:
        return waiting[path](session, g.signed_in.subject_id, now())


def init_app(app: Flask) -> None:
    """Let the account's pages show the menu."""
    app.jinja_env.globals.update(account_rooms=rooms, account_waiting=how_much_waits)
