"""What is wrong with a registration, in Chinese as well: the rules say it in English, once, for programs; people read it beside the field. Pure."""

import re

from runtime.fault_words import CHINESE, find_words
from runtime.languages import Text

KINDS_OF_ADDRESS = {
    "https, without fragment": "应为 https 地址，不含 # 及其后的部分。",
    "https, without fragment and user name": "应为 https 地址，不含用户名，也不含 # 及其后的部分。",
    "It must be an https address without user name and fragment.": "应为 https 地址，不含用户名，也不含 # 及其后的部分。",
    "https, or http to 127.0.0.1 or [::1] (not localhost), without fragment": (
        "应为 https 地址（本机可用 http，写作 127.0.0.1 或 [::1]，不写 localhost），不含 # 及其后的部分。"
    ),
    "https, http to 127.0.0.1 or [::1] (not localhost), or a native application's own scheme, without fragment; just for authorization_code": (
        "应为 https 地址（本机可用 http，写作 127.0.0.1 或 [::1]，不写 localhost；原生应用可用自有协议），"
        "不含 # 及其后的部分；勾选 authorization_code 时必填，否则不填。"
    ),
    "https, or http to 127.0.0.1 or [::1] (not localhost)": "应为 https 地址（本机可用 http，写作 127.0.0.1 或 [::1]，不写 localhost）。",
    "of the origin of one of the redirect_uris": "应与某个登录后返回的地址同源（协议、域名、端口相同）。",
}
WHOLE = KINDS_OF_ADDRESS | {
    "It is blank, or holds characters that are not seen.": "不能为空白，也不能含有看不见的字符。",
    "It must be of visible ASCII characters.": "只能使用半角英文字母、数字和符号，不含空格。",
    "It must be a unified social credit code.": "应为18位统一社会信用代码。",
    "It must be of a-z, 0-9 and -.": "只能使用小写字母、数字和连字符。",
    "letters, digits and .-_~, at most 100": "只能使用字母、数字和 . - _ ~，最多100个。",
    "attest_jwt_client_auth under haip": "在HAIP规范下须使用钱包证明（attest_jwt_client_auth）。",
    "true: a wallet under haip has tokens that are bound by DPoP": "须为真：HAIP规范下的卡包应用，其令牌须以DPoP绑定。",
    "private_key_jwt and self_signed_tls_client_auth want jwks or jwks_uri, not both": "这种证明方式须填写公钥集或公钥集地址，只填一个。",
    "tls_client_auth, and no other, wants just one name of its certificate": "证明方式为 tls_client_auth 时须填写一个证书名称；其他方式不填。",
    "tokens are bound to a key or to a certificate, not to both": "令牌只能绑定密钥或证书，请只选一种。",
    "a client that proves nothing cannot have this grant": "不证明身份的客户端不能使用所选的授权方式。",
    "a client under FAPI 2.0 cannot have the device grant": "遵循 FAPI 2.0 的客户端不能使用设备授权。",
    "poll, or ping with a backchannel_client_notification_endpoint": "请选择 poll；选择 ping 的，还须填写结果通知地址。",
    "false: no user codes are kept": "本系统不使用用户代码，请取消勾选。",
    "false, but for a web application that proves itself and is under no profile": "仅限能证明身份、未选安全规范的网站应用，请取消勾选。",
    "It is not a valid unified social credit code: check each character.": "不是有效的统一社会信用代码，请核对每一位。",
    "only of scopes of people that it has": "只能为已勾选的、涉及个人的授权范围设定等级。",
    "such as ial3, aal2 or ial3aal2": "等级应写作 ial3、aal2 或 ial3aal2。",
    "answers are encrypted to a key in jwks or jwks_uri": "加密返回内容须先填写公钥集或公钥集地址。",
    "not the one of all who have public subjects": "不能使用公共标识的分区。",
    "a client of a sector has redirect_uris, or a jwks_uri, for the document to name": "须有登录后返回的地址或公钥集地址，供分区文件列出。",
    "sector_identifier_uri is not https": "应为 https 地址。",
    "there is no JSON behind sector_identifier_uri": "在此地址未能取得 JSON 文件，请核对地址，并确认可从本系统访问。",
    "there is no JSON array of addresses behind sector_identifier_uri": "此地址的文件应为 JSON 数组，逐一列出地址。",
    "the document behind sector_identifier_uri does not name each of redirect_uris, or not the jwks_uri": (
        "此地址的文件须列出全部登录后返回的地址，以及所用的公钥集地址。"
    ),
    "a whole number of seconds": "应为整数，单位为秒。",
    "types that authorization_details_types_supported names": "只能填写元数据 authorization_details_types_supported 中列出的类型。",
    "https under FAPI 2.0; http to 127.0.0.1 or [::1] for a native application alone": (
        "FAPI 2.0 下应为 https 地址；仅原生应用可用 http（127.0.0.1 或 [::1]）。"
    ),
    "message signing wants jwks or jwks_uri": "消息签名须填写公钥集或公钥集地址。",
    "not a key set of one to ten keys": "应为含1至10个公钥的公钥集。",
    "a key set of public keys is wanted": "公钥集里只能有公钥。",
    "this, or tls_client_certificate_bound_access_tokens: the profile has no bearer tokens": "所选安全规范要求令牌绑定密钥或证书，请选一种。",
}
IN_PART = (
    (re.compile(r"(?:uses )?must be from (\d+) to (\d+)"), "应为{}至{}。"),
    (re.compile(r"only with (\w+)"), "须同时选择 {}。"),
    (re.compile(r"keys for (.+)"), "应含可用于以下算法的公钥：{}。"),
    (re.compile(r"HS256 for client_secret_jwt; for private_key_jwt one of (.+)"), "client_secret_jwt 只能用 HS256；private_key_jwt 可用：{}。"),
    (re.compile(r"one of (.+), and so every other _alg"), "可填：{}；其他签名算法也一样。"),
)
BLAMED = re.compile(r"([A-Za-z_#-]+) is not acceptable: \[?'?(.*?)'?\]?")


def in_words(said: str) -> Text:
    """Return what a rule says in both languages; where only the English is known, it is quoted."""
    if blamed := BLAMED.fullmatch(said):
        inner = in_words(blamed[2])
        return Text(f"{blamed[1]}：{inner.zh}", f"{blamed[1]}: {inner.en}")
    known = find_words(said, whole=WHOLE, in_part=IN_PART) or find_words(said)
    return known or Text(said if CHINESE.search(said) else f"请核对此项（{said}）。", said)
