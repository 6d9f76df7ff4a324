"""The operators' page of keys: which there are, in which state, until when their certificates last, and what is done next. Nothing is done here.

Departments' own keys stand beside their departments. Nothing of a private half is shown, nor where in a security module it lies.
"""

import base64
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from flask import Blueprint, current_app, render_template

from idp.signin.operators import operator
from keys import certificates, key_schedule, renewal, ring, rotation
from keys.key_schedule import Planned, What
from keys.ring import SigningKey
from runtime.clock import now
from runtime.database import transaction
from runtime.guard import allow
from runtime.languages import Text
from wallet.register.departments import DepartmentNotFound, get_department

key_pages = Blueprint("admin_keys", __name__, template_folder="templates")
MOST_STEPS, LATEST = 8, 4
USES = {
    ring.OIDC: Text("登录令牌", "Sign-in tokens"),
    ring.ENCRYPTION: Text("接收加密内容", "Encryption of what is sent to us"),
    ring.REQUESTS: Text("登录请求", "Requests that we sign"),
    ring.RECEIPT: Text("核验回执", "Receipts"),
    ring.LEDGER: Text("存证账本", "The ledger"),
    ring.STATUS: Text("状态列表", "Status lists"),
    ring.ROOT: Text("根证书", "The root"),
    ring.TRUST_LIST: Text("信任列表", "The trust list"),
    ring.METADATA: Text("服务说明", "Metadata"),
    ring.ANSWERS: Text("答复", "Answers"),
    ring.IDENTITY: Text("请求身份凭证", "Asking who somebody is"),
    ring.TIME_STAMPING: Text("时间戳", "Time stamps"),
}
STATES = {
    ring.NEXT: (Text("待启用", "Next"), "suspended"),
    ring.ACTIVE: (Text("使用中", "Active"), "valid"),
    ring.RETIRED: (Text("只供验证", "Verifying only"), "expired"),
}
STEPS = {
    What.PUBLISH: Text("生成并公布下一把", "The next one is made and published"),
    What.SIGN: Text("下一把开始签名", "The next one takes over"),
    What.FORGET: Text("撤下旧密钥", "The old one is taken down"),
    What.ERASE: Text("擦除旧私钥", "The old private half is erased"),
}
PURPOSES = {"seal": Text("个人数据密封", "Sealing of personal data"), "index": Text("号码索引", "Index of numbers")}


@dataclass(frozen=True, slots=True)
class Line:
    """A key as the page tells it."""

    use: Text
    suite: str
    kid: str
    state: Text
    mark: str
    since: datetime
    ends_at: datetime | None
    in_module: bool


@key_pages.route("/admin/keys", methods=["GET"])
@allow(operator)
def listed() -> str:
    """Show the keys of the service itself, what comes next, and the rotations of data keys."""
    settings = current_app.extensions["kabao_settings"]
    with transaction() as session:
        rows = [row for row in ring.listed(session) if row.state != ring.GONE and not row.use.startswith(certificates.DEPARTMENT)]
        steps = sorted([*key_schedule.plan(session, settings), *renewal.plan(session, settings)], key=lambda step: step.at)
        rotated = [(PURPOSES.get(one.purpose, Text(one.purpose, one.purpose)), one) for one in rotation.rotations(session)[:LATEST]]
        lines = [_line(row) for row in rows]
    return render_template(
        "register/keys.html",
        lines=lines,
        steps=[(step, STEPS[step.what], name_of(step)) for step in steps[:MOST_STEPS]],
        rotated=rotated,
        moment=now(),
        is_scheduled=bool(settings.key_rotation),
    )


def name_of(step: Planned) -> Text:
    """Return what the key of a step is for, in words: of a department's, whose."""
    if not step.use.startswith(certificates.DEPARTMENT):
        return USES.get(step.use, Text(step.use, step.use))
    code = step.use.removeprefix(certificates.DEPARTMENT)
    try:
        return get_department(code).name
    except DepartmentNotFound:
        return Text(code, code)


def ends_at(row: SigningKey) -> datetime | None:
    """Return until when the certificate of a key lasts, None if it has none."""
    return x509.load_der_x509_certificate(base64.b64decode(row.chain[0])).not_valid_after_utc if row.chain else None


def _line(row: SigningKey) -> Line:
    state, mark = STATES[row.state]
    return Line(USES.get(row.use, Text(row.use, row.use)), row.suite, row.kid, state, mark, row.changed_at, ends_at(row), row.token is not None)
