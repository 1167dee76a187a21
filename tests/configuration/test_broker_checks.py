"""How a site may speak to its brokers, and what is said where that is unsafe."""

import os
from pathlib import Path

import pytest

from phasewatch.cli.check import unusable_files
from phasewatch.configuration.site import load_site
from phasewatch.settings import MqttSettings
from tests.site_file import GOOD, load, mqtt, refusal

FAR = "the password goes to h in the clear; write mqtts:// and let the broker listen with TLS"


def secret(directory: Path, mode: int = 0o600) -> Path:
    file = directory / "secret"
    file.write_text("hunter2\n")
    file.chmod(mode)
    return file


def warned(directory: Path, text: str) -> list[str]:
    """Return the warnings of a site file, without its name."""
    return [line.removeprefix(f"{directory}/site.yaml: ") for line in load(directory, text).warnings]


@pytest.mark.parametrize("url", ["mqtt://localhost", "mqtt://127.0.0.1:1883", "mqtt://[::1]", "mqtts://broker.example"])
def test_a_password_in_its_own_file_to_this_machine_or_over_tls_is_fine(url: str, tmp_path: Path) -> None:
    keys = f"username: me, password_file: {secret(tmp_path)}"
    assert warned(tmp_path, mqtt(keys).replace("mqtt://h", url)) == []


def test_a_password_in_plain_text_works_and_the_mend_is_said(tmp_path: Path) -> None:
    text = mqtt("username: me, password: hunter2").replace("mqtt://h", "mqtt://localhost")
    (line,) = warned(tmp_path, text)
    assert line.startswith("mqtt.password: stands here in plain text; put it alone into a file of mode 600")
    assert "LoadCredential=" in line
    settings = load(tmp_path, text).site.mqtt
    assert settings.secret() == "hunter2"
    assert "hunter2" not in repr(settings) + settings.model_dump_json()


def test_a_password_that_goes_far_without_tls_is_said(tmp_path: Path) -> None:
    text = mqtt(f"username: me, password_file: {secret(tmp_path)}")
    assert warned(tmp_path, text) == [f"mqtt.urls[0]: {FAR}"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_can_read_is_said(mode: int, tmp_path: Path) -> None:
    file = secret(tmp_path, mode)
    (line,) = warned(tmp_path, mqtt(f"username: me, password_file: {file}").replace("mqtt://h", "mqtt://localhost"))
    assert line == f"mqtt.password_file: {file} is open to other users than its owner; chmod 600 {file}"


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_password_file_is_said(content: str, tmp_path: Path) -> None:
    file = secret(tmp_path)
    file.write_text(content)
    text = mqtt(f"username: me, password_file: {file}").replace("mqtt://h", "mqtt://localhost")
    assert warned(tmp_path, text) == [
        f"mqtt.password_file: {file} is empty; write the password into it, alone, or remove mqtt.password_file"
    ]


def test_certificates_without_tls_are_said(tmp_path: Path) -> None:
    assert warned(tmp_path, mqtt("ca_file: /ca.pem, client_cert_file: /c.pem")) == [
        f"mqtt.{name}: is not used, for no broker has TLS; write mqtts:// in mqtt.urls"
        for name in ("ca_file", "client_cert_file")
    ]


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("username: me, password: a, password_file: /b", "password and password_file are both set; remove password"),
        ("password: hunter2", "password is set without username; add username"),
        ("client_key_file: /k", "client_key_file is set without client_cert_file; add client_cert_file"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(keys: str, says: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, mqtt(keys)) == [f"mqtt: {says}"]


def test_a_bare_name_is_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret(tmp_path)
    keys = {"urls": ["mqtt://localhost"], "username": "me", "password_file": "secret", "ca_file": "/etc/ca.pem"}
    settings = MqttSettings.model_validate(keys)
    assert settings.secret() == "hunter2"
    assert settings.ca_file == Path("/etc/ca.pem")


def test_a_credential_that_is_not_handed_over_is_looked_for_beside_the_site_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over, text = tmp_path / "handed", mqtt("username: me, password_file: secret")
    handed_over.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed_over))
    assert load(tmp_path, text).site.mqtt.password_file == handed_over / "secret"
    secret(tmp_path)
    assert load(tmp_path, text).site.mqtt.password_file == tmp_path / "secret"
    secret(handed_over)
    assert load(tmp_path, text).site.mqtt.password_file == handed_over / "secret"


def test_a_relative_path_begins_at_the_site_file_wherever_the_command_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "site").mkdir()
    keys = "username: me, password_file: secret, ca_file: tls/ca.pem, client_cert_file: ../c.pem, client_key_file: k"
    text = mqtt(keys) + "web: {token_file: token}\n"
    monkeypatch.chdir(tmp_path)
    (Path("site") / "site.yaml").write_text(text)
    for path in (tmp_path / "site" / "site.yaml", Path("site/site.yaml")):
        site = load_site(path).site
        paths = [getattr(site.mqtt, f"{name}_file") for name in ("password", "ca", "client_cert", "client_key")]
        assert site.web is not None
        assert [*paths, site.web.token_file] == [
            tmp_path / "site" / name for name in ("secret", "tls/ca.pem", "../c.pem", "k", "token")
        ]


@pytest.mark.parametrize(
    ("keys", "web", "says"),
    [
        (
            "username: me, password_file: folder",
            "",
            "mqtt.password_file {}/folder: is no regular file; give the path of a file",
        ),
        (
            "username: me, password_file: pipe",
            "",
            "mqtt.password_file {}/pipe: is no regular file; give the path of a file",
        ),
        ("username: me, password_file: latin", "", "mqtt.password_file {}/latin: is no UTF-8 text; save it as UTF-8"),
        (
            "ca_file: /dev/null",
            "",
            "mqtt.ca_file /dev/null: no certificate or crl found; it must be the certificate of the authority that"
            " signed the broker's, as PEM",
        ),
        ("", "gone", "web.token_file: {}/gone: No such file or directory; the daemon must be able to read it"),
        ("", "folder", "web.token_file: {}/folder: is no regular file; give the path of a file"),
        ("", "pipe", "web.token_file: {}/pipe: is no regular file; give the path of a file"),
        ("", "latin", "web.token_file: {}/latin: is no text; write a token into it"),
        (
            "",
            "short",
            "web.token_file: {0}/short: must hold 16 or more characters without blanks; make one:"
            " openssl rand -hex 32 > {0}/short",
        ),
    ],
)
def test_a_file_that_is_of_no_use_is_one_line_with_its_mend(keys: str, web: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o755)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, content in (("latin", b"\xe4" * 20), ("short", b"abc\n")):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    text = (mqtt(keys) if keys else GOOD).replace("mqtt://h", "mqtts://localhost")
    loaded = load(tmp_path, text + (f"web: {{token_file: {web}}}\n" if web else ""))
    assert [*loaded.warnings, *unusable_files(loaded)] == [f"{tmp_path}/site.yaml: {says.format(tmp_path)}"]


def test_files_that_cannot_be_used_are_named_by_check(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    lines = list(unusable_files(load(tmp_path, mqtt(f"username: me, password_file: {gone}, ca_file: {gone}"))))
    assert lines == [
        f"{tmp_path}/site.yaml: mqtt.ca_file {gone}: No such file or directory; the daemon must be able to read it",
        f"{tmp_path}/site.yaml: mqtt.password_file {gone}: No such file or directory; the daemon must be able to"
        " read it",
    ]
    handed_over = "/run/credentials/phasewatch.service/no-such"
    assert list(unusable_files(load(tmp_path, mqtt(f"username: me, password_file: {handed_over}")))) == []
