"""Invented people and organisations of a place that does not exist: division 379999 was never assigned.

The cast has names, passwords and licences; the crowd behind them is there to be registered, one at a time, by whoever
tries that out. Everything is drawn from a fixed seed, so every installation has the same world.
"""

import random
from dataclasses import dataclass, field
from datetime import date, timedelta

from stdnum.iso7064 import mod_11_2

from idp.subjects import credit_codes

DIVISION = "379999"
PASSWORD = "papercopy-never-again"  # noqa: S105 - the demonstration's own, printed for everyone
CROWD = 400
SURNAMES = "林周孙陈王李张刘杨黄赵吴徐朱马胡郭何高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭"
GIVEN = "晓明海立国建文志秀丽雨静敏慧婷佳欣怡宇轩浩然子涵梓博思远嘉安宁清和平春夏秋冬云山川松柏竹梅兰菊雪月星辰阳光乐悦诗书画琴"


def citizen_number(born: date, sequence: int) -> str:
    """Return the citizen number of a birth date and a sequence (odd: male), GB 11643."""
    body = f"{DIVISION}{born:%Y%m%d}{sequence:03d}"
    return body + mod_11_2.calc_check_digit(body)


@dataclass(frozen=True)
class Citizen:
    """A person as the population registry has them."""

    name: str
    born: date
    sequence: int
    role: str = ""
    address: str = ""
    guardians: tuple["Citizen", ...] = ()

    @property
    def number(self) -> str:
        """The citizen number."""
        return citizen_number(self.born, self.sequence)


@dataclass(frozen=True)
class Organisation:
    """An organisation as the legal-person registry has it."""

    name: str
    english: str
    prefix: str
    organisation: str
    representative: Citizen

    @property
    def code(self) -> str:
        """The unified social credit code."""
        return credit_codes.complete(f"{self.prefix}{DIVISION}{self.organisation}")


@dataclass(frozen=True)
class Department:
    """A public body of the invented city: what it issues (slugs of licence types) and whether it verifies, draws, identifies or supervises."""

    name: str
    english: str
    organisation: str
    issues: tuple[str, ...] = ()
    supervises: tuple[str, ...] = ()
    verifies: bool = False
    draws: bool = False
    identifies: bool = False
    officers: tuple[Citizen, ...] = field(default=())

    @property
    def code(self) -> str:
        """The unified social credit code, registered by 编办 as an organ of state."""
        return credit_codes.complete(f"11{DIVISION}{self.organisation}")


HOME = "海右市听涛区长风街18号3单元502室"
LIN = Citizen("林晓月", date(1990, 5, 18), 12, "citizen with a full wallet", HOME)
CHEN = Citizen("陈国安", date(1986, 11, 2), 37, "her husband, a driver by trade", HOME)
ZHOU = Citizen("周海峰", date(1978, 3, 9), 51, "legal representative of 海右餐饮", "海右市听涛区观海路7号")
SUN = Citizen("孙立新", date(1983, 7, 24), 73, "officer at the government service centre", "海右市听涛区政通街5号")
WU = Citizen("吴思齐", date(1992, 2, 14), 64, "licence manager of 海右餐饮", "海右市听涛区长风街22号")
HE = Citizen("何佳宁", date(1996, 8, 30), 85, "handler of 海右餐饮, for its food business licence", "海右市听涛区长风街31号")
ZHENG = Citizen("郑书敏", date(1988, 12, 6), 46, "officer who issues licences at the public security bureau", "海右市听涛区政通街9号")
MA = Citizen("马志远", date(1985, 4, 17), 59, "her colleague, who approves what takes two", "海右市听涛区政通街9号")
CAST = (LIN, CHEN, ZHOU, SUN, WU, HE, ZHENG, MA)
CHILD = Citizen("陈安然", date(2017, 9, 2), 24, "their daughter, for whom her parents act", HOME, (LIN, CHEN))
RESTAURANT = Organisation("海右餐饮管理有限公司", "Haiyou Catering Co., Ltd.", "91", "MA3F0X7Q", ZHOU)


def crowd() -> list[Citizen]:
    """Return the people who have no account yet, the same in every installation."""
    chance = random.Random(716)  # noqa: S311 - invented people need no secrecy
    people: dict[str, Citizen] = {}
    while len(people) < CROWD:
        born = date(1950, 1, 1) + timedelta(days=chance.randrange(20_000))
        name, sequence = chance.choice(SURNAMES) + "".join(chance.sample(GIVEN, 2)), chance.randrange(100, 1000)
        person = Citizen(name, born, sequence, address=f"海右市听涛区长风街{100 + len(people)}号")
        people[person.number] = person
    return list(people.values())
