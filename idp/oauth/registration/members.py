"""Every member of a registration as an operator's page asks for it: its kind, its name and what it is for, in both languages. Pure."""

from dataclasses import dataclass

from idp.oauth import scopes
from idp.oauth.client_kinds import AUTH_METHODS, GRANT_TYPES
from idp.oauth.client_metadata import FAPI2, FAPI2_MESSAGE_SIGNING, HAIP, RESPONSE_MODES
from keys import jwe, suites
from runtime.languages import Text

TEXT, LINES, FLAG, CHOICE, BOXES, JSON, WHOLE = "text", "lines", "flag", "choice", "boxes", "json", "whole"
SIGNING, ALGS, ENCS = tuple(suites.SUITES), jwe.ALGS, jwe.ENCS


@dataclass(frozen=True, slots=True)
class Member:
    """A member: its name in RFC 7591 and the specifications that add to it, how it is asked for, and what to say beside it."""

    name: str
    kind: str
    label: Text
    hint: Text | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Members that belong together."""

    id: str
    title: Text
    members: tuple[Member, ...]


def _answer(name: str, zh: str, en: str) -> tuple[Member, ...]:
    return (
        Member(f"{name}_signed_response_alg", CHOICE, Text(f"{zh}的签名算法", f"{en}: signature"), choices=SIGNING),
        Member(f"{name}_encrypted_response_alg", CHOICE, Text(f"{zh}的密钥加密算法", f"{en}: key encryption"), choices=ALGS),
        Member(f"{name}_encrypted_response_enc", CHOICE, Text(f"{zh}的内容加密算法", f"{en}: content encryption"), choices=ENCS),
    )


GROUPS = (
    Group(
        "basics",
        Text("基本信息", "What it is"),
        (
            Member(
                "client_name#zh",
                TEXT,
                Text("中文名称", "Name in Chinese"),
                Text("登录和授权页面上显示给用户。", "People read it where they sign in."),
            ),
            Member("client_name#en", TEXT, Text("英文名称", "Name in English")),
            Member(
                "owner",
                TEXT,
                Text("责任单位代码", "Who answers for it"),
                Text("统一社会信用代码，18位。", "A unified social credit code, 18 characters."),
            ),
            Member("application_type", CHOICE, Text("应用类型", "Kind of application"), choices=("web", "native")),
            Member("grant_types", BOXES, Text("授权方式", "Grants"), Text("只勾选需要的。", "Only those that it needs."), choices=GRANT_TYPES),
            Member("scope", BOXES, Text("授权范围", "Scopes"), Text("可以请求的全部范围。", "All that it may ask for."), choices=tuple(scopes.ALL)),
            Member(
                "first_party",
                FLAG,
                Text("自有门户：不逐次征求同意", "First-party: asks for no consent"),
                Text("完整号码和证照仍须用户同意。", "A full number and licences still take consent."),
            ),
        ),
    ),
    Group(
        "addresses",
        Text("地址", "Addresses"),
        (
            Member(
                "redirect_uris",
                LINES,
                Text("登录后返回的地址", "Where people come back to"),
                Text("每行一个，须与请求逐字一致；使用 https。", "One a line, letter by letter as it will be asked for; https."),
            ),
            Member(
                "post_logout_redirect_uris",
                LINES,
                Text("退出后返回的地址", "Where they come back to from signing out"),
                Text("每行一个。", "One a line."),
            ),
            Member("initiate_login_uri", TEXT, Text("由他处发起登录的地址", "Where others may begin a sign-in")),
            Member("backchannel_logout_uri", TEXT, Text("后台退出通知地址", "Told of ended sessions, by our server")),
            Member("backchannel_logout_session_required", FLAG, Text("后台退出通知须带会话标识", "Such a message must name the session")),
            Member("frontchannel_logout_uri", TEXT, Text("前台退出通知地址", "Told of ended sessions, by the browser")),
            Member("frontchannel_logout_session_required", FLAG, Text("前台退出通知须带会话标识", "Such a call must name the session")),
        ),
    ),
    Group(
        "proof",
        Text("身份凭据", "How it proves itself"),
        (
            Member(
                "token_endpoint_auth_method",
                CHOICE,
                Text("证明方式", "Proof"),
                Text("推荐 private_key_jwt：不需要共享密钥。", "private_key_jwt is best: no secret is shared."),
                choices=AUTH_METHODS,
            ),
            Member(
                "jwks",
                JSON,
                Text("公钥集（JWKS）", "Public keys (JWKS)"),
                Text("粘贴 JSON；与下一项只填一个。", "Paste the JSON; this or the next, not both."),
            ),
            Member("jwks_uri", TEXT, Text("公钥集地址", "Where its keys are")),
            Member("token_endpoint_auth_signing_alg", CHOICE, Text("证明所用的签名算法", "Signature of its proof"), choices=SIGNING),
            Member("tls_client_auth_subject_dn", TEXT, Text("证书主题名", "Certificate: subject"), Text("以下五项只填一个。", "One of these five.")),
            Member("tls_client_auth_san_dns", TEXT, Text("证书别名：域名", "Certificate: DNS name")),
            Member("tls_client_auth_san_uri", TEXT, Text("证书别名：URI", "Certificate: URI")),
            Member("tls_client_auth_san_ip", TEXT, Text("证书别名：IP 地址", "Certificate: IP address")),
            Member("tls_client_auth_san_email", TEXT, Text("证书别名：邮箱", "Certificate: e-mail address")),
        ),
    ),
    Group(
        "security",
        Text("安全要求", "Security"),
        (
            Member(
                "security_profile",
                CHOICE,
                Text("安全规范", "Profile"),
                Text("选定后，不符合规范的请求一律拒绝。", "Whatever is not as the profile has it is refused."),
                choices=(FAPI2, FAPI2_MESSAGE_SIGNING, HAIP),
            ),
            Member(
                "pkce_optional",
                FLAG,
                Text("PKCE 可选", "PKCE may be left out"),
                Text("只用于不支持 PKCE 的老门户。", "For an old portal that knows no PKCE; for no other."),
            ),
            Member("require_pushed_authorization_requests", FLAG, Text("必须先推送授权请求（PAR）", "Requests must be pushed (PAR)")),
            Member("require_signed_request_object", FLAG, Text("授权请求必须签名（JAR）", "Requests must be signed (JAR)")),
            Member("dpop_bound_access_tokens", FLAG, Text("令牌绑定密钥（DPoP）", "Tokens are bound to a key (DPoP)")),
            Member("tls_client_certificate_bound_access_tokens", FLAG, Text("令牌绑定证书（mTLS）", "Tokens are bound to its certificate (mTLS)")),
            Member("request_object_signing_alg", CHOICE, Text("请求的签名算法", "Requests: signature"), choices=SIGNING),
            Member("request_object_encryption_alg", CHOICE, Text("请求的密钥加密算法", "Requests: key encryption"), choices=ALGS),
            Member("request_object_encryption_enc", CHOICE, Text("请求的内容加密算法", "Requests: content encryption"), choices=ENCS),
            Member("request_uris", LINES, Text("可引用的请求地址", "Addresses of requests"), Text("每行一个。", "One a line.")),
        ),
    ),
    Group(
        "people",
        Text("用户标识与等级", "People"),
        (
            Member(
                "subject_type",
                CHOICE,
                Text("用户标识", "What people are called"),
                Text("pairwise：各门户看到的标识不同。", "pairwise: another name at every portal."),
                choices=("pairwise", "public"),
            ),
            Member(
                "sector",
                TEXT,
                Text("所属分区", "Sector"),
                Text("同一分区的客户端看到相同的用户标识。", "Clients of one sector know a person by the same name."),
            ),
            Member("sector_identifier_uri", TEXT, Text("分区文件地址", "Where its sector is told")),
            Member(
                "levels",
                JSON,
                Text("各范围要求的等级", "Levels that scopes demand"),
                Text('例如 {"number": "ial3", "openid": "aal2"}', 'such as {"number": "ial3", "openid": "aal2"}'),
            ),
            Member("default_acr_values", LINES, Text("默认要求的等级（acr）", "Levels asked for (acr)"), Text("每行一个。", "One a line.")),
            Member("default_max_age", WHOLE, Text("登录的最长时效（秒）", "Oldest sign-in, in seconds")),
            Member("require_auth_time", FLAG, Text("身份令牌须带登录时间", "ID tokens say when people signed in")),
        ),
    ),
    Group(
        "answers",
        Text("返回内容的签名与加密", "Signed and encrypted answers"),
        (
            *_answer("id_token", "身份令牌", "ID token"),
            *_answer("userinfo", "用户信息", "Userinfo"),
            Member(
                "response_modes",
                BOXES,
                Text("授权响应方式", "Response modes"),
                Text("不勾选即可使用全部方式。", "None ticked: it may use every one."),
                choices=RESPONSE_MODES,
            ),
            *_answer("authorization", "授权响应", "Authorization response"),
            *_answer("introspection", "令牌查询结果", "Introspection"),
        ),
    ),
    Group(
        "apart",
        Text("其他设备确认与扩展", "Approved apart, and extensions"),
        (
            Member("backchannel_token_delivery_mode", CHOICE, Text("结果交付方式", "How results are delivered"), choices=("poll", "ping")),
            Member("backchannel_client_notification_endpoint", TEXT, Text("结果通知地址", "Where it is told of results")),
            Member("backchannel_authentication_request_signing_alg", CHOICE, Text("确认请求的签名算法", "Such requests: signature"), choices=SIGNING),
            Member("backchannel_user_code_parameter", FLAG, Text("使用用户代码", "Uses user codes")),
            Member("authorization_details_types", LINES, Text("授权详情类型", "Types of authorization details"), Text("每行一个。", "One a line.")),
            Member("resources", LINES, Text("可请求的资源", "Resources"), Text("每行一个。", "One a line.")),
            Member(
                "may_exchange_from",
                LINES,
                Text("可提交令牌的客户端", "May bring the tokens of"),
                Text("每行一个客户端标识。", "One client a line."),
            ),
            Member(
                "may_exchange_for", LINES, Text("可换取令牌的对象", "May exchange tokens for"), Text("每行一个客户端标识。", "One client a line.")
            ),
        ),
    ),
    Group(
        "about",
        Text("说明信息", "About it"),
        (
            Member("client_uri", TEXT, Text("主页", "Home page")),
            Member("logo_uri", TEXT, Text("标识图片", "Logo")),
            Member("policy_uri", TEXT, Text("隐私政策", "Privacy policy")),
            Member("tos_uri", TEXT, Text("服务条款", "Terms of service")),
            Member("contacts", LINES, Text("联系人", "Contacts"), Text("每行一个。", "One a line.")),
            Member("software_id", TEXT, Text("软件标识", "Software")),
            Member("software_version", TEXT, Text("软件版本", "Version")),
        ),
    ),
)
MEMBERS = tuple(member for group in GROUPS for member in group.members)
