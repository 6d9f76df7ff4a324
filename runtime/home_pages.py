"""The front door: what Kabao is, for whom, and where to begin."""

from flask import Blueprint, render_template

from runtime.guard import allow, anyone

home = Blueprint("home", __name__)


@home.get("/")
@allow(anyone)
def page() -> str:
    """Show what this is, and where to sign in or register."""
    return render_template("home.html")
