"""Passwords that many people choose, and guessers try first: 20,000 from the wheel of Django, and what is common here and lacks there.

Django's list is read as a file of an installed package; nothing of Django is imported. It is kept as one text, loaded when the first
password is chosen: 350 kB, where a set of strings would take two megabytes in every worker.
"""

import functools
import gzip
import unicodedata
from importlib.metadata import distribution

PACKAGE, FILE = "django", "django/contrib/auth/common-passwords.txt.gz"
COMMON_HERE = """
12345678a. 13145200 131452000 13145201314 1qaz2wsx. 52013140 520131400 5201314520 5201314a 520520520 66668888 66778899 77778888 778899001
888888888 88889999 a12345678. aa123456. aa12345678 abc123456. admin888 admin@123 asd123456. beijing2008 chenchen dongying gongxifacai huanghekou
jiushiaini kabao123 kabao1234 li123456 liming123 lin123456 liu123456 mima1234 mima123456 nihao123 nihaoma123 qq5201314 root1234 shandong
shengrikuaile wang123456 woaibeijing woaini1314520 woaini5201314 woaini521 woainima woaizhongguo wodemima wodemima123 wodeshengri wosini520
xiaoming xinnianhao yang123456 zaijian123 zhang123456 zhao123456 zhongguo zhongguo123 zxcvbnmm 一二三四五六七八 一二三四五六七八九
天天向上好好学习 好好学习天天向上 恭喜发财大吉大利 我爱你中国我爱你 我的密码我的密码 新年快乐万事如意 生日快乐生日快乐
"""


def is_common(password: str) -> bool:
    """Whether many people have this password, whatever its width, capitals and spaces."""
    key = key_of(password)
    return f"\n{key}\n" in _listed() or len(set(key)) <= 1


def key_of(password: str) -> str:
    """Return the form of a password in which it is looked up."""
    return "".join(unicodedata.normalize("NFKC", password).casefold().split())


@functools.cache
def _listed() -> str:
    with gzip.open(str(distribution(PACKAGE).locate_file(FILE)), "rt", encoding="utf-8") as file:
        elsewhere = file.read()
    return "\n".join(["", *map(key_of, [*elsewhere.split("\n"), *COMMON_HERE.split()]), ""])
