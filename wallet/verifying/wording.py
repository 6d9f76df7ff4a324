"""The checks, their outcomes and the reasons for these, in words that an officer reads."""

from types import MappingProxyType

from runtime.languages import Text
from wallet.verifying.outcomes import Outcome, Reason, Result

CHECKS = MappingProxyType(
    {
        "form": Text("内容格式", "Form"),
        "signature": Text("签发部门签名", "Issuer's signature"),
        "type_header": Text("证照类型", "Type of licence"),
        "issuer": Text("签发部门身份", "Issuer's identity"),
        "disclosures": Text("出示项目完整", "Disclosed fields"),
        "asked": Text("符合所请求的内容", "As it was asked for"),
        "marked_copy": Text("加注件期限", "Marked copy's time"),
        "validity": Text("有效期", "Validity"),
        "holder_binding": Text("持证人本人出示", "Shown by its holder"),
        "audience": Text("出示对象", "Meant for this service"),
        "nonce": Text("本次出示", "Meant for this occasion"),
        "transaction": Text("持证人确认的事项", "The act that was confirmed"),
        "status": Text("证照当前状态", "Status now"),
    }
)
RESULTS = MappingProxyType(
    {
        Result.PASSED: Text("通过", "passed"),
        Result.FAILED: Text("未通过", "failed"),
        Result.NOT_ASKED: Text("未检查", "not checked"),
        Result.NOT_REACHED: Text("未进行", "not reached"),
    }
)
REASONS = MappingProxyType(
    {
        Reason.MALFORMED: Text("内容不是可识别的电子证照。", "It is not an e-licence that can be read."),
        Reason.NO_CERTIFICATE: Text("未附可用的签发证书。", "It carries no usable certificate of its issuer."),
        Reason.BAD_SIGNATURE: Text("签名不符，内容可能被改动。", "The signature does not fit; the content may have been changed."),
        Reason.WRONG_TYPE: Text("不是所需类型的证照。", "It is not a licence of the type that is expected."),
        Reason.UNTRUSTED: Text(
            "签发证书不受信任，或签发时不在有效期内。", "The issuer's certificate is not trusted, or was not in its period when it signed."
        ),
        Reason.CERTIFICATE_REVOKED: Text("签发证书已被吊销。", "The issuer's certificate was revoked."),
        Reason.NOT_GRANTED: Text("信任名单未许可该部门签发此类证照。", "The trust list does not let this issuer issue licences of this type."),
        Reason.LIST_EXPIRED: Text(
            "来源地的信任名单已过期，暂无法确认签发部门。",
            "The trust list of the issuer's province is past its time; the issuer cannot be confirmed now.",
        ),
        Reason.WRONG_ISSUER: Text("签发部门与证书不一致。", "The issuer is not the one that the certificate names."),
        Reason.BAD_DISCLOSURES: Text("出示项目与证照不符。", "The disclosed fields do not belong to the licence."),
        Reason.NOT_AS_ASKED: Text("出示的内容与请求不符。", "It is not what was asked for."),
        Reason.NOT_CONFIRMED: Text("持证人未确认所请求的事项。", "The holder did not confirm the act that was asked."),
        Reason.COPY_EXPIRED: Text("加注件已过有效期，不能再用于所注事由。", "The marked copy has expired; it no longer serves what it was made for."),
        Reason.NOT_YET_VALID: Text("证照尚未生效。", "The licence is not valid yet."),
        Reason.EXPIRED: Text(
            "出示的内容已过有效期：证照到期，或离线码超过24小时，须由持证人重新生成。",
            "What was shown has expired: the licence ended, or its offline code is over a day old and must be made anew.",
        ),
        Reason.NOT_BOUND: Text("缺少持证人本人的确认。", "The holder's own confirmation is missing."),
        Reason.UNEXPECTED_BINDING: Text("附有未要求的持证人确认。", "It has a holder's confirmation that was not asked for."),
        Reason.BAD_BINDING: Text("持证人确认无效。", "The holder's confirmation is not right."),
        Reason.BOUND_BY_MAC: Text("持证人设备用MAC确认，此处只接受签名。", "The holder's device proved by a MAC; only a signature is taken here."),
        Reason.OTHER_HOLDER: Text("答复的不是被询问的人。", "Somebody else answered than the one who was asked."),
        Reason.STALE_BINDING: Text("持证人确认不在允许的时间内。", "The holder's confirmation was not made just now."),
        Reason.WRONG_AUDIENCE: Text("不是向本系统出示的。", "It was shown to someone else."),
        Reason.WRONG_NONCE: Text("不是为本次核验出示的。", "It was shown for another occasion."),
        Reason.NO_STATUS: Text("证照未注明状态查询方式。", "The licence does not say where its status is kept."),
        Reason.STATUS_UNKNOWN: Text("无法查明证照的当前状态。", "The licence's status cannot be told."),
        Reason.IDENTIFIER_KEPT: Text(
            "未出示证照标识（licence_identifier），无法查明证照的当前状态；请持证人一并出示。",
            "The licence_identifier was not shown; without it the licence's status cannot be told. Ask the holder to show it, too.",
        ),
        Reason.SOURCE_UNAVAILABLE: Text(
            "暂时无法连接证照状态的来源，请稍后再试。", "The source of the licence's status cannot be reached now; try again later."
        ),
        Reason.SUSPENDED: Text("证照已暂扣。", "The licence is suspended."),
        Reason.REVOKED: Text("证照已被撤销或吊销。", "The licence has been revoked."),
        Reason.HOLDER_ENDED: Text(
            "登记库记载持证主体已去世或已注销，证照不能再出示。", "The holder has died, or was dissolved; nobody can show the licence."
        ),
        Reason.NOT_IN_FORCE: Text("证照已不再有效。", "The licence is no longer in force."),
        Reason.SHORT_LIVED: Text(
            "此凭证有效期不超过24小时，签发方不提供状态查询，证照当前状态无从查询。",
            "It is good for 24 hours at most and its issuer keeps no status of it, so that nobody could be asked how the licence stands now.",
        ),
    }
)


ENDED = {
    "annulled": Text("证照已被撤销。", "The licence has been annulled."),
    "revoked": Text("证照已被吊销。", "The licence has been revoked."),
}


def reason_in(reason: Reason, state: str | None) -> Text:
    """Return a reason in words; of a licence that was ended, in which of the two ways, where its state at the time is known."""
    return ENDED[state] if reason is Reason.REVOKED and state in ENDED else REASONS[reason]


def as_rows(outcomes: tuple[Outcome, ...]) -> list[dict[str, str | None]]:
    """Return the outcomes as the API gives them: check, outcome, the reason's code, and the reason in the caller's language."""
    return [
        {
            "check": outcome.check,
            "outcome": outcome.result.value,
            "reason": outcome.reason.value if outcome.reason else None,
            "detail": str(REASONS[outcome.reason]) if outcome.reason else None,
        }
        for outcome in outcomes
    ]
