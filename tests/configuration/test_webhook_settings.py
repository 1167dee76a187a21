"""The `webhooks` section of a site file: what is refused, what is warned of, and what is said of its files."""

from pathlib import Path

import pytest

from phasewatch.cli.check import unusable_files
from phasewatch.configuration.site import load_site
from phasewatch.service.state import SecretFileError, delivery_config
from tests.site_file import GOOD, load, refusal

URL = "must be https://host/path, or http://host/path on this machine"


def webhook(keys: str = "", url: str = "https://erp.example/hook", name: str = "erp", secret: object = "/s") -> str:
    more = f", {keys}" if keys else ""
    return f'  - {{name: {name}, url: "{url}", secret_file: "{secret}"{more}}}\n'


def site(*webhooks: str) -> str:
    return f"{GOOD}webhooks:\n{''.join(webhooks)}"


def key(directory: Path, content: str = "0123\n", mode: int = 0o600) -> Path:
    file = directory / "key"
    file.write_text(content)
    file.chmod(mode)
    return file


def warned(directory: Path, text: str) -> list[str]:
    return [line.removeprefix(f"{directory}/site.yaml: ") for line in load(directory, text).warnings]


def test_a_site_without_webhooks_has_none(tmp_path: Path) -> None:
    assert delivery_config(load(tmp_path, GOOD)).webhooks == ()


def test_a_webhook_is_what_the_file_says(tmp_path: Path) -> None:
    secret = key(tmp_path)
    text = site(webhook("min_severity: high, timeout_s: 3, ca_file: ca.pem", secret=secret))
    (made,) = delivery_config(load(tmp_path, text)).webhooks
    assert (made.name, made.url, made.secret) == ("erp", "https://erp.example/hook", b"0123")
    assert (made.min_severity, made.timeout_s, made.ca_file) == ("high", 3.0, tmp_path / "ca.pem")
    assert "0123" not in repr(made)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            site("  - {name: erp}\n"),
            ["webhooks[0].url: is required; add it", "webhooks[0].secret_file: is required; add it"],
        ),
        (site(webhook(url="ftp://h/x")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="erp.example/hook")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="https:///hook")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="https://h/a b")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="https://h/线")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="https://h/#part")), [f"webhooks[0].url: {URL}"]),
        (site(webhook(url="https://h:99999/")), ["webhooks[0].url: the port must be 1 to 65535"]),
        (
            site(webhook(url="https://me:hunter2@h/")),
            [
                "webhooks[0].url: carries a user or password;"
                " the receiver knows events by the signature with secret_file"
            ],
        ),
        (
            site(webhook(), webhook()),
            ["webhooks[1].name: erp is already the name of webhooks[0]; give each its own"],
        ),
        (
            site(webhook(name="mqtt")),
            ["webhooks[0].name: mqtt is already the name of the sink for the broker; give each its own"],
        ),
        (
            site(webhook("min_severity: severe")),
            ["webhooks[0].min_severity: Input should be 'critical', 'high', 'medium' or 'low' (is 'severe')"],
        ),
    ],
)
def test_a_webhook_that_cannot_be_is_refused(text: str, says: list[str], tmp_path: Path) -> None:
    assert refusal(tmp_path, text) == says


@pytest.mark.parametrize("url", ["http://localhost:8080/x", "http://127.0.0.1/x", "http://[::1]:1/x", "https://h/x"])
def test_plain_http_on_this_machine_and_https_anywhere_are_fine(url: str, tmp_path: Path) -> None:
    assert warned(tmp_path, site(webhook(url=url, secret=key(tmp_path)))) == []


def test_what_is_unsafe_is_warned_of(tmp_path: Path) -> None:
    secret = key(tmp_path, mode=0o644)
    assert warned(tmp_path, site(webhook("ca_file: ca.pem", url="http://erp.example/hook", secret=secret))) == [
        "webhooks[0].url: events go to erp.example in the clear; write https://",
        "webhooks[0].ca_file: is not used, for url has no TLS; write https://",
        f"webhooks[0].secret_file: {secret} is open to other users than its owner; chmod 600 {secret}",
    ]


@pytest.mark.parametrize(
    ("content", "check", "run"),
    [
        (None, "No such file or directory; the daemon must be able to read it", "No such file or directory"),
        (b"\n", "is empty; write a key into it, as `openssl rand -hex 32` makes one", "is empty; write a key into it"),
        (b"\xff\xfe", "is no UTF-8 text; save it as UTF-8", "'utf-8' codec can't decode"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(content: bytes | None, check: str, run: str, tmp_path: Path) -> None:
    secret = tmp_path / "key"
    if content is not None:
        secret.write_bytes(content)
        secret.chmod(0o600)
    loaded = load(tmp_path, site(webhook(secret=secret)))
    assert list(unusable_files(loaded)) == [f"{tmp_path}/site.yaml: webhooks[0].secret_file {secret}: {check}"]
    with pytest.raises(SecretFileError, match=r"^webhooks\[0\]\.secret_file: ") as caught:
        delivery_config(loaded)
    assert run in str(caught.value)


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    loaded = load(tmp_path, site(webhook("ca_file: none.pem", secret=key(tmp_path))))
    (line,) = unusable_files(loaded)
    assert line.startswith(f"{tmp_path}/site.yaml: webhooks[0].ca_file {tmp_path}/none.pem: No such file")


def test_a_key_that_systemd_hands_over_later_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(site(webhook(secret="/run/credentials/phasewatch.service/erp")))
    assert list(unusable_files(load_site(file))) == []
