"""What is shipped around the code: the unit, the wheel, the version."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
UNIT = ROOT / "systemd" / "phasewatch.service"
WORST_EXPOSURE = 1.5


def systemd_program(name: str) -> str:
    """Return the path of a systemd tool; without it skip, or fail where systemd is required."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")
    if found is None:
        reason = f"{name} is not installed: apt-get install systemd"
        (pytest.fail if os.environ.get("PHASEWATCH_REQUIRE_SYSTEMD") else pytest.skip)(reason)
    return str(found)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lines_of(path: Path) -> list[str]:
    """Return the lines that are neither empty nor comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def complaints(directory: Path, unit: str) -> list[str]:
    """Return what systemd says of a unit whose program is there."""
    staged = directory / UNIT.name
    staged.write_text(unit.replace("/opt/phasewatch/bin/phasewatch", sys.executable), encoding="utf-8")
    result = run(systemd_program("systemd-analyze"), "verify", "--man=no", "--generators=no", str(staged))
    about = [line for line in (result.stdout + result.stderr).splitlines() if UNIT.name in line]
    return about or ([f"status {result.returncode}: {result.stderr}"] if result.returncode else [])


def test_systemd_has_nothing_to_complain_of_in_the_unit(tmp_path: Path) -> None:
    assert complaints(tmp_path, UNIT.read_text(encoding="utf-8")) == []


def test_what_the_unit_points_to_for_documentation_is_installed() -> None:
    assert "\nDocumentation=file:///opt/phasewatch/README.md\n" in UNIT.read_text(encoding="utf-8")
    installer = (UNIT.parent / "install.sh").read_text(encoding="utf-8")
    assert 'install -m 644 "$here/README.md" "$new/README.md"' in installer


def test_systemd_would_complain_of_a_misspelt_key(tmp_path: Path) -> None:
    misspelt = UNIT.read_text(encoding="utf-8").replace("WatchdogSec=", "WatchdogSecs=")
    assert any("WatchdogSecs" in line for line in complaints(tmp_path, misspelt))


def test_the_unit_exposes_little() -> None:
    result = run(systemd_program("systemd-analyze"), "security", "--no-pager", "--offline=true", str(UNIT))
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    assert level, result.stderr
    assert float(level[1]) <= WORST_EXPOSURE, result.stdout


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "NotifyAccess=main",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "WatchdogSec=60s",
        "User=phasewatch",
        "SupplementaryGroups=dialout",
        "StateDirectory=phasewatch",
        "RuntimeDirectory=phasewatch",
        "MemoryDenyWriteExecute=yes",
    ],
)
def test_the_unit_keeps_what_the_daemon_relies_on(line: str) -> None:
    assert line in lines_of(UNIT)


def test_a_missing_password_file_does_not_prevent_the_start() -> None:
    credentials = [line for line in lines_of(UNIT) if line.startswith("LoadCredential")]
    assert credentials
    assert not [line for line in credentials if ":/" in line], "systemd requires an absolute path to be there"


def test_the_user_of_the_unit_is_made_and_may_open_serial_lines(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "group").write_text("root:x:0:\ndialout:x:20:\n", encoding="utf-8")
    (etc / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (etc / "sysusers.d").mkdir()
    shutil.copy(ROOT / "systemd" / "phasewatch.sysusers", etc / "sysusers.d" / "phasewatch.conf")
    result = run(systemd_program("systemd-sysusers"), f"--root={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^phasewatch:x:\d+:\d+:.*:/var/lib/phasewatch:", (etc / "passwd").read_text("utf-8"), re.M)
    assert re.search(r"^dialout:x:20:phasewatch$", (etc / "group").read_text("utf-8"), re.M)


def test_a_shipped_udev_rule_touches_no_device_until_it_is_edited() -> None:
    assert lines_of(ROOT / "systemd" / "70-phasewatch.rules") == []


def test_every_module_to_load_is_one_plain_name() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+", line) for line in lines_of(ROOT / "systemd" / "modules-load.conf"))


def test_the_wheel_takes_the_package_its_types_and_config() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["daemon/phasewatch"]
    assert wheel["force-include"] == {"config": "phasewatch/config"}
    assert (ROOT / "daemon" / "phasewatch" / "py.typed").is_file()
    assert not (ROOT / "daemon" / "phasewatch" / "config").exists(), "it would be in the wheel twice"


@pytest.mark.parametrize("directory", ["meters", "limits", "messages"])
def test_what_the_wheel_takes_is_there(directory: str) -> None:
    assert list((ROOT / "config" / directory).glob("*.yaml"))


def test_the_version_stands_only_in_pyproject() -> None:
    version = re.escape(project()["project"]["version"])
    stated = re.compile(rf"^__version__\s*=|[\"']{version}[\"']", re.M)
    sources = [*(ROOT / "daemon").rglob("*.py"), *(ROOT / "systemd").iterdir(), ROOT / "Makefile"]
    assert [str(path) for path in sources if stated.search(path.read_text(encoding="utf-8"))] == []


def test_the_changelog_begins_with_the_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[?([^\]\s]+)", text, re.M)
    assert headings[0] in {project()["project"]["version"], "Unreleased"}
    assert project()["project"]["version"] in headings[:2]


def test_no_test_needs_a_git_checkout() -> None:
    asks_git = re.compile(r"[\"']git[\"']|[\"'/]\.git\b(?!ignore|hub)|\bgit (rev|ls|log|status|describe)")
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve()]
    assert [str(path) for path in tests if asks_git.search(path.read_text(encoding="utf-8"))] == []


def test_refusing_executable_memory_does_not_break_the_compiled_parts() -> None:
    """Load what the daemon loads with the kernel refusing memory that is writable and executable."""
    script = (
        "import ctypes, json, mmap\n"
        "refused = ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) == 0\n"
        "import pydantic, sqlite3, ssl, yaml, paho.mqtt.client, pymodbus.client, serial, ctypes.util\n"
        "class Model(pydantic.BaseModel):\n    value: int\n"
        "assert Model.model_validate_json('{\"value\": 1}').value == 1\n"
        "assert sqlite3.connect(':memory:').execute('select 1').fetchone() == (1,)\n"
        "ssl.create_default_context()\n"
        "yaml.safe_load('a: 1')\n"
        "try:\n    mmap.mmap(-1, 4096, prot=7)\nexcept PermissionError:\n    held = True\nelse:\n    held = False\n"
        "print(json.dumps([refused, held]))\n"
    )
    result = run(sys.executable, "-c", script)
    assert result.returncode == 0, result.stderr
    refused, held = json.loads(result.stdout)
    if not refused:
        pytest.skip("this kernel cannot refuse writable and executable memory (needs Linux 6.3)")
    assert held
