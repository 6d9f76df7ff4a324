"""The pages of devices: where I am signed in, and the link “this was not me”."""

from uuid import UUID

from flask import Blueprint, Response, flash, g, redirect, render_template, request

from idp.signin import alarms, callers, device_list, devices, throttle
from idp.signin.callers import signed_in
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow, anyone
from runtime.languages import Text
from runtime.problems import InvalidBody

devices_pages = Blueprint("devices", __name__, template_folder="templates")


@devices_pages.route("/account/devices")
@allow(signed_in)
def show_devices() -> str:
    """Show where the person is signed in, and which browsers are known."""
    with transaction() as session:
        found = device_list.devices_of(session, g.signed_in, lifetimes=callers.lifetimes())
    return render_template("signin/devices.html", found=found)


@devices_pages.route("/account/devices/end", methods=["POST"])
@allow(signed_in)
def end_device() -> Response:
    """End one session; one that has ended meanwhile is no fault."""
    session_id = _id("device")
    with transaction() as session:
        ended = device_list.end(session, g.signed_in, session_id, now=now())
    if ended:
        flash(str(Text("该设备已退出登录。", "The device was signed out.")), "success")
    return _back()


@devices_pages.route("/account/devices/end-others", methods=["POST"])
@allow(signed_in)
def end_other_devices() -> Response:
    """End every session but this one."""
    with transaction() as session:
        ended = device_list.end_others(session, g.signed_in, now=now())
    flash(str(Text("已退出其他{}台设备。", "Signed out on {} other devices.").format(ended)), "success")
    return _back()


@devices_pages.route("/account/devices/forget", methods=["POST"])
@allow(signed_in)
def forget_browser() -> Response:
    """Know a browser no longer in which the person is not signed in now."""
    browser_id = _id("device")
    with transaction() as session:
        devices.unknow_one(session, g.signed_in.subject_id, browser_id)
    flash(str(Text("已忘记该浏览器。", "The browser is known no longer.")), "success")
    return _back()


@devices_pages.route("/signin/not-me/<secret>", methods=["GET", "POST"])
@allow(anyone)
def not_me(secret: str) -> str:
    """Show what happened, with one button; take everything from whoever signed in. Works without being signed in."""
    present = now()
    with transaction() as session:
        throttle.count(session, throttle.Try("link", "", request.remote_addr or ""), now=present)
    if request.method == "POST":
        with transaction() as session:
            alarms.undo(session, secret, now=present)
        return render_template("signin/not_me_done.html")
    with transaction() as session:
        alarm = alarms.get(session, secret, now=present)
    return render_template("signin/not_me.html", alarm=alarm)


def _id(name: str) -> UUID:
    try:
        return UUID(request.form.get(name, ""))
    except ValueError as error:
        raise InvalidBody("not an id", field=name) from error


def _back() -> Response:
    response: Response = redirect("/account/devices", 303)  # type: ignore[assignment]
    return response
