"""The site file as typed models. Keys are a contract: snake_case, the unit in the name.

Only `site`, `buses` and `mqtt.urls` have no default. Checks across keys are in `configuration.checks`.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from phasewatch.electrical.severity import Severity
from phasewatch.electrical.supply import System
from phasewatch.meters.endpoint import Endpoint, parse_url
from phasewatch.meters.measuring_point import Wiring
from phasewatch.meters.profile import Slug
from phasewatch.meters.quantities import PHASES, UNITS
from phasewatch.rules.catalogue import RULES
from phasewatch.rules.rule import RuleSettings
from phasewatch.rules.user_rules import OwnRules, inheriting, own_rules

FOLDER: Final = "folder"
"""Key of the validation context: the directory of the site file, at which its relative paths begin."""


def _credential(path: Path, info: ValidationInfo) -> Path:
    folder, handed_over = (info.context or {}).get(FOLDER), os.environ.get("CREDENTIALS_DIRECTORY")
    beside = path if folder is None else folder / path
    if not handed_over or len(path.parts) != 1:
        return beside
    credential = Path(handed_over) / path
    return beside if is_there(beside) and not is_there(credential) else credential


Credential = Annotated[Path, AfterValidator(_credential)]
"""A file; a bare name is first one of the credentials that systemd hands over, where there are any."""


def is_there(path: Path) -> bool:
    """Return whether a path is there, as far as this user can see."""
    try:
        return path.exists()
    except OSError:
        return False


def is_no_file(error: OSError) -> bool:
    """Return whether it is the error of `text_of` for what is no file."""
    return error.errno == errno.EINVAL


def text_of(path: Path) -> str:
    """Return the text of a file. Raises: OSError, UnicodeDecodeError."""
    if path.exists() and not path.is_file():  # a pipe may never end
        raise OSError(errno.EINVAL, "is no regular file; give the path of a file")
    return path.read_text(encoding="utf-8")


LINE_VOLTAGES: Final = (190.0, 200.0, 208.0, 380.0, 400.0, 415.0, 440.0, 480.0, 600.0, 690.0)
"""Common line-to-line voltages that are not a common phase-to-neutral one."""

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


class Section(BaseModel):
    """The base of every part of the site file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _keys(cls, content: object) -> object:
        if not isinstance(content, dict | cls):
            raise ValueError("must be keys with values, as `key: value`; remove it where there is nothing to say")
        return content


class SupplySettings(Section):
    """What the supply should be."""

    nominal_v: Number = Field(default=230.0, gt=0)
    """Phase to neutral."""
    frequency_hz: Number = Field(default=50.0, gt=0)
    system: System = "TN-S"
    limits: Slug = "en50160"
    """Limit preset."""


class MeterSettings(Section):
    """One meter on a bus."""

    name: Slug
    profile: Slug
    unit_id: Whole | None = Field(default=None, ge=0, le=255)
    """None: the profile's."""
    interval_s: Number = Field(default=1.0, ge=0.1, le=86400)
    point: Slug | None = None
    """None: a point of its own, named like the meter."""
    wiring: Wiring = "three_phase"
    phases: tuple[str, str, str] = PHASES
    vt_ratio: Number = Field(default=1.0, gt=0)
    ignore: tuple[str, ...] = ()
    """Quantities not to read: an input that nothing is wired to."""

    @field_validator("phases", mode="before")
    @classmethod
    def _a_permutation(cls, phases: object) -> object:
        if not isinstance(phases, list | tuple) or sorted(map(str, phases)) != list(PHASES):
            raise ValueError("must name l1, l2 and l3 once each, as [l2, l3, l1]")
        return phases

    @field_validator("ignore")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in UNITS:
                raise ValueError(f"{name} is no quantity; one of {', '.join(UNITS)}")
        return names

    @property
    def point_name(self) -> str:
        """The point that the meter belongs to."""
        return self.point or self.name


def _endpoint_url(url: str) -> str:
    parse_url(url)
    return url


class BusSettings(Section):
    """A serial line or a network endpoint, and the meters on it."""

    name: Slug
    url: Annotated[str, AfterValidator(_endpoint_url)]
    timeout_s: Number = Field(default=0.5, gt=0, le=30)
    gap_ms: Number = Field(default=0.0, ge=0)
    """Silence between requests; the longer of this and the profile's is kept."""
    unit_gap_ms: Number = Field(default=0.0, ge=0)
    """Silence when the unit id changes."""
    meters: tuple[MeterSettings, ...] = Field(min_length=1)

    @property
    def endpoint(self) -> Endpoint:
        """The URL, taken apart."""
        return parse_url(self.url)


_BROKER_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker listens."""

    host: str
    port: int
    tls: bool

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Read `mqtt://host[:port]` or, with TLS, `mqtts://host[:port]`. Raises: ValueError when it is neither."""
        wanted = "must be mqtt://host:1883 or mqtts://host:8883"
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError(wanted) from None
        beside = parts.path.strip("/") or parts.query or parts.fragment or " " in url
        if parts.scheme not in _BROKER_PORTS or not parts.hostname or beside:
            raise ValueError(wanted)
        if parts.username or parts.password:
            raise ValueError("carries a user or password; use mqtt.username and mqtt.password_file")
        _check_port(parts)
        return cls(parts.hostname, parts.port or _BROKER_PORTS[parts.scheme], parts.scheme == "mqtts")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def _broker_url(url: str) -> str:
    Broker.parse(url)
    return url


def _check_port(parts: SplitResult) -> None:
    try:
        parts.port  # noqa: B018 - reading it is the check
    except ValueError:
        raise ValueError("the port must be 1 to 65535") from None


class MqttSettings(Section):
    """The broker, and how to speak to it."""

    urls: tuple[Annotated[str, AfterValidator(_broker_url)], ...] = Field(min_length=1)
    """Tried in turn."""
    username: str | None = None
    password: SecretStr | None = None
    """In plain text, for a trial."""
    password_file: Credential | None = None
    ca_file: Credential | None = None
    """None: the authorities that the system trusts."""
    client_cert_file: Credential | None = None
    client_key_file: Credential | None = None
    """None: the key is in `client_cert_file`."""
    homeassistant: Flag = False
    commands: Flag = False

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both set; remove password")
        if self.username is None and (self.password is not None or self.password_file is not None):
            name = "password" if self.password_file is None else "password_file"
            raise ValueError(f"{name} is set without username; add username")
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file is set without client_cert_file; add client_cert_file")
        return self

    def secret(self) -> str | None:
        """Return the password.

        Raises: OSError, UnicodeDecodeError when its file cannot be read.
        """
        if self.password_file is None:
            return None if self.password is None else self.password.get_secret_value()
        return text_of(self.password_file).rstrip("\r\n")


def _webhook_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or not _sendable(url):
        raise ValueError("must be https://host/path, or http://host/path on this machine")
    if parts.username or parts.password:
        raise ValueError("carries a user or password; the receiver knows events by the signature with secret_file")
    _check_port(parts)
    return url


def _sendable(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


class WebhookSettings(Section):
    """A URL that gets every event."""

    name: Slug
    url: Annotated[str, AfterValidator(_webhook_url)]
    secret_file: Credential
    """The key of the signature, alone in a file."""
    ca_file: Credential | None = None
    """None: the authorities that the system trusts."""
    min_severity: Severity | None = None
    """None: the events of every alert."""
    timeout_s: Number = Field(default=10.0, gt=0, le=120)

    def secret(self) -> bytes:
        """Return the key.

        Raises: OSError, UnicodeDecodeError when its file cannot be read or is empty.
        """
        secret = text_of(self.secret_file).strip().encode()
        if not secret:
            raise OSError(errno.EINVAL, "is empty; write a key into it, as `openssl rand -hex 32` makes one")
        return secret


def host_and_port(address: str) -> tuple[str, int]:
    """Take `host:port` apart; an IPv6 host is in brackets. Raises: ValueError."""
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != address or "@" in address or not _is_a_name(host):
        raise ValueError("must be host:port, as 127.0.0.1:8600, [::1]:8600 or 0.0.0.0:8600")
    return host, port


def _is_a_name(host: str) -> bool:
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _listen_address(address: str) -> str:
    host_and_port(address)
    return address


class WebSettings(Section):
    """The page of the daemon, its HTTP API and its metrics over TCP; the unix socket is always there."""

    listen: Annotated[str, AfterValidator(_listen_address)] = "127.0.0.1:8600"
    token_file: Credential | None = None
    """The token that commands over TCP must carry; None: there are none over TCP."""


RulesSettings: type[OwnRules] = create_model(
    "RulesSettings", __base__=(Section, OwnRules), **{name: (settings, settings()) for name, settings in RULES.items()}
)  # type: ignore[call-overload]
"""One field a built-in rule; those of the user's own beside them."""


class SupplyOverride(Section):
    """What one point's supply has of its own; None: the site's."""

    nominal_v: Number | None = Field(default=None, gt=0)
    frequency_hz: Number | None = Field(default=None, gt=0)
    system: System | None = None
    limits: Slug | None = None


class PointSettings(Section):
    """What one point has of its own."""

    supply: SupplyOverride = SupplyOverride()
    rules: RulesSettings = RulesSettings()


class Site(Section):
    """The whole site file."""

    site: Slug
    language: Language = "en"
    state_dir: Path = Path("/var/lib/phasewatch")
    supply: SupplySettings = SupplySettings()
    buses: tuple[BusSettings, ...] = Field(min_length=1)
    mqtt: MqttSettings
    publish_interval_s: Number = Field(default=10.0, gt=0)
    points: dict[Slug, PointSettings] = Field(default_factory=dict)
    rules: RulesSettings = RulesSettings()
    web: WebSettings | None = None
    webhooks: tuple[WebhookSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _own_rules(cls, content: object) -> object:
        return inheriting(content)

    def meters(self) -> Iterator[tuple[BusSettings, MeterSettings]]:
        """Yield every meter with its bus, in the order of the file."""
        for bus in self.buses:
            for meter in bus.meters:
                yield bus, meter

    def supply_of(self, point: str) -> SupplySettings:
        """Return the supply of a point: its own keys over the site's."""
        own = self.points[point].supply.model_dump(exclude_none=True) if point in self.points else {}
        return SupplySettings(**{**self.supply.model_dump(), **own})

    def rules_of(self, point: str | None) -> dict[str, RuleSettings]:
        """Return the settings of every rule at a point: its own keys over the site's; None: the site's."""
        own = self.points[point].rules if point in self.points else RulesSettings()
        classes = RULES | {name: type(rule) for name, rule in (own_rules(self.rules) | own_rules(own)).items()}
        return {
            name: settings.model_validate({**_set(self.rules, name), **_set(own, name)})
            for name, settings in classes.items()
        }


def _set(rules: BaseModel, name: str) -> dict[str, Any]:
    settings: BaseModel | None = getattr(rules, name) if name in RULES else own_rules(rules).get(name)
    return settings.model_dump(exclude_unset=True) if settings is not None else {}


def warnings(site: Site) -> list[str]:
    """Return what looks wrong but may be meant, a line each."""
    places: Mapping[str, SupplySettings | SupplyOverride] = {
        "supply": site.supply,
        **{f"points.{name}.supply": point.supply for name, point in site.points.items()},
    }
    return [
        f"{place}.nominal_v: {supply.nominal_v:g} V looks like a line-to-line voltage;"
        f" phase to neutral would be {supply.nominal_v / sqrt(3.0):.0f} V"
        for place, supply in places.items()
        if supply.nominal_v in LINE_VOLTAGES
    ]
