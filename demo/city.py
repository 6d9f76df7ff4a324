"""The invented city: its departments and what each does, and the licences that the cast holds."""

from demo.people import CHEN, LIN, RESTAURANT, SUN, ZHOU, Citizen, Department, Organisation

POLICE = Department(
    "海右市公安局",
    "Haiyou Public Security Bureau",
    "MB100001",
    ("resident-identity-card", "household-register", "driving-licence", "vehicle-licence"),
)
CIVIL_AFFAIRS = Department("海右市民政局", "Haiyou Civil Affairs Bureau", "MB100002", ("marriage-certificate",))
SOCIAL_SECURITY = Department("海右市人力资源和社会保障局", "Haiyou Human Resources and Social Security Bureau", "MB100003", ("social-security-card",))
EDUCATION = Department("海右市教育局", "Haiyou Education Bureau", "MB100004", ("degree-certificate",))
LAND = Department("海右市自然资源和规划局", "Haiyou Natural Resources and Planning Bureau", "MB100005", ("real-estate-certificate",))
MARKET = Department("海右市市场监督管理局", "Haiyou Market Regulation Bureau", "MB100006", ("business-licence", "food-business-licence"))
HEALTH = Department("海右市卫生健康委员会", "Haiyou Health Commission", "MB100007", ("practising-physician", "birth-certificate"))
CONSTRUCTION = Department("海右市住房和城乡建设局", "Haiyou Housing and Construction Bureau", "MB100008", ("construction-permit",))
TRANSPORT = Department("海右市交通运输局", "Haiyou Transport Bureau", "MB100009", ("road-transport-qualification",))
SERVICE_CENTRE = Department("海右市政务服务中心", "Haiyou Government Service Centre", "MB100010", verifies=True, draws=True, officers=(SUN,))
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

Holdings = tuple[tuple[Citizen | Organisation, Department, str, dict[str, str], str | None], ...]
HOME = "海右市听涛区长风街18号3单元502室"
HOLDINGS: Holdings = (
    (
        LIN,
        POLICE,
        "resident-identity-card",
        {"sex": "female", "birth_date": "1990-05-18", "address": HOME, "issuing_office": "海右市公安局"},
        "2036-05-17",
    ),
    (LIN, POLICE, "household-register", {"sex": "female", "birth_date": "1990-05-18", "address": HOME}, None),
    (LIN, POLICE, "driving-licence", {"vehicle_class": "C2", "sex": "female", "birth_date": "1990-05-18", "address": HOME}, "2030-08-01"),
    (
        LIN,
        CIVIL_AFFAIRS,
        "marriage-certificate",
        {"spouse_name": CHEN.name, "spouse_number": CHEN.number, "registration_office": "海右市民政局"},
        None,
    ),
    (LIN, SOCIAL_SECURITY, "social-security-card", {"sex": "female"}, None),
    (LIN, EDUCATION, "degree-certificate", {"birth_date": "1990-05-18", "institution": "海右大学"}, None),
    (LIN, LAND, "real-estate-certificate", {"location": HOME}, None),
    (
        CHEN,
        POLICE,
        "resident-identity-card",
        {"sex": "male", "birth_date": "1986-11-02", "address": HOME, "issuing_office": "海右市公安局"},
        "2037-01-01",
    ),
    (
        CHEN,
        CIVIL_AFFAIRS,
        "marriage-certificate",
        {"spouse_name": LIN.name, "spouse_number": LIN.number, "registration_office": "海右市民政局"},
        None,
    ),
    (CHEN, TRANSPORT, "road-transport-qualification", {"sex": "male", "birth_date": "1986-11-02", "address": HOME}, "2029-04-30"),
    (ZHOU, POLICE, "resident-identity-card", {"sex": "male", "birth_date": "1978-03-09", "issuing_office": "海右市公安局"}, "2038-03-08"),
    (RESTAURANT, MARKET, "business-licence", {"legal_representative": ZHOU.name, "domicile": "海右市听涛区海滨路66号"}, None),
    (RESTAURANT, MARKET, "food-business-licence", {"legal_representative": ZHOU.name, "business_place": "海右市听涛区海滨路66号"}, "2029-12-31"),
)
