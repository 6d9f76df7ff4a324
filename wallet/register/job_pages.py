"""The operators' pages of the jobs that failed for good: of which kinds, since when, how often and with what; trying them again, giving them up.

Events that a receiver refused wait elsewhere, beside their stream. What a job was about is not shown: it may be a person's.
"""

from flask import Blueprint, flash, g, render_template, request, url_for
from flask import redirect as lead_to
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from idp.signals import tokens
from idp.signin.operators import fresh_operator, operator
from runtime import failed_jobs, ledger
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from runtime.problems import Refusal
from wallet.register.job_words import word_of

job_pages = Blueprint("admin_jobs", __name__, template_folder="templates")
LARGEST = 2**63
ACTS = {"retry": (failed_jobs.retry, "job.retried"), "drop": (failed_jobs.drop, "job.dropped")}
DONE = {
    "retry": Text("{}项任务将重新执行。", "{} will be tried again."),
    "drop": Text("已放弃{}项任务。", "{} given up."),
}
NONE = Text("没有可处理的失败任务，可能已被处理。", "No such failed job is left; perhaps somebody saw to it already.")


class JobNotNamed(Refusal):
    """The form names no job."""

    code, status, title = "job-not-named", 404, Text("没有这项任务。", "There is no such job.")


@job_pages.app_context_processor
def counting() -> dict[str, object]:
    """Let the operators' menu say how many there are."""
    return {"count_failed_jobs": _count}


@job_pages.route("/admin/jobs", methods=["GET"])
@allow(operator)
def listed() -> str:
    """Show which kinds of jobs failed for good."""
    with transaction() as session:
        kinds = failed_jobs.kinds(session)
        set_aside = sum(dead for _, dead in tokens.counts(session).values())
    return render_template("register/jobs.html", kinds=kinds, word_of=word_of, set_aside=set_aside)


@job_pages.route("/admin/jobs/<kind>", methods=["GET"])
@allow(operator)
def shown(kind: str) -> str:
    """Show the failed jobs of a kind, a page at a time."""
    after = _number(request.args.get("after", "")) or 0
    with transaction() as session:
        rows = failed_jobs.listed(session, kind=kind, after=after)
    return render_template("register/jobs_of_kind.html", kind=kind, word=word_of(kind), rows=rows, after=after, is_full=len(rows) == failed_jobs.PAGE)


@job_pages.route("/admin/jobs/<kind>/<any(retry, drop):act>", methods=["POST"])
@allow(fresh_operator)
def see_to(kind: str, act: str) -> Response:
    """Try a failed job again, or give it up; all of the kind where the form names none, but those that failed after the page was shown."""
    named, mark = request.form.get("job"), _number(request.form.get("mark", ""))
    number = _number(named) if named is not None else None
    if named is not None and number is None:
        raise JobNotNamed(field="job")
    if named is None and mark is None:
        raise JobNotNamed(field="mark")
    with transaction() as session:
        done = _do(session, act, kind, number, failed_jobs.NEWEST if mark is None else mark)
    flash(str(DONE[act].format(done) if done else NONE), "success" if done else "warning")
    return lead_to(url_for("admin_jobs.shown", kind=kind) if named is not None else url_for("admin_jobs.listed"), 303)


def _do(session: Session, act: str, kind: str, number: int | None, mark: int) -> int:
    do, name = ACTS[act]
    done = do(session, kind=kind, job_id=number, mark=mark)
    if done:
        ledger.record(session, name, actor=f"operator:{g.signed_in.subject_id}", object_id=str(number or kind), now=now(), kind=kind, jobs=done)
    return done


def _count() -> int:
    with transaction() as session:
        return failed_jobs.count(session)


def _number(unverified: str) -> int | None:
    if not (unverified.isascii() and unverified.isdigit() and len(unverified) < len(str(LARGEST))):
        return None
    return int(unverified)
