"""For which department an officer acts who serves several: the one that they chose in this sign-in, else the first by code.

A choice lasts as long as the session in which it was made, and only while the officer serves that department: membership is read anew at
each request. Each form of the desk says for which department it was made, and is refused once the officer acts for another.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, and_, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from idp.signin.sessions import SignedIn, SigninSession
from runtime import ledger
from runtime.database import Base
from runtime.languages import Text
from runtime.problems import NotAllowed, Refusal
from wallet.register.departments import Officer, get_department

FIELD = "as_department"


class DeskChoice(Base):
    """The department that was chosen in a session."""

    __tablename__ = "desk_choices"
    session_id: Mapped[UUID] = mapped_column(ForeignKey("signin_sessions.id", ondelete="CASCADE"), primary_key=True)
    department_code: Mapped[str]
    chosen_at: Mapped[datetime]


class NotOfThatDepartment(NotAllowed):
    """An officer would act for a department that they do not serve."""

    code, status = "not-of-that-department", 403
    title = Text("您不是该部门的工作人员。", "You are not an officer of that department.")


class OtherDepartment(Refusal):
    """A form was made for another department than the one acted for now; nothing of it was done."""

    code, status = "other-department", 409
    title = Text("此表单是为另一个部门打开的，未作任何办理。", "This form was opened for another department; nothing was done.")


def departments_at_desk(session: Session, signed_in: SignedIn) -> list[str]:
    """Return the codes of the departments that a person serves, the one that they act for now first."""
    chosen = and_(DeskChoice.session_id == signed_in.session_id, DeskChoice.department_code == Officer.department_code)
    rows = select(Officer.department_code).outerjoin(DeskChoice, chosen).where(Officer.subject_id == signed_in.subject_id)
    return list(session.scalars(rows.order_by(DeskChoice.session_id.is_(None), Officer.department_code)))


def choose(session: Session, signed_in: SignedIn, department: str, *, now: datetime) -> None:
    """Let an officer act for a department for the rest of the session; raises NotOfThatDepartment.

    One statement, which holds the session's row: of a session that ends meanwhile nothing is left behind.
    """
    row = select(SigninSession.id, Officer.department_code, literal(now)).join(Officer, Officer.subject_id == SigninSession.subject_id)
    row = row.where(SigninSession.id == signed_in.session_id, Officer.department_code == department)
    kept = insert(DeskChoice).from_select(["session_id", "department_code", "chosen_at"], row.with_for_update(key_share=True, of=SigninSession))
    changes = {"department_code": kept.excluded.department_code, "chosen_at": kept.excluded.chosen_at}
    done = kept.on_conflict_do_update(index_elements=["session_id"], set_=changes).returning(DeskChoice.session_id)
    if session.execute(done).first() is None:
        raise NotOfThatDepartment(field="department")
    me = signed_in.subject_id
    ledger.record(session, "officer.turned", actor=f"officer:{me}", object_id=department, subject_id=me, now=now)


def check_form(made_for: str | None, *, departments: list[str]) -> None:
    """Raise OtherDepartment unless a form was made for the department acted for now; who serves one alone need not say which."""
    present = departments[0]
    if made_for == present or (made_for is None and len(departments) == 1):
        return
    name = get_department(present).name
    shown = Text(
        f"您现在代表“{name.zh}”。请重新打开该页面办理；要为原来的部门办理，请先切换部门，再返回提交。",
        f"You act for {name.en} now. Open the page again to do it for them; or change the department, come back, and send it.",
    )
    raise OtherDepartment("made for another department", field=FIELD, shown=shown)
