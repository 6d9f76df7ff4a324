"""Where the link of a marked copy leads whoever was given it: a page that says what waits there, and a button that fetches it, once.

Looking spends nothing, so that a program that looks at links before people do takes no copy from them. The secret in the address is all the
proof that there is: no form's token is asked for, and a department's system may fetch by POST as well.
"""

from flask import Blueprint, Response, make_response, render_template

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.pages import csrf
from runtime.problems import wants_page
from wallet.holding import marked_copies
from wallet.holding.marked_copies import LinkOver
from wallet.issuing.documents_api import MARKED, as_file
from wallet.register.licences import get_licence, type_of

copy_link_pages = Blueprint("copy_link_pages", __name__, template_folder="templates")
csrf.exempt(copy_link_pages)


@copy_link_pages.route("/copies/<secret>", methods=["GET"])
@allow(anyone)
def waiting(secret: str) -> Response:
    """Say what waits behind a link: of what type, for whom and until when; nothing of its holder."""
    moment = now()
    with transaction() as session:
        copy = marked_copies.find_waiting(session, secret, now=moment)
        if copy is None:
            return _over_page()
        name = type_of(get_licence(session, copy.licence_id)).name
    return make_response(render_template("holding/copy_link.html", copy=copy, marking=copy.marking, name=name, secret=secret))


@copy_link_pages.route("/copies/<secret>", methods=["POST"])
@allow(anyone)
def fetch(secret: str) -> Response:
    """Give the copy, once; raises LinkOver."""
    try:
        with transaction() as session:
            pdf, licence = marked_copies.fetch(session, secret, now=now())
    except LinkOver:
        if wants_page():
            return _over_page()
        raise
    return as_file(pdf, licence, form=MARKED)


def _over_page() -> Response:
    return make_response(render_template("holding/copy_link.html", copy=None, title=LinkOver.title), LinkOver.status)
