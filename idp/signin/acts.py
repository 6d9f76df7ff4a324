"""What the ledger says of a person, in words: a sentence for every act that concerns one. The one table of them.

`{what}` is filled with what the act was about (a portal, a licence, a way to sign in); who did it is said beside it.
"""

from types import MappingProxyType

from runtime.languages import Text

ACTS = MappingProxyType(
    {
        "account.opened": Text("开通账号", "Opened the account"),
        "account.closed": Text("注销账号", "Closed the account"),
        "account.moved": Text("账号与登记库核对一致，转入正式主体", "The account was matched with the registry, and went over to its subject there"),
        "account.taken_over": Text("登记库核实的本人开通账号，原一级账号终止", "Whom the registry knows opened an account; the one at level 1 ended"),
        "account.reopened": Text("经窗口核实，重新开通账号", "Opened the account again, after a counter's check"),
        "account.exported": Text("下载了账号的全部数据", "Downloaded all data of the account"),
        "acting.begun": Text("开始代表{what}办理", "Began to act for {what}"),
        "acting.ended": Text("改为以本人身份办理", "Went back to acting for oneself"),
        "asking.refused": Text("拒绝了“{what}”的登录请求", "Refused a request of {what}"),
        "asking.reported": Text("拒绝并举报了“{what}”的登录请求", "Refused and reported a request of {what}"),
        "asking.heard_again": Text("重新接收“{what}”的登录请求", "Hears from {what} again"),
        "browser.trusted": Text("信任了一个浏览器", "Trusted a browser"),
        "browser.no-longer-trusted": Text("不再信任一个浏览器", "No longer trusts a browser"),
        "code.made": Text("为“{what}”生成了离线码", "Made a code of the {what} that is checked without a network"),
        "code.asked": Text("请求发送一次性验证码", "Asked for a one-time code"),
        "consent.given": Text("授权“{what}”获取信息", "Allowed {what} to have information"),
        "consent.withdrawn": Text("收回对“{what}”的授权", "Took back what {what} was allowed"),
        "contact.added": Text("新增联系方式（{what}）", "Added an address ({what})"),
        "contact.removed": Text("移除联系方式（{what}）", "Removed an address ({what})"),
        "credential.issued": Text("“{what}”的电子凭证存入了卡包应用", "Credentials of the {what} went into a wallet"),
        "credential.offered": Text("准备了领取“{what}”的邀请", "Made an offer to fetch the {what} into a wallet"),
        "credential.taken-back": Text("从一个卡包应用收回了电子凭证", "Took credentials back from a wallet"),
        "document.made": Text("制作了“{what}”的盖章文件", "Made a sealed document of the {what}"),
        "draw.made": Text("依职权调用了“{what}”", "Drew the {what} on statutory authority or with consent"),
        "guardianship.ended": Text("监护关系结束", "A guardianship ended"),
        "identity.proven": Text("实名等级得到证明：{what}", "Real-name level proven: {what}"),
        "identity.withdrawn": Text("一项实名证明被撤回", "A proof of the real-name level was withdrawn"),
        "exchange.acting": Text("凭“{what}”的登录取得了代表单位办理的凭证", "Got a token to act for the organisation, by a sign-in at {what}"),
        "exchange.made": Text("凭发给“{what}”的凭证换取了范围更小的凭证", "Got a narrower token for one that {what} was given"),
        "exchange.vouched": Text("凭“{what}”所用身份系统的证明取得了凭证", "Got a token by the word of the identity system of {what}"),
        "offer.redeemed": Text("卡包应用领取了为其准备的凭证", "A wallet took up an offer of credentials"),
        "licence.issued": Text("签发了“{what}”", "Issued the {what}"),
        "licence.revoked": Text("吊销了“{what}”", "Revoked the {what}"),
        "licence.renewed": Text("延续换发了“{what}”", "Renewed the {what}"),
        "licence.changed": Text("变更了“{what}”", "Changed the {what}"),
        "licence.replaced": Text("补发了“{what}”", "Replaced the {what}"),
        "licence.suspended": Text("暂扣了“{what}”", "Suspended the {what}"),
        "licence.resumed": Text("恢复了“{what}”", "Resumed the {what}"),
        "licence.annulled": Text("撤销了“{what}”", "Annulled the {what}"),
        "licence.cancelled": Text("注销了“{what}”", "Cancelled the {what}"),
        "licence.lapsed": Text("“{what}”失效", "The {what} lapsed"),
        "licence.transferred-out": Text("转出了“{what}”", "Transferred the {what} to another department"),
        "licence.transferred-in": Text("转入了“{what}”", "Took the {what} over from another department"),
        "licence.gathered": Text("“{what}”并入另一证照（多证合一）", "Gathered the {what} into another licence"),
        "licence.released": Text("“{what}”从另一证照分出", "Took the {what} out of another licence"),
        "licence.due": Text(
            "“{what}”所载持证人信息已变化，待发证部门变更", "What the {what} says of its holder is not so any more; its issuer knows"
        ),
        "licence.found": Text("查找到“{what}”", "Found the {what} in its register"),
        "licence.read": Text("查看了“{what}”的全部内容", "Looked at all that the {what} says"),
        "act-request.read": Text("查看了“{what}”的申请内容", "Looked at all that a request for the {what} says"),
        "licences.searched": Text("查询了本部门为您签发的证照", "Looked up the licences that it has issued to you"),
        "guardian.entered": Text("监护人添加了未成年人", "A guardian entered a minor"),
        "mandate.asked": Text("有部门核实授权", "A department asked about mandates"),
        "mandate.changed": Text("变更授权：{what}", "Changed a mandate: {what}"),
        "mandate.ended": Text("结束授权：{what}", "Ended a mandate: {what}"),
        "mandate.given": Text("授予办事权限：{what}", "Gave a mandate: {what}"),
        "officer.added": Text("被列为部门工作人员", "Became an officer of a department"),
        "officer.removed": Text("不再是部门工作人员", "Is no longer an officer of a department"),
        "operator.added": Text("被列为系统运营人员", "Became an operator of the service"),
        "operator.removed": Text("不再是系统运营人员", "Is no longer an operator of the service"),
        "passkey.added": Text("新增通行密钥", "Added a passkey"),
        "passkey.copy-refused": Text("拒绝了一个疑似被复制的通行密钥", "Refused a passkey that seems to have been copied"),
        "passkey.removed": Text("移除通行密钥", "Removed a passkey"),
        "passkey.renamed": Text("修改通行密钥的名称", "Renamed a passkey"),
        "password.changed": Text("修改密码", "Changed the password"),
        "password.voided": Text("密码已作废", "The password was made void"),
        "portal.signed_in": Text("登录门户“{what}”", "Signed in to {what}"),
        "portal.signed_out": Text("退出门户“{what}”", "Signed out of {what}"),
        "presentation.made": Text("生成亮码，准备出示证照", "Made a code to show licences with"),
        "recovery-code.used": Text("使用了一个恢复码", "Used a recovery code"),
        "recovery-codes.made": Text("生成了一组新的恢复码", "Made new recovery codes"),
        "recovery.begun": Text("有人凭登记信息申请恢复账号", "Someone asked to recover the account by what the registry knows"),
        "recovery.cancelled": Text("账号恢复申请被取消", "A recovery was cancelled"),
        "recovery.completed": Text("恢复账号，设置了新密码（{what}）", "Recovered the account with a new password ({what})"),
        "recovery.granted": Text("窗口核对身份后发放了恢复代码", "A counter checked the person and handed over a recovery code"),
        "recovery.mismatched": Text(
            "有人申请恢复账号，但登记信息不符", "Someone asked to recover the account, and did not know what the registry knows"
        ),
        "refresh.ended": Text("门户“{what}”的长期授权结束", "The lasting permission of {what} ended"),
        "representative.changed": Text("法定代表人变更", "The legal representative changed"),
        "scan.confirmed": Text("扫码登录了另一台设备", "Signed in another device by scanning"),
        "scan.refused": Text("拒绝了一次扫码登录", "Refused a sign-in by scanning"),
        "scan.reported": Text("举报了一次扫码登录", "Reported a sign-in by scanning"),
        "scan.wrong": Text("扫码登录时数字不符，未登录", "Typed wrong digits for a sign-in by scanning; nobody was signed in"),
        "session.begun": Text("登录（{what}）", "Signed in ({what})"),
        "session.ended": Text("退出登录", "A sign-in ended"),
        "session.raised": Text("再次验证身份（{what}）", "Proved once more who it is ({what})"),
        "signin.disowned": Text("表示“不是我本人登录”", "Said that a sign-in was not theirs"),
        "subject.stated": Text("按本人填写的号码和姓名录入（一级）", "Entered by the number and name that they gave (level 1)"),
        "subject.confirmed": Text("与登记库核对一致", "Matched with the registry"),
        "subject.added": Text("由登记库录入", "Entered from the registry"),
        "subject.ended": Text("登记库登记终止", "Ended in the registry"),
        "subject.renamed": Text("登记的姓名或名称变更", "The registered name changed"),
        "subject.renumbered": Text("登记的号码变更", "The registered number changed"),
        "subject.restored": Text("登记恢复", "Restored in the registry"),
        "token.revoked": Text("门户“{what}”交还了访问凭证", "{what} gave an access token back"),
        "tokens.cut": Text("收回了发给门户的全部访问凭证", "Took back every access token that portals held"),
        "totp.added": Text("新增动态验证码验证器", "Added an authenticator"),
        "totp.removed": Text("移除动态验证码验证器", "Removed an authenticator"),
        "verification.made": Text("核验了“{what}”", "Checked the {what}"),
    }
)
# What an act is about, where nobody knows it by a name.
SOMETHING = MappingProxyType(
    {
        "acting": Text("一个单位", "an organisation"),
        "asking": Text("一个门户", "a portal"),
        "consent": Text("一个门户", "a portal"),
        "contact": Text("联系方式", "an address"),
        "credential": Text("证照", "licence"),
        "draw": Text("证照", "licence"),
        "exchange": Text("一个业务系统", "a system"),
        "licence": Text("证照", "licence"),
        "portal": Text("一个门户", "a portal"),
        "refresh": Text("一个门户", "a portal"),
        "token": Text("一个门户", "a portal"),
        "verification": Text("证照", "licence"),
    }
)
METHODS = MappingProxyType(
    {
        "pwd": Text("密码", "password"),
        "otp": Text("动态验证码或恢复码", "authenticator or recovery code"),
        "sms": Text("短信验证码", "code by text message"),
        "email": Text("邮件验证码", "code by e-mail"),
        "hwk": Text("通行密钥", "passkey"),
        "swk": Text("通行密钥", "passkey"),
        "scan": Text("手机扫码", "scanned with a phone"),
    }
)
WAYS_BACK = MappingProxyType(
    {
        "counter": Text("窗口办理", "at a counter"),
        "registry": Text("核对登记信息", "by the registry"),
        "passkey": Text("通行密钥", "by a passkey"),
        "recovery-code": Text("恢复码", "by a recovery code"),
    }
)
CONTACTS = MappingProxyType({"email": Text("电子邮箱", "e-mail"), "phone": Text("手机", "mobile")})
