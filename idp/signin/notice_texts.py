"""What people are told about their accounts: each kind of notice, in both languages. `{names}` are filled from what `notices.tell` is given.

A part that has something to tell adds its kinds here. No text holds a code, and none a number in full.
"""

from dataclasses import dataclass

from runtime.languages import Text


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A kind of notice: its title and body, and what its link does if it has one."""

    title: Text
    body: Text
    link: Text | None = None


NOTICES: dict[str, NoticeText] = {
    "identity-proven": NoticeText(
        Text("身份已核实", "Your identity was proven"),
        Text(
            "您的实名等级已提升为三级（{method}，{department}）。如非本人办理，请立即联系该部门。",
            "You are now known at level 3 ({method}; {department}). If that was not you, tell that department at once.",
        ),
    ),
    "identity-withdrawn": NoticeText(
        Text("身份核实已撤回", "A proof of your identity was withdrawn"),
        Text("{department}撤回了对您身份的核实，原因：{why}。", "{department} withdrew its proof of your identity: {why}."),
    ),
    "level-ends": NoticeText(
        Text("实名等级即将到期", "Your real-name level ends soon"),
        Text(
            "您的实名核实将于 {until} 到期，请在“实名等级”页面办理续核。",
            "The proof of your identity holds until {until}; renew it on the page of your real-name level.",
        ),
    ),
    "not-matched": NoticeText(
        Text("与登记库不相符", "The registry does not match"),
        Text(
            "登记库已恢复查询，但您填写的号码与姓名不相符，实名等级仍为一级。",
            "The registry answers again, and does not have the number and the name that you gave; you stay at level 1.",
        ),
    ),
    "contact-added": NoticeText(
        Text("新增了联系方式", "An address was added"),
        Text("您的账号新增了联系方式 {address}。", "{address} was added to your account."),
    ),
    "contact-removed": NoticeText(
        Text("移除了联系方式", "An address was removed"),
        Text("您的账号移除了联系方式 {address}，今后的通知不再发往该处。", "{address} was removed from your account and hears nothing more."),
    ),
    "totp-added": NoticeText(
        Text("新增了验证器", "An authenticator was added"),
        Text("您的账号新增了动态验证码验证器“{name}”。", "The authenticator “{name}” was added to your account."),
    ),
    "totp-removed": NoticeText(
        Text("移除了验证器", "An authenticator was removed"),
        Text("您的账号移除了动态验证码验证器“{name}”。", "The authenticator “{name}” was removed from your account."),
    ),
    "passkey-added": NoticeText(
        Text("新增了通行密钥", "A passkey was added"),
        Text("您的账号新增了通行密钥“{name}”，可以用它直接登录。", "The passkey “{name}” was added to your account; it signs you in by itself."),
    ),
    "passkey-removed": NoticeText(
        Text("移除了通行密钥", "A passkey was removed"),
        Text("您的账号移除了通行密钥“{name}”，它已不能用于登录。", "The passkey “{name}” was removed from your account and no longer signs you in."),
    ),
    "passkey-copied": NoticeText(
        Text("通行密钥可能被复制", "A passkey may have been copied"),
        Text(
            "有人使用了通行密钥“{name}”的旧副本，已被拒绝，这个通行密钥已停用。请移除它，需要时重新添加。",
            "Something that looks like an older copy of the passkey “{name}” was used and refused, and that passkey opens nothing any more. "
            "Remove it, and add another if you need one.",
        ),
    ),
    "recovery-codes-made": NoticeText(
        Text("生成了新的恢复码", "New recovery codes were made"),
        Text(
            "您的账号生成了一组新的恢复码，旧的恢复码已全部失效。",
            "New recovery codes were made; the old ones no longer work.",
        ),
    ),
    "recovery-code-used": NoticeText(
        Text("使用了一个恢复码", "A recovery code was used"),
        Text("您的账号使用了一个恢复码，还剩 {left} 个。", "A recovery code was used for your account; {left} are left."),
    ),
    "recovery-codes-few": NoticeText(
        Text("恢复码即将用完", "Few recovery codes are left"),
        Text("您的恢复码只剩 {left} 个，请登录后重新生成一组。", "Only {left} of your recovery codes are left; sign in and make new ones."),
    ),
    "password-changed": NoticeText(
        Text("密码已修改", "Your password was changed"),
        Text("您的账号密码已修改，其他设备上的登录已全部退出。", "The password of your account was changed, and all other devices were signed out."),
    ),
    "second-step-guessed": NoticeText(
        Text("有人知道您的密码", "Somebody knows your password"),
        Text(
            "有人用您的密码登录，但多次未通过第二步验证，没有登录成功。如果不是您本人，说明密码已泄露，请立即修改密码。",
            "Somebody gave your password and then failed at the second step, again and again; they did not get in. If it was not you, change the "
            "password at once.",
        ),
    ),
    "browser-trusted": NoticeText(
        Text("信任了一个浏览器", "A browser is trusted"),
        Text("今后30天内，在这个浏览器（{browser}）上登录不再需要第二步验证。", "For 30 days this browser ({browser}) is asked for no second step."),
    ),
    "account-closed": NoticeText(
        Text("账号已注销", "Your account was closed"),
        Text(
            "您的账号已注销，这是最后一条通知。如果不是您本人操作，请携带证件到政务服务窗口办理恢复。",
            "Your account was closed; this is the last notice. If it was not you, come to a service counter with your identity document.",
        ),
    ),
    "recovery-begun": NoticeText(
        Text("有人申请恢复您的账号", "Someone asked to recover your account"),
        Text(
            "有人凭人口库登记信息申请重新设置您的密码，{opens_at}（北京时间）后即可设置。如果不是您本人，请在此之前取消。",
            "Someone who knows what the registry says of you asked to set a new password, and can do so from {opens_at} (China time). "
            "If it was not you, cancel it before then.",
        ),
        Text("查看并取消", "Look at it and cancel"),
    ),
    "recovery-cancelled": NoticeText(
        Text("账号恢复申请已取消", "The recovery was cancelled"),
        Text("恢复您账号的申请已取消，密码没有改变。", "The recovery of your account was cancelled; your password is as it was."),
    ),
    "recovery-granted": NoticeText(
        Text("窗口为您办理了账号恢复", "A service counter began a recovery for you"),
        Text(
            "政务服务窗口核对身份后，为您发放了一次性代码，一小时内可用来设置新密码。如果不是您本人到场，请立即取消，并联系政务服务中心。",
            "A service counter checked who you are and handed over a one-time code, with which a new password can be set within an hour. "
            "If that was not you, cancel it at once, and call the service centre.",
        ),
        Text("查看并取消", "Look at it and cancel"),
    ),
    "operator-post-ended": NoticeText(
        Text("您不再是系统运营人员", "You run the service no longer"),
        Text(
            "您的账号在窗口恢复，系统运营人员的身份随之终止。需要时请由另一位运营人员用命令重新添加。",
            "Your account was recovered at a counter, and with that you run the service no longer. If you still should, a colleague adds you again.",
        ),
    ),
    "recovery-completed": NoticeText(
        Text("账号已恢复，密码已重新设置", "Your account was recovered, with a new password"),
        Text(
            "您的账号已重新设置密码，此前的登录已全部退出。如果不是您本人操作，请立即联系政务服务中心。",
            "A new password was set for your account, and every browser was signed out. If it was not you, call the service centre at once.",
        ),
    ),
    "new-device": NoticeText(
        Text("在新设备上登录", "A sign-in on a new device"),
        Text(
            "{when}，有人用您的账号在新设备上登录：{browser}，{place}。如是您本人，无需处理；如不是，请立即在“登录设备”中退出它，并修改密码。",
            "Someone signed in to your account on a new device at {when}: {browser}, {place}. If it was you, there is nothing to do. "
            "If not, sign that device out under “Devices” at once, and change the password.",
        ),
        Text("这不是我", "This was not me"),
    ),
    "device-disowned": NoticeText(
        Text("已退出可疑登录", "A sign-in was undone"),
        Text(
            "您已声明一次登录并非本人所为：相关登录已退出，此后添加的登录方式已移除，原密码已作废。请设置新密码，并检查登录方式。",
            "You said that a sign-in was not yours. It ended, ways to sign in that were added since are gone, and the password is void. Set another.",
        ),
    ),
    "request-waits": NoticeText(
        Text("有一项登录请求等您答复", "A request waits for your answer"),
        Text(
            "“{portal}”请求您确认登录或授权。如果不是您本人正在办理，请登录后拒绝；任何人向您索要验证码或催您同意，都是诈骗。",
            "“{portal}” asks you to confirm a sign-in or to allow something. If you are not doing anything there now, sign in and refuse. "
            "Whoever urges you to approve is a fraud.",
        ),
        Text("登录后查看", "Sign in and look at it"),
    ),
    "mandate-given": NoticeText(
        Text("您获得了一项授权", "You were given a mandate"),
        Text(
            "您现在可以代表“{holder}”办事（{role}）。如果您不愿意，可以随时辞去。",
            "You may now act for “{holder}” ({role}). If you do not wish to, you can resign at any time.",
        ),
    ),
    "mandate-changed": NoticeText(
        Text("您的授权有变更", "Your mandate was changed"),
        Text(
            "您代表“{holder}”办事的授权范围或期限有变更，此前的代办登录已结束。",
            "What you may do for “{holder}”, or until when, was changed; what was begun under the former mandate has ended.",
        ),
    ),
    "mandate-ended": NoticeText(
        Text("您的授权已终止", "Your mandate has ended"),
        Text("您不再能代表“{holder}”办事（{role}）：{why}。", "You may no longer act for “{holder}” ({role}): {why}."),
    ),
    "organisation-mandate-given": NoticeText(
        Text("单位新增了授权", "Someone was appointed"),
        Text("“{holder}”任命了一名{role}：{name}。", "“{holder}” has another appointee ({role}): {name}."),
    ),
    "organisation-mandate-ended": NoticeText(
        Text("单位的一项授权已终止", "A mandate of the organisation has ended"),
        Text("“{holder}”的{role}{name}的授权已终止：{why}。", "The mandate of {name} ({role}) for “{holder}” has ended: {why}."),
    ),
    "representative-now": NoticeText(
        Text("您已登记为法定代表人", "You are the registered legal representative"),
        Text(
            "法人库现登记您为“{holder}”的法定代表人，前任所作的授权已全部终止。请在“单位办事”中认领，查看已终止的授权和单位证照。",
            "The registry now names you the legal representative of “{holder}”; all that your predecessor gave has ended. Claim it under "
            "“Organisations”, and see there what ended and which licences it holds.",
        ),
    ),
    "guardian-entered": NoticeText(
        Text("监护人可以为您代办", "A guardian can act for you"),
        Text(
            "您的监护人{name}已添加您，可以为您代办事项，直到您年满18周岁。代办记录您都能看到。",
            "Your guardian {name} has entered you and can act for you until you are 18. You see all that is done.",
        ),
    ),
}
