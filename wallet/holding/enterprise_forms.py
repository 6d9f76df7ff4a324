"""The forms of appointing: whom, as what, how far and how long."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from wtforms import BooleanField, DateField, HiddenField, RadioField, SelectMultipleField, StringField, SubmitField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import CheckboxInput

from idp.signin.forms import LONGEST_NAME, filled, is_number
from idp.subjects.appointments import APPOINTS, Appointment
from idp.subjects.mandates import HANDLER, LICENCE_MANAGER, ROLES, GivenMandate, Mandate
from idp.subjects.numbers import CHINA
from idp.subjects.numbers import LONGEST as LONGEST_NUMBER
from idp.subjects.rights import Right
from runtime.forms import PostedForm
from runtime.languages import Text
from wallet.holding.appointees import TypeGroup

ALL, NAMED = "all", "named"
WHICH_LICENCES = Text("请选择授权的证照范围。", "Choose which licences.")
WHICH_PORTALS = Text("请选择授权的门户范围。", "Choose which portals.")
LATEST_DAY = date(2999, 12, 31)


class ReachForm(PostedForm):
    """How far a mandate reaches and how long; a licence manager's reaches everything."""

    type_reach = RadioField(
        validators=[Optional()],
        choices=[SelectChoice(ALL, Text("全部证照类型", "All kinds")), SelectChoice(NAMED, Text("只限下列类型", "Only these"))],
    )
    type_groups: Sequence[TypeGroup] = ()
    types = SelectMultipleField(option_widget=CheckboxInput())
    portal_reach = RadioField(
        validators=[Optional()],
        choices=[SelectChoice(ALL, Text("全部门户", "All portals")), SelectChoice(NAMED, Text("只限下列门户", "Only these"))],
    )
    portals = SelectMultipleField(option_widget=CheckboxInput())
    valid_from = DateField(Text("开始日期", "First day"), [Optional()])
    valid_until = DateField(Text("最后一天（可不填）", "Last day (may be left empty)"), [Optional()])
    may_delegate = BooleanField(Text("允许此人在本人范围内再授权他人", "May appoint others within this mandate"))
    save = SubmitField(Text("保存变更", "Save the changes"))

    def offer(self, own: Mandate, *, types: Sequence[TypeGroup], portals: Sequence[tuple[str, Text]]) -> None:
        """Set what may be chosen: no more than the giver's own mandate reaches."""
        self.type_groups = types
        self.types.choices = [SelectChoice(code, name) for group in types for code, name in group.types.items()]
        self.portals.choices = [SelectChoice(client_id, name) for client_id, name in portals]
        for reach, limit in ((self.type_reach, own.right.types), (self.portal_reach, own.right.portals)):
            if limit is not None:
                reach.choices = [one for one in reach.choices if one.value == NAMED]
                reach.data = NAMED if reach.data in (None, ALL) else reach.data

    def fill(self, given: GivenMandate) -> None:
        """Show how far a mandate reaches now."""
        self.type_reach.data, self.types.data = (ALL, []) if given.types is None else (NAMED, given.types)
        self.portal_reach.data, self.portals.data = (ALL, []) if given.portals is None else (NAMED, given.portals)
        self.valid_from.data = given.valid_from.astimezone(CHINA).date()
        self.valid_until.data = (given.valid_until.astimezone(CHINA) - timedelta(seconds=1)).date() if given.valid_until else None
        self.may_delegate.data = given.may_delegate

    def reach_counts(self) -> bool:
        """Whether how far the mandate reaches must be chosen."""
        return True

    def validate(self, extra_validators: Any = None) -> bool:
        """Check the form, and ask for a reach where it counts: nobody gets everything by having overlooked it."""
        good = super().validate(extra_validators)
        for reach, message in ((self.type_reach, WHICH_LICENCES), (self.portal_reach, WHICH_PORTALS)):
            if self.reach_counts() and not reach.data:
                reach.errors = [message]
                good = False
        return good

    def appointment(self, role: str, *, now: datetime) -> Appointment:
        """Return what is to be given."""
        types = None if self.type_reach.data == ALL else frozenset(self.types.data or ())
        portals = None if self.portal_reach.data == ALL else frozenset(self.portals.data or ())
        begins = beginning_of(self.valid_from.data) if self.valid_from.data else now
        ends = beginning_of(min(self.valid_until.data, LATEST_DAY) + timedelta(days=1)) if self.valid_until.data else None
        return Appointment(role, Right(types, portals, begins, ends), bool(self.may_delegate.data))


class ChangeForm(ReachForm):
    """The reach of a mandate, with the mark of what it was when the form was shown."""

    mark = HiddenField()

    def fill(self, given: GivenMandate) -> None:
        """Note what was shown, too."""
        super().fill(given)
        self.mark.data = given.mark


class AppointForm(ReachForm):
    """Whom to appoint besides, as the registry has them, and as what."""

    number = StringField(
        Text("被授权人的公民身份号码或居留证件号码", "Their citizen or residence number"),
        [filled(Text("请填写号码。", "Give their number."), longest=LONGEST_NUMBER), is_number],
    )
    name = StringField(Text("被授权人姓名", "Their name"), [filled(Text("请填写姓名。", "Give their name."), longest=LONGEST_NAME)])
    role = RadioField(validators=[InputRequired(Text("请选择角色。", "Choose a role."))])
    appoint = SubmitField(Text("任命", "Appoint"))

    def offer(self, own: Mandate, *, types: Sequence[TypeGroup], portals: Sequence[tuple[str, Text]]) -> None:
        """Set the roles too that the giver may appoint for."""
        super().offer(own, types=types, portals=portals)
        self.role.choices = [SelectChoice(role, ROLES[role]) for role in APPOINTS.get(own.role, ())]
        if len(self.role.choices) == 1 and not self.role.data:
            self.role.data = self.role.choices[0].value

    def wanted(self, *, now: datetime) -> Appointment:
        """Return what is to be given; for a licence manager the reach does not count."""
        found = self.appointment(self.role.data, now=now)
        if self.role.data != LICENCE_MANAGER:
            return found
        return Appointment(LICENCE_MANAGER, Right(None, None, found.right.valid_from, found.right.valid_until), may_delegate=True)

    def reach_counts(self) -> bool:
        """Whether it is a handler who is appointed."""
        return bool(self.role.data == HANDLER)


def beginning_of(day: date) -> datetime:
    """Return the moment at which a day begins in China."""
    return datetime.combine(day, time(), CHINA)
