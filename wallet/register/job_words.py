"""What each job behind the scenes is for, in words, for operators."""

from runtime.languages import Text

JOBS = {
    "add_up_counts": Text("汇总证照数量", "Adding up numbers of licences"),
    "begin_recovery": Text("受理找回账户", "Beginning a recovery of an account"),
    "end_outlived_credentials": Text("结束授权到期的凭证", "Ending credentials that outlived a mandate"),
    "end_requests": Text("结束过期的出示请求", "Ending requests to show that are over"),
    "fetch_trust_lists": Text("获取外部信任列表", "Fetching others' trust lists"),
    "forget_batches": Text("清理批次", "Forgetting old batches"),
    "forget_copies": Text("清理加注件", "Forgetting marked copies"),
    "forget_ended_jobs": Text("清理失败的后台任务", "Forgetting old failed jobs"),
    "forget_offers": Text("清理领证邀请", "Forgetting offers of credentials"),
    "forget_old_status_lists": Text("清理状态列表历史", "Forgetting what status lists said long ago"),
    "forget_requests": Text("清理出示请求", "Forgetting requests to show"),
    "forget_watched_draws": Text("清理调用监测记录", "Forgetting draws that were watched"),
    "forget_what_is_over": Text("清理过期的核验数据", "Forgetting what is over in verification"),
    "index_licence_numbers": Text("索引证照编号", "Indexing the numbers of licences"),
    "keep_certificates": Text("续签证书", "Renewing certificates"),
    "keep_key_schedule": Text("按计划轮换密钥", "Rotating keys on schedule"),
    "keep_room_in_status_lists": Text("预备状态列表", "Keeping room in status lists"),
    "lapse_expired_licences": Text("到期证照失效", "Letting licences lapse that have expired"),
    "look_at_sectors_again": Text("复查门户的共用标识", "Looking at sectors again"),
    "mark_issued_meanwhile": Text("复查变更时签发的证照", "Looking at licences that were issued as their holder changed"),
    "match_stated": Text("向登记库核对自报身份", "Matching what a person stated with the registry"),
    "ping_client": Text("通知客户端登录结果", "Telling a client that its request was answered"),
    "prune_oauth": Text("清理授权数据", "Pruning of grants and tokens"),
    "prune_signals": Text("清理事件", "Pruning of events"),
    "prune_signin": Text("清理登录数据", "Pruning of sign-ins"),
    "push_signals": Text("推送事件", "Pushing events"),
    "push_what_is_due": Text("重推到时的事件", "Pushing events that are due again"),
    "rebuild_status_lists": Text("重建状态列表", "Building status lists"),
    "rebuild_trust_list": Text("重建信任列表", "Building the trust list"),
    "remind_of_expiry": Text("提醒证照到期", "Reminding of licences that expire"),
    "renew_revocation_lists": Text("更新证书吊销列表", "Renewing revocation lists"),
    "rescue_stalled_jobs": Text("重启中断的任务", "Running again what a worker died over"),
    "rotate_data_keys": Text("轮换数据密钥", "Rotating data keys"),
    "seal_ledger": Text("封存账本", "Sealing the ledger"),
    "send_code": Text("发送验证码", "Sending a one-time code"),
    "send_logout_token": Text("通知门户退出登录", "Telling a portal of a logout"),
    "send_notice": Text("分发通知", "Sending a notice"),
    "send_notice_to": Text("向一个地址发送通知", "Sending a notice to an address"),
    "tell_holders": Text("通知持证主体", "Telling holders of their licences"),
    "tell_of_ending_proofs": Text("提醒实名级别到期", "Telling of levels that end"),
    "tell_of_licences": Text("写出证照事件", "Telling streams of licences"),
    "tell_of_request": Text("通知待确认的请求", "Telling of a request that waits"),
    "tell_of_uses": Text("通知证照的使用", "Telling holders of uses"),
    "warn_of_certificates": Text("提醒证书到期", "Warning of certificates that end"),
    "watch_draws": Text("监测调用", "Watching draws"),
    "work_at_import": Text("导入批次", "Working at an import"),
}


def word_of(kind: str) -> Text:
    """Return what a kind of job is for; of one that this version does not know, its name."""
    return JOBS.get(kind, Text(kind, kind))
