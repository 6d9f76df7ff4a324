"""The checks, their outcomes and the reasons for these, and what to do next, in words that an officer reads."""

from types import MappingProxyType

from runtime.languages import Text
from wallet.verifying.conclusions import Conclusion
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
UNTOLD = Text("未能查明", "could not be told")  # a check that failed since nobody could answer it: nothing is wrong with what was shown
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
        Reason.NOT_REGISTERED: Text("登记簿中没有标识和号码都与此相符的证照。", "The register has no licence with this identifier and this number."),
        Reason.SOURCE_UNAVAILABLE: Text(
            "暂时无法连接证照状态的来源，请稍后再试。", "The source of the licence's status cannot be reached now; try again later."
        ),
        Reason.SUSPENDED: Text("证照已暂扣。", "The licence is suspended."),
        Reason.REVOKED: Text("证照已终止（撤销、吊销、注销或失效）。", "The licence is over: annulled, revoked, cancelled or lapsed."),
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

NEXT = MappingProxyType(
    {
        Conclusion.FALSE: Text(
            "不能凭此办理，重新出示也不能证明其真实；请与发证部门核实。",
            "Nothing can be done on it, and showing it again proves nothing; ask the issuer.",
        ),
        Conclusion.EXPIRED: Text(
            "证照到期的，请持证人先换证；离线码或加注件过期的，请其重新生成后再出示。",
            "Where the licence has ended, its holder has it renewed first; an offline code or a marked copy is made anew and shown again.",
        ),
        Conclusion.SUSPENDED: Text(
            "暂扣期间不能凭此办理，重新出示结果相同；持证人有异议的，请其联系发证部门。",
            "It serves for nothing while it is suspended, however often it is shown; whoever disagrees turns to the issuer.",
        ),
        Conclusion.REVOKED: Text(
            "该证照不能再使用，重新出示结果相同；持证人有异议的，请其联系发证部门。",
            "It can no longer be used, however often it is shown; whoever disagrees turns to the issuer.",
        ),
        Conclusion.NOT_YET_VALID: Text(
            "生效之前不能凭此办理；请持证人在生效之后再来。", "It serves from its first day on; ask its holder to come back then."
        ),
        Conclusion.NOT_IN_FORCE: Text(
            "请持证人出示现行有效的证照，或与发证部门核实。", "Ask for the licence that is in force now, or ask the issuer about it."
        ),
        Conclusion.UNTRUSTED_ISSUER: Text(
            "无法确认由谁签发，不能凭此办理；请与所称的发证部门核实。", "Nobody can say who issued it; ask the department that it names."
        ),
        Conclusion.NOT_SHOWN_BY_HOLDER: Text(
            "请持证人本人在自己的手机上重新生成并出示。", "Ask its holder to make a new one on their own phone, and to show that."
        ),
        Conclusion.OTHER_TYPE: Text("请持证人出示所需类型的证照。", "Ask for a licence of the type that is needed."),
        Conclusion.NOT_AS_ASKED: Text("请重新发出请求，由持证人按请求出示。", "Ask the wallet anew, and have it answer what is asked."),
        Conclusion.NOT_CONFIRMED: Text("请重新发出请求，由持证人确认该事项。", "Ask the wallet anew, and have its holder confirm the act."),
        Conclusion.UNREADABLE: Text("请完整地重新扫描，或请持证人重新出示。", "Scan the whole of it again, or ask for another."),
        Conclusion.UNKNOWN: Text(
            "现状不明，暂不能凭此办理；请持证人用本系统的二维码出示，或与发证部门核实。",
            "How it stands is not known, so it is not enough; ask for a code of this service, or ask the issuer.",
        ),
        Conclusion.SOURCE_UNAVAILABLE: Text(
            "不是持证人的问题：请几分钟后请其再出示一次；仍无法核验的，与发证部门核实。",
            "It is no fault of its holder: have it shown again in a few minutes; if that does not help, ask the issuer.",
        ),
    }
)
NEXT_BY_REASON = {
    Reason.NOT_REGISTERED: Text(
        "请逐字核对标识和号码后再试；仍查不到的，不能凭此办理，请与所称的发证部门核实。",
        "Compare both letter by letter and try again; if it still is not found, nothing can be done on it: ask the department that it names.",
    ),
    Reason.LIST_EXPIRED: Text(
        "不是持证人的问题，再次出示结果相同：请告知系统运营人员更新来源地的信任名单；不能等候的，与发证部门核实。",
        "It is no fault of its holder, and showing it again changes nothing: tell the operator that the province's trust list ran out; "
        "if it cannot wait, ask the issuer.",
    ),
}
ENDED = {
    "annulled": Text("证照已被撤销。", "The licence has been annulled."),
    "revoked": Text("证照已被吊销。", "The licence has been revoked."),
    "cancelled": Text("证照已注销。", "The licence has been cancelled."),
    "lapsed": Text("证照已失效。", "The licence has lapsed."),
    "transferred": Text("证照正转往另一部门，其间不能使用。", "The licence is on its way to another department, and cannot be used meanwhile."),
    "valid": Text("出示的这份凭证已作废，证照本身有效。", "What was shown has been taken back; the licence itself holds."),
}
LATE = {
    "expired": Text("证照已过有效期。", "The licence has expired."),
    "valid": Text("出示的内容已过有效期，证照本身有效。", "What was shown has expired; the licence itself holds."),
}
BY_STATE = {Reason.REVOKED: ENDED, Reason.NOT_IN_FORCE: ENDED, Reason.EXPIRED: LATE}
RENEW = Text("请持证人先到发证部门换证。", "Its holder has it renewed by the issuer first.")


def reason_in(reason: Reason, state: str | None) -> Text:
    """Return a reason in words; where the licence's state at the time is known, whether that is over, and in which of the ways."""
    return BY_STATE.get(reason, {}).get(state or "", REASONS[reason])


def next_step(conclusion: Conclusion | None, state: str | None, *, reason: Reason | None = None) -> Text | None:
    """Return what to do about a conclusion, or None where none is known; of a licence that holds, another credential can be made."""
    if reason in NEXT_BY_REASON:
        return NEXT_BY_REASON[reason]
    if conclusion in (Conclusion.REVOKED, Conclusion.EXPIRED) and state == "valid":
        conclusion = Conclusion.NOT_SHOWN_BY_HOLDER
    if conclusion is Conclusion.EXPIRED and state == "expired":
        return RENEW
    return NEXT.get(conclusion) if conclusion is not None else None


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
