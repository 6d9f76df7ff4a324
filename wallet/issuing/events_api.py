"""For supervising departments: what happened to the licences that they watch over, by a cursor that misses nothing."""

from typing import Any

from flask import g

from idp.oauth.callers import bearer
from runtime import events
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.openapi import ApiBlueprint
from runtime.pages import csrf
from runtime.problems import Refusal
from schemas.events import EventsQuerySchema, EventsSchema
from wallet.register.departments import Action, types_under

supervision = ApiBlueprint("events", __name__, description="Events, for the departments that supervise.")
csrf.exempt(supervision)


class NotACursor(Refusal):
    """`after` is nothing that we gave as `next`."""

    code, status, title = "not-a-cursor", 422, Text("after应为上一页返回的next。", "`after` is the `next` of a page before.")


@supervision.route("/events", methods=["GET"])
@allow(bearer("events"))
@supervision.arguments(EventsQuerySchema, location="query")
@supervision.response(200, EventsSchema)
@supervision.doc(security=[{"department": ["events"]}])
def page(query: dict[str, Any]) -> dict[str, Any]:
    """Give the events that follow a cursor, of the licence types that the caller's department supervises."""
    after = _cursor(query["after"])
    topics = types_under(department=g.token.department, action=Action.SUPERVISE, now=now())
    with transaction() as session:
        found = events.read(session, topics=topics, after=after, limit=query["limit"])
    last = events.Cursor(found[-1].transaction, found[-1].sequence) if found else after
    return {"events": found, "next": str(last)}


def _cursor(written: str) -> events.Cursor:
    try:
        return events.Cursor.parse(written)
    except ValueError as error:
        raise NotACursor(field="after") from error
