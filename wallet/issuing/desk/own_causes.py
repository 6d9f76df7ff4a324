"""Causes that a department need not word: each is read in the reader's language, whatever the officer's was when it was written down."""

from runtime.languages import Text

OWN_WORK = Text("发证部门查看本部门签发的证照", "The issuing department looked at its own licence")
DECIDING = Text("复核本部门拟办理的业务", "To decide on what the department is to do")
KNOWN = {words: cause for cause in (OWN_WORK, DECIDING) for words in (cause.zh, cause.en)}


def shown(cause: str) -> str:
    """Return a cause as it is shown: one of ours in the language of the page, any other as it was given."""
    return str(KNOWN.get(cause, cause))
