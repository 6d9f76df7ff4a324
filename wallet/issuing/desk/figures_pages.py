"""What ends soon, and statistics with plots, for the officers of an issuing department."""

from flask import Blueprint, g, render_template

from idp.subjects.directory import get_subjects, number_of
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from wallet.issuing.desk import statistics, watch
from wallet.issuing.desk.watch import Light
from wallet.register.acts import ACT_TEXTS, Act
from wallet.register.callers import officer
from wallet.register.catalogue import get_type
from wallet.register.departments import Action, get_department, types_under
from wallet.register.licences import STATE_TEXTS, type_of

figures_desk = Blueprint("figures_desk", __name__, template_folder="templates")
SHOWN_TYPES = 12


@figures_desk.route("/desk/expiring", methods=["GET"])
@allow(officer)
def expiring() -> str:
    """Show how many licences end soon, type by type, and the first of each light."""
    moment = now()
    with transaction() as session:
        watched = watch.lights(session, department=g.officer_of, now=moment)
        showing = {light: watch.showing(session, light, department=g.officer_of, now=moment) for light in Light}
        subjects = get_subjects(session, {one.holder_id for rows in showing.values() for one in rows})
        holders = {one: number_of(subject).masked() for one, subject in subjects.items()}
    lists = {
        light: [(one.id, type_of(one).name, holders[one.holder_id], one.valid_until, watch.days_left(one, now=moment)) for one in rows]
        for light, rows in showing.items()
    }
    return render_template(
        "issuing/expiring.html",
        lights=list(Light),
        watched=[(get_type(one.type_code), one.counts) for one in watched],
        totals={light: sum(one.counts.get(light, 0) for one in watched) for light in Light},
        lists=lists,
        most=watch.PAGE,
        moment=moment,
        department=get_department(g.officer_of).name,
    )


@figures_desk.route("/desk/statistics", methods=["GET"])
@allow(officer)
def figures() -> str:
    """Show how the department's licences stand, and a year of its work."""
    moment = now()
    with transaction() as session:
        standings = statistics.standings(session, department=g.officer_of)
        months = statistics.months(session, department=g.officer_of, now=moment)
    acts = [act for act in Act if any(act in month.acts for month in months)]
    return render_template(
        "issuing/statistics.html",
        types=[(get_type(one.type_code).name, one) for one in standings],
        shown_types=SHOWN_TYPES,
        states=[(state, text) for state, text in STATE_TEXTS.items() if any(state in one.counts for one in standings)],
        months=months,
        acts=[(act, ACT_TEXTS[act]) for act in acts],
        total=sum(one.total for one in standings),
        may_issue=bool(types_under(department=g.officer_of, action=Action.ISSUE, now=moment)),
        department=get_department(g.officer_of).name,
        moment=moment,
    )
