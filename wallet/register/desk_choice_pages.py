"""The page on which an officer who serves several departments chooses for which one to act."""

from flask import Blueprint, g, redirect, render_template, request
from werkzeug.wrappers import Response

from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.register import desk_choice
from wallet.register.callers import choosing_officer
from wallet.register.departments import get_department

desk_choice_pages = Blueprint("desk_choice_pages", __name__, template_folder="templates")


@desk_choice_pages.route("/desk/department", methods=["GET"])
@allow(choosing_officer)
def show() -> str:
    """Show the departments that the officer serves, and which one they act for."""
    return render_template("register/desk_department.html", departments=[get_department(code) for code in sorted(g.serves)], present=g.officer_of)


@desk_choice_pages.route("/desk/department", methods=["POST"])
@allow(choosing_officer)
def choose() -> Response:
    """Act for another department from now on, in this browser."""
    with transaction() as session:
        desk_choice.choose(session, g.signed_in, request.form.get("department", ""), now=now())
    return redirect("/desk", 303)
