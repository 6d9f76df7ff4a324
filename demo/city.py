"""The invented city: its departments and what each does, and the licences that the cast holds."""

from dataclasses import dataclass
from datetime import date

from demo.people import CHEN, CHILD, HOME, LIN, MA, RESTAURANT, SUN, ZHENG, ZHOU, Citizen, Department, Organisation

POLICE = Department(
    "海右市公安局",
    "Haiyou Public Security Bureau",
    "MB100001",
    ("resident-identity-card", "household-register", "driving-licence", "vehicle-licence", "motor-vehicle-registration", "ebike-licence"),
    officers=(ZHENG, MA),
)
CIVIL_AFFAIRS = Department("海右市民政局", "Haiyou Civil Affairs Bureau", "00001003", ("marriage-certificate",))
SOCIAL_SECURITY = Department("海右市人力资源和社会保障局", "Haiyou Human Resources and Social Security Bureau", "00001002", ("social-security-card",))
EDUCATION = Department("海右市教育局", "Haiyou Education Bureau", "00001004", ("degree-certificate", "graduation-certificate"))
LAND = Department("海右市自然资源和规划局", "Haiyou Natural Resources and Planning Bureau", "MB100005", ("real-estate-certificate",))
MARKET = Department(
    "海右市市场监督管理局",
    "Haiyou Market Regulation Bureau",
    "MB100006",
    ("business-licence", "food-business-licence", "trademark-registration", "patent-certificate"),
)
HEALTH = Department(
    "海右市卫生健康委员会",
    "Haiyou Health Commission",
    "00001001",
    ("practising-physician", "birth-certificate", "vaccination-certificate", "blood-donation-certificate", "public-place-hygiene-licence"),
)
CONSTRUCTION = Department("海右市住房和城乡建设局", "Haiyou Housing and Construction Bureau", "MB100008", ("construction-permit",))
TRANSPORT = Department("海右市交通运输局", "Haiyou Transport Bureau", "00001005", ("road-transport-qualification",))
SERVICE_CENTRE = Department(
    "海右市政务服务中心", "Haiyou Government Service Centre", "MB100010", verifies=True, draws=True, identifies=True, officers=(SUN,)
)
ENFORCEMENT = Department("海右市综合行政执法局", "Haiyou Law Enforcement Bureau", "MB100011", supervises=("*",))
DEPARTMENTS = (
    POLICE,
    CIVIL_AFFAIRS,
    SOCIAL_SECURITY,
    EDUCATION,
    LAND,
    MARKET,
    HEALTH,
    CONSTRUCTION,
    TRANSPORT,
    SERVICE_CENTRE,
    ENFORCEMENT,
)


@dataclass(frozen=True)
class Holding:
    """A licence that someone of the cast holds; fields that are not given take the type's examples."""

    holder: Citizen | Organisation
    department: Department
    type: str
    fields: dict[str, str]
    since: date
    until: date | None = None

    def term_on(self, today: date) -> tuple[date, date | None]:
        """Return when it begins and when it ends: renewed as often as it takes to hold today, for the city is to stand for many years."""
        since, until = self.since, self.until
        while until is not None and until < today:
            years = round((until - since).days / 365.25)
            since, until = since.replace(year=since.year + years), until.replace(year=until.year + years)
        return since, until


SHOP = "海右市听涛区海滨路66号"
BORN = {
    LIN: {"sex": "female", "birth_date": "1990-05-18"},
    CHEN: {"sex": "male", "birth_date": "1986-11-02"},
    ZHOU: {"sex": "male", "birth_date": "1978-03-09"},
    SUN: {"sex": "male", "birth_date": "1983-07-24"},
}
ID = {"issuing_office": POLICE.name}
REGISTERED = {"registered_on": "2015-09-26", "registration_office": CIVIL_AFFAIRS.name}
FIRM = {
    "legal_representative": ZHOU.name,
    "domicile": SHOP,
    "established_on": "2019-06-18",
    "business_scope": "餐饮服务；食品销售；餐饮管理。",
    "registration_authority": MARKET.name,
}
KITCHEN = {"legal_representative": ZHOU.name, "domicile": SHOP, "business_place": SHOP, "supervising_office": MARKET.name}
BIRTH = {
    "sex": "female",
    "birth_date": "2017-09-02",
    "birth_hospital": "海右市妇幼保健院",
    "mother_name": LIN.name,
    "mother_number": LIN.number,
    "father_name": CHEN.name,
    "father_number": CHEN.number,
}
SCHOOL = {"birth_date": "1990-05-18", "institution": "海右大学", "enrolled_on": "2008-09-01", "graduated_on": "2012-06-30"}
BOOKLET = {"sex": "female", "birth_date": "2017-09-02", "guardian_name": LIN.name, "clinic": "海右市听涛区社区卫生服务中心"}
SALON = {"legal_representative": ZHOU.name, "business_place": SHOP, "licensed_items": "餐饮具集中消毒；茶座"}
HOLDINGS = (
    Holding(LIN, POLICE, "resident-identity-card", {**BORN[LIN], **ID, "address": HOME}, date(2016, 5, 17), date(2036, 5, 17)),
    Holding(LIN, POLICE, "household-register", {**BORN[LIN], "native_place": "海右市", "address": HOME}, date(2015, 10, 8)),
    Holding(LIN, POLICE, "driving-licence", {**BORN[LIN], "vehicle_class": "C2", "address": HOME}, date(2020, 8, 1), date(2030, 8, 1)),
    Holding(LIN, CIVIL_AFFAIRS, "marriage-certificate", {**REGISTERED, "spouse_name": CHEN.name, "spouse_number": CHEN.number}, date(2015, 9, 26)),
    Holding(LIN, SOCIAL_SECURITY, "social-security-card", {"sex": "female", "insured_region": "海右市"}, date(2013, 7, 1)),
    Holding(LIN, EDUCATION, "degree-certificate", {"birth_date": "1990-05-18", "institution": "海右大学"}, date(2012, 6, 30)),
    Holding(LIN, EDUCATION, "graduation-certificate", SCHOOL, date(2012, 6, 30)),
    Holding(LIN, HEALTH, "blood-donation-certificate", {"donated_on": "2024-06-14", "blood_centre": "海右市中心血站"}, date(2024, 6, 14)),
    Holding(LIN, POLICE, "ebike-licence", {"plate_number": "海右A12345"}, date(2025, 4, 1)),
    Holding(LIN, LAND, "real-estate-certificate", {"location": HOME}, date(2018, 4, 12)),
    Holding(CHEN, POLICE, "resident-identity-card", {**BORN[CHEN], **ID, "address": HOME}, date(2017, 1, 1), date(2037, 1, 1)),
    Holding(CHEN, CIVIL_AFFAIRS, "marriage-certificate", {**REGISTERED, "spouse_name": LIN.name, "spouse_number": LIN.number}, date(2015, 9, 26)),
    Holding(CHEN, TRANSPORT, "road-transport-qualification", {**BORN[CHEN], "address": HOME}, date(2023, 5, 1), date(2029, 4, 30)),
    Holding(CHEN, POLICE, "motor-vehicle-registration", {}, date(2023, 3, 15)),
    Holding(ZHOU, MARKET, "patent-certificate", {"inventors": ZHOU.name}, date(2022, 1, 4), date(2042, 1, 3)),
    Holding(ZHOU, POLICE, "resident-identity-card", {**BORN[ZHOU], **ID}, date(2018, 3, 8), date(2038, 3, 8)),
    Holding(SUN, POLICE, "resident-identity-card", {**BORN[SUN], **ID}, date(2019, 4, 2), date(2039, 4, 2)),
    Holding(CHILD, HEALTH, "birth-certificate", BIRTH, date(2017, 9, 5)),
    Holding(CHILD, HEALTH, "vaccination-certificate", BOOKLET, date(2017, 9, 5)),
    Holding(RESTAURANT, HEALTH, "public-place-hygiene-licence", SALON, date(2024, 6, 1), date(2028, 5, 31)),
    Holding(RESTAURANT, MARKET, "trademark-registration", {"trademark": "海右", "registrant_address": SHOP}, date(2021, 5, 7), date(2031, 5, 6)),
    Holding(RESTAURANT, MARKET, "business-licence", FIRM, date(2019, 6, 18)),
    Holding(RESTAURANT, MARKET, "food-business-licence", KITCHEN, date(2025, 1, 1), date(2029, 12, 31)),
)
