import base64
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from migrations import commands
from runtime import secret_files
from runtime.settings import Settings, SettingsError

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
USABLE = {"KABAO_DATABASE_URL": "postgresql://kabao@db/kabao", "KABAO_MASTER_KEY": KEY, "KABAO_PUBLIC_URL": "https://id.example.gov.cn"}


def test_usable_settings_are_read() -> None:
    settings = Settings.from_environ(USABLE)
    assert settings.public_url == "https://id.example.gov.cn"
    assert settings.is_https
    assert not settings.development


def test_everything_missing_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ({})
    for name in USABLE:
        assert name in str(raised.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param({"KABAO_PUBLIC_URL": "http://id.example.gov.cn"}, "https", id="plain http in production"),
        pytest.param({"KABAO_PUBLIC_URL": "https://id.example.gov.cn/path"}, "KABAO_PUBLIC_URL", id="a path"),
        pytest.param({"KABAO_PUBLIC_URL": "https://user@id.example.gov.cn"}, "KABAO_PUBLIC_URL", id="credentials in the address"),
        pytest.param({"KABAO_MASTER_KEY": base64.urlsafe_b64encode(bytes(32)).decode()}, "KABAO_MASTER_KEY", id="all zero"),
        pytest.param({"KABAO_MASTER_KEY": "c2hvcnQ"}, "KABAO_MASTER_KEY", id="short"),
        pytest.param({"KABAO_MASTER_KEY": "***"}, "KABAO_MASTER_KEY", id="not base64"),
        pytest.param({"KABAO_DATABASE_URL": "sqlite:///kabao.db"}, "PostgreSQL", id="another database"),
        *(
            pytest.param({"KABAO_DATABASE_URL": f"postgresql://{rest}"}, r"%40", id=f"an address that is none: {rest}")
            for rest in (
                "kabao:pa@ss@db/kabao",
                "kabao:pa/ss@db/kabao",
                "db:port/kabao",
                "[",
                "db/kabao?sslmod=require",
                "a:1,b:2/k",
            )
        ),
        pytest.param({"KABAO_ENVIRONMENT": "developement"}, "one of production, development", id="an environment that is none"),
        pytest.param({"KABAO_POOL_SIZE": "many"}, "KABAO_POOL_SIZE", id="not a number"),
        pytest.param({"KABAO_POOL_SIZE": "0"}, "KABAO_POOL_SIZE", id="connections without bound"),
        pytest.param({"KABAO_SESSION_IDLE_SECONDS": "0"}, "KABAO_SESSION_IDLE_SECONDS", id="sessions of no time"),
        pytest.param({"KABAO_SESSION_LIFETIME_SECONDS": "9" * 5000}, "KABAO_SESSION_LIFETIME_SECONDS", id="sessions without end"),
        pytest.param({"KABAO_MAX_BODY_BYTES": "0"}, "KABAO_MAX_BODY_BYTES", id="no bodies"),
        pytest.param({"KABAO_LOG_LEVEL": "chatty"}, "KABAO_LOG_LEVEL", id="an unknown level"),
        pytest.param({"KABAO_PUBLIC_URL": "https://id.example.gov.cn#x"}, "KABAO_PUBLIC_URL", id="a fragment"),
        pytest.param({"KABAO_SMTP_URL": "http://mail.example"}, "KABAO_SMTP_URL", id="mail by another protocol"),
        pytest.param({"KABAO_SMTP_URL": "smtps://mail.example"}, "KABAO_MAIL_FROM", id="mail from nobody"),
        pytest.param({"KABAO_SMS_URL": "http://sms.example/send"}, "KABAO_SMS_URL", id="messages in the clear"),
        pytest.param({"KABAO_TRUSTED_PROXIES": "-1"}, "KABAO_TRUSTED_PROXIES", id="negative"),
        pytest.param({"KABAO_CLIENT_CERTIFICATE_HEADER": "X-Cert"}, "needs KABAO_TRUSTED_PROXIES", id="a certificate from anybody"),
        pytest.param({"KABAO_CLIENT_CERTIFICATE_HEADER": "X_Cert"}, "the name of a header", id="a header with an underscore"),
        pytest.param({"KABAO_CLIENT_CERTIFICATE_FORMAT": "der"}, "KABAO_CLIENT_CERTIFICATE_FORMAT", id="a format that is none"),
        pytest.param({"KABAO_CLIENT_CERTIFICATE_PROXIES": "proxy.local"}, "must be addresses or networks", id="a proxy by name"),
        pytest.param({"KABAO_MTLS_URL": "https://id.example/mtls"}, "KABAO_MTLS_URL", id="a path for mutual tls"),
        pytest.param({"KABAO_CLIENT_AUTHENTICATION": "password"}, "KABAO_CLIENT_AUTHENTICATION", id="an unknown method"),
        pytest.param({"KABAO_DPOP_NONCES": "never"}, "KABAO_DPOP_NONCES", id="no nonces at all"),
        pytest.param(
            {"KABAO_PEOPLE_REGISTRY_URL": "http://people.example.gov.cn/"}, "KABAO_PEOPLE_REGISTRY_URL must be https", id="a plain registry"
        ),
        pytest.param({"KABAO_PEOPLE_REGISTRY_URL": "https://me@people.example.gov.cn/"}, "without user name", id="a registry with a user name"),
        pytest.param({"KABAO_ORGANISATIONS_REGISTRY_URL": "人口库"}, "KABAO_ORGANISATIONS_REGISTRY_URL", id="no address"),
        pytest.param({"KABAO_REGISTRY_TIMEOUT_SECONDS": "60"}, "KABAO_REGISTRY_TIMEOUT_SECONDS", id="a registry that is waited for too long"),
    ],
)
def test_an_unsafe_value_is_refused_by_name(change: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        Settings.from_environ(USABLE | change)


@pytest.mark.parametrize(
    "rest",
    [
        "kabao@db/kabao",
        "kabao:pa%40s%2Fs@db:5433/kabao?sslmode=verify-full",
        "/kabao?host=/run/postgresql&user=kabao",
        "kabao@/kabao?host=db1,db2&port=5432,5432&target_session_attrs=read-write",
        "kabao@[::1]/kabao",
    ],
)
def test_an_address_of_the_database_is_taken_as_libpq_has_it(rest: str) -> None:
    url = f"postgresql://{rest}"
    assert Settings.from_environ(USABLE | {"KABAO_DATABASE_URL": url}).database_url == url


def test_no_word_of_a_password_is_said_of_an_address_that_cannot_be_read() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environ(USABLE | {"KABAO_DATABASE_URL": "postgresql://kabao:geheim/nis@db/kabao"})
    assert "geheim" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_registries_and_inner_hosts_are_named_by_the_operator() -> None:
    named = {"KABAO_PEOPLE_REGISTRY_URL": "https://people.gov.inner/ask", "KABAO_OUTBOUND_HOSTS": "Portal.inner, hall.inner"}
    settings = Settings.from_environ(USABLE | named)
    assert (settings.people_registry_url, settings.organisations_registry_url) == ("https://people.gov.inner/ask", None)
    assert settings.outbound_hosts == {"portal.inner", "hall.inner"}


def test_secrets_do_not_show() -> None:
    settings = Settings.from_environ(USABLE | {"KABAO_DATABASE_URL": "postgresql://kabao:swordfish@db/kabao"})
    assert "swordfish" not in repr(settings)
    assert repr(settings.master_key) not in repr(settings)


def test_the_secrets_of_senders_do_not_show() -> None:
    mail = {"KABAO_SMTP_URL": "smtp://kabao:swordfish@mail.example:587", "KABAO_MAIL_FROM": "kabao@example.gov.cn"}
    settings = Settings.from_environ(USABLE | mail | {"KABAO_SMS_URL": "https://sms.example/send?key=swordfish"})
    assert "swordfish" not in repr(settings)


def test_each_purpose_has_a_key_of_its_own() -> None:
    settings = Settings.from_environ(USABLE)
    assert settings.derived_key("forms") != settings.derived_key("wrap")
    assert settings.derived_key("forms") == Settings.from_environ(USABLE).derived_key("forms")


def test_names_that_are_not_known_are_told_with_those_that_are_meant_and_without_a_value() -> None:
    misspelt = {"KABAO_SESION_IDLE_SECONDS": "swordfish", "KABAO_MASTER_KEY_FILES": "x", "KABAO_QQQQQ": "x", "KABAOX": "x", "OTHER": "x"}
    told = Settings.from_environ({**USABLE, **misspelt}).unknown_names
    meant = ("KABAO_MASTER_KEY_FILES (is it KABAO_MASTER_KEY_FILE?)", "KABAO_QQQQQ", "KABAO_SESION_IDLE_SECONDS (is it KABAO_SESSION_IDLE_SECONDS?)")
    assert told == meant


def test_every_name_on_the_page_is_known_and_so_are_those_by_which_a_cluster_tells_of_the_service() -> None:
    named = re.findall(r"`(KABAO_[A-Z0-9_]+)`", (Path(__file__).parent.parent.parent / "docs" / "settings.md").read_text())
    assert len(named) > 50
    of_cluster = ("KABAO_SERVICE_HOST", "KABAO_SERVICE_PORT_HTTP", "KABAO_PORT", "KABAO_PORT_8000_TCP_ADDR")
    assert Settings.from_environ({**dict.fromkeys([*named, *of_cluster], ""), **USABLE}).unknown_names == ()


def test_a_secret_may_rest_in_a_file(tmp_path: Path) -> None:
    secrets = {"KABAO_DATABASE_URL": "postgresql://kabao:swordfish@db/kabao", "KABAO_MASTER_KEY": KEY, "KABAO_SMS_URL": "https://sms.example/?key=x"}
    for name, secret in secrets.items():
        (tmp_path / name).write_text(secret + "\n")
    filed = {f"{name}_FILE": str(tmp_path / name) for name in secrets}
    settings = Settings.from_environ({"KABAO_PUBLIC_URL": USABLE["KABAO_PUBLIC_URL"], **filed})
    assert (settings.database_url, settings.sms_url) == (secrets["KABAO_DATABASE_URL"], secrets["KABAO_SMS_URL"])
    assert settings.master_key == Settings.from_environ(USABLE).master_key


def test_the_settings_that_may_rest_in_files_are_those_that_the_page_marks() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "settings.md").read_text()
    assert set(re.findall(r"`(KABAO_[A-Z0-9_]+)` 🔒", page)) == set(secret_files.SECRETS)


@pytest.mark.parametrize("name", secret_files.SECRETS)
def test_a_file_that_is_missing_or_stands_beside_the_secret_itself_is_refused_by_name(name: str, tmp_path: Path) -> None:
    kept = {other: value for other, value in USABLE.items() if other != name}
    with pytest.raises(SettingsError, match=f"{name}_FILE must name a text file"):
        Settings.from_environ({**kept, f"{name}_FILE": str(tmp_path / "missing")})
    (tmp_path / "there").write_text("swordfish")
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE are both set") as raised:
        Settings.from_environ({**USABLE, name: KEY, f"{name}_FILE": str(tmp_path / "there")})
    assert "swordfish" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\n\n", id="blank"),
        pytest.param(b"one\ntwo", id="two lines"),
        pytest.param(b"\xff\xfe", id="no text"),
    ],
)
def test_a_file_without_one_line_of_text_holds_no_secret(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(SettingsError, match="KABAO_MASTER_KEY_FILE must name a text file of one line"):
        Settings.from_environ({**USABLE, "KABAO_MASTER_KEY": "", "KABAO_MASTER_KEY_FILE": str(tmp_path / "key")})


def test_a_master_key_that_rests_in_a_file_is_set_for_init_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared: list[bool] = []
    monkeypatch.setattr(commands, "_prepare", lambda *, restored: prepared.append(restored))
    monkeypatch.delenv("KABAO_MASTER_KEY", raising=False)
    assert "KABAO_MASTER_KEY=" in CliRunner().invoke(commands.init).stdout
    monkeypatch.setenv("KABAO_MASTER_KEY_FILE", str(tmp_path / "key"))
    assert CliRunner().invoke(commands.init).stdout == ""
    assert prepared == [False], "else it printed another key, and made nothing"
