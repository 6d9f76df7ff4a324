"""Scopes: what a token may be used for, in the words that a person reads before consenting. Pure.

People consent to theirs; a department's system is given its own at registration and asks no one.
"""

from collections.abc import Iterable
from types import MappingProxyType

from runtime.languages import Text

SSF_MANAGE, SSF_READ = "ssf.manage", "ssf.read"
OPENID, PROFILE, NUMBER, LICENCES, OFFLINE_ACCESS = "openid", "profile", "number", "licences", "offline_access"
EMAIL, PHONE, BIRTHDATE, ASSURANCE = "email", "phone", "birthdate", "assurance"

OF_PEOPLE = MappingProxyType(
    {
        OPENID: Text("确认您已登录，并识别您是同一位用户", "Know that you are signed in, and that you are the same person each time"),
        PROFILE: Text("查看您的姓名或单位名称", "See your name, or your organisation's name"),
        NUMBER: Text("查看您的完整证件号码或统一社会信用代码", "See your full citizen number or credit code"),
        BIRTHDATE: Text("查看您的出生日期和性别", "See your date of birth and your gender"),
        EMAIL: Text("查看您的电子邮箱", "See your e-mail address"),
        PHONE: Text("查看您的手机号码", "See your mobile number"),
        ASSURANCE: Text("查看以上身份信息由谁、在何时、以何种方式核实", "See who verified what is told of who you are, when and how"),
        LICENCES: Text(
            "办事时代您调取所需的电子证照，每次调取都会留下记录", "Draw the e-licences that your matter needs; each use is recorded for you"
        ),
        OFFLINE_ACCESS: Text("在您离开后继续使用您的授权，直到您收回", "Go on using what you allow after you have left, until you take it back"),
    }
)
OF_SYSTEMS = MappingProxyType(
    {
        "licences:issue": Text("签发和变更证照", "Issue and change licences"),
        "licences:read": Text("查看本部门签发的证照", "Read the licences that the department issued"),
        "authorities": Text("授予和收回对本机关所定义证照的权限", "Grant and withdraw authority over the licence types that the department defined"),
        "verifications": Text("核验持有人出示的证照", "Verify what a holder shows"),
        "draws": Text("依职权调用证照", "Draw licences on statutory authority"),
        "receipts": Text("查询核验回执", "Read receipts"),
        "mandates": Text("核实谁可以代表单位办事", "Check who may act for an organisation"),
        "events": Text("接收证照变更消息", "Hear of changes to licences"),
        SSF_MANAGE: Text("接收安全事件，并管理自己的事件流", "Receive security events, and manage one's own streams of them"),
        SSF_READ: Text("接收安全事件，查看自己的事件流", "Receive security events, and see one's own streams of them"),
        "registry:updates": Text("推送人口和法人登记变更", "Tell of changes in the population and legal-person registries"),
    }
)
ALL = MappingProxyType({**OF_PEOPLE, **OF_SYSTEMS})
CLAIMS = MappingProxyType(
    {
        PROFILE: ("name",),
        NUMBER: ("number", "number_type"),
        BIRTHDATE: ("birthdate", "gender"),
        EMAIL: ("email", "email_verified"),
        PHONE: ("phone_number", "phone_number_verified"),
    }
)
SCOPE_OF = MappingProxyType({claim: scope for scope, claims in CLAIMS.items() for claim in claims})


def scopes_of(scope: str | None) -> list[str]:
    """Split a scope parameter, each scope once, in the order given."""
    return list(dict.fromkeys((scope or "").split()))


def scope_from(scopes: Iterable[str]) -> str:
    """Join scopes into one scope parameter."""
    return " ".join(scopes)


def beyond(asked: Iterable[str], possible: Iterable[str]) -> str:
    """Say what is wrong with scopes that were asked for; only names of ours are repeated, whatever else was sent."""
    had = set(possible)
    strange = [scope for scope in asked if scope not in had]
    if not strange:
        return "scope is missing, and there is none to be had here."
    known = [scope for scope in strange if scope in ALL]
    return f"scope: {scope_from(known)} cannot be had here." if known else "scope names what there is not here."
