"""Causes that nobody need word: each is read in the reader's language, whatever the officer's was when it was written down."""

from runtime.languages import Text

OWN_WORK = Text("发证部门查看本部门签发的证照", "The issuing department looked at its own licence")
DECIDING = Text("复核本部门拟办理的业务", "To decide on what the department is to do")
DOWNLOADED = {
    "a4": Text("下载电子证照文件（A4）", "Downloaded as a sealed file (A4)"),
    "card": Text("下载电子证照文件（卡面）", "Downloaded as a sealed file (card)"),
}
KNOWN = {words: cause for cause in (OWN_WORK, DECIDING, *DOWNLOADED.values()) for words in (cause.zh, cause.en)}


def shown(cause: str) -> str:
    """Return a cause as it is shown: one of ours in the language of the page, any other as it was given."""
    return str(KNOWN.get(cause, cause))
