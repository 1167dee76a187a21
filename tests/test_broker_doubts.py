"""How a site may speak to its brokers, and what is said where that is unsafe."""

from pathlib import Path

import pytest

from phasewatch.cli.probe import unusable_files
from phasewatch.settings import MqttSettings
from tests.site_file import load, mqtt, refusal

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
