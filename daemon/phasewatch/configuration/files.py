"""Reads the files beside the program: YAML, profiles, limits, messages; the user's own come first.

YAML is read strictly: what looks like a word stays a word, and no key may come twice. Booleans are `true` and `false`,
numbers are decimal; `no`, `12:30:00` and `010` are text. Anchors, aliases and tags are refused, so that a small file
cannot become a large one.
"""

import difflib
import math
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

import phasewatch
from phasewatch.configuration.errors import ConfigurationError
from phasewatch.configuration.validation import validation_lines
from phasewatch.electrical.limits import Limits
from phasewatch.meters.decode import Decoder, ProfileError, example_problems
from phasewatch.meters.profile import Profile
from phasewatch.meters.readplan import plan, tcp_cost

MAX_BYTES: Final = 1_000_000

_PLAIN: Final = (
    ("bool", re.compile(r"true|false"), "tf"),
    ("null", re.compile(r"~|null|"), ["~", "n", ""]),
    ("int", re.compile(r"[-+]?(0|[1-9][0-9]*)"), "-+0123456789"),
    ("float", re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"), "-+.0123456789"),
)


_REMEDIES: Final = {
    "but found another document": "a second document begins here; keep one, and remove the --- between them",
}
"""What PyYAML says that leaves out what to do -> what is said."""


class YamlError(Exception):
    """The file cannot be read as YAML; the message is `file:line: what is wrong`."""


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes without anchors, aliases and tags."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML's own shape

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not allowed", problem_mark=event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="tags are not allowed", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


for _name, _pattern, _first in _PLAIN:
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


class _FastLoader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Composes the same nodes with libyaml, ten times as fast; its errors are not worded for people."""

    yaml_implicit_resolvers = _StrictLoader.yaml_implicit_resolvers


def _composed_fast(text: str) -> Node | None:
    """Return the root of a strict text; None where the strict loader has to say what is wrong, or without libyaml."""
    if not yaml.__with_libyaml__:
        return None
    try:
        events = yaml.parse(text, Loader=_FastLoader)
        if any(getattr(event, "anchor", None) or getattr(event, "tag", None) for event in events):
            return None
        node: Node | None = _FastLoader(text).get_single_node()
    except (yaml.YAMLError, RecursionError):
        return None
    return node


def read_yaml(path: Path) -> object:
    """Return what the file holds.

    Raises: YamlError when it cannot be read or is not strict YAML.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a pipe nobody knows whether it ever says anything
            raise YamlError(f"{path}: is no regular file; give the path of a file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise YamlError(f"{path}: larger than {MAX_BYTES} bytes; split it or remove what is not needed")
        return parse_yaml(raw.decode("utf-8-sig"), str(path))
    except OSError as error:
        raise YamlError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise YamlError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error


def parse_yaml(text: str, name: str) -> object:
    """Return what the text holds; `name` stands for the file in errors.

    Raises: YamlError when it is not strict YAML.
    """
    try:
        node = _composed_fast(text) or _StrictLoader(text).get_single_node()
        return None if node is None else _value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"{mark.line + 1}:"
        raise YamlError(
            f"{name}:{line} {_REMEDIES.get(error.problem or '') or error.problem or error.context}"
        ) from error
    except ReaderError as error:
        place = f"{name}:{text.count(chr(10), 0, error.position) + 1}"
        raise YamlError(f"{place}: holds the character U+{error.character:04X}; delete it, YAML has no such") from error
    except yaml.YAMLError as error:
        raise YamlError(f"{name}: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise YamlError(f"{name}: nested too deep") from error


def _value(node: Node) -> object:
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if isinstance(node, SequenceNode):
        return [_value(item) for item in node.value]
    return _mapping(node)


def _mapping(node: Node) -> dict[Hashable, object]:
    assert isinstance(node, MappingNode)  # noqa: S101
    lines: dict[Hashable, int] = {}
    result: dict[Hashable, object] = {}
    for key_node, value_node in node.value:
        key = _key(key_node)
        if key in lines:
            raise _wrong(key_node, f"key {key!r} is already in line {lines[key]}; remove one of the two")
        lines[key] = key_node.start_mark.line + 1
        result[key] = _value(value_node)
    return result


def _key(node: Node) -> Hashable:
    if not isinstance(node, ScalarNode):
        raise _wrong(node, "a key must be a single word or number")
    return _scalar(node)


def _scalar(node: ScalarNode) -> str | int | float | bool | None:
    kind = node.tag.rpartition(":")[2]
    text: str = node.value
    if kind == "bool":
        return text == "true"
    if kind == "null":
        return None
    if kind == "int":
        return _int(node, text)
    if kind == "float":
        return _float(node, text)
    return text


def _int(node: Node, text: str) -> int:
    if len(text) > 20:
        raise _wrong(node, "number too long; put text in quotes")
    return int(text)


def _float(node: Node, text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _wrong(node, f"{text[:20]} is too large")
    return number


def _wrong(node: Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


METERS: Final = "meters"
LIMITS: Final = "limits"
MESSAGES: Final = "messages"

Model = TypeVar("Model", bound=BaseModel)


def config_directory() -> Path:
    """Return where the shipped files are: inside the wheel, or the checkout's config/.

    Raises: ConfigurationError when neither is there.
    """
    package = Path(phasewatch.__file__).resolve().parent
    for directory in (package / "config", package.parent.parent / "config"):
        if (directory / METERS).is_dir():
            return directory
    raise ConfigurationError([f"{package}: the shipped config directory is missing; install phasewatch again"])


def profile_ids(overrides: Path | None = None) -> tuple[str, ...]:
    """Return the ids of all profiles, sorted; `overrides` is the directory of the site file."""
    return tuple(sorted(_files(METERS, overrides)))


def limits_ids(overrides: Path | None = None) -> tuple[str, ...]:
    """Return the ids of all limit presets, sorted; `overrides` is the directory of the site file."""
    return tuple(sorted(_files(LIMITS, overrides)))


def load_profile(profile_id: str, overrides: Path | None = None) -> Profile:
    """Load a profile, check that it can be read and decoded, and run its examples.

    Raises: ConfigurationError with one line for each problem.
    """
    path = _find(METERS, profile_id, overrides)
    profile = _load(path, Profile)
    _refuse_other_id(path, profile.id)
    problems = _problems(profile)
    if problems:
        raise ConfigurationError(f"{path}: {problem}" for problem in problems)
    return profile


def load_limits(limits_id: str, overrides: Path | None = None) -> Limits:
    """Load a limit preset.

    Raises: ConfigurationError with one line for each problem.
    """
    path = _find(LIMITS, limits_id, overrides)
    limits = _load(path, Limits)
    _refuse_other_id(path, limits.id)
    return limits


def load_messages(language: str) -> dict[str, object]:
    """Load the words of a language.

    Raises: ConfigurationError for a language that is not shipped.
    """
    path = _find(MESSAGES, language, None)
    content = _read(path)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigurationError([f"{path}: must be a mapping of names to texts"])
    return content


def _files(kind: str, overrides: Path | None) -> dict[str, Path]:
    directories = [config_directory(), *([] if overrides is None else [overrides])]
    return {path.stem: path for directory in directories for path in sorted((directory / kind).glob("*.yaml"))}


def _find(kind: str, name: str, overrides: Path | None) -> Path:
    files = _files(kind, overrides)
    if name in files:
        return files[name]
    place = ", ".join(str(directory / kind) for directory in (overrides, config_directory()) if directory is not None)
    near = difflib.get_close_matches(name, files, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(sorted(files)) or 'none'}"
    if overrides is not None and (overrides / kind / f"{name}.yml").is_file():
        hint = f"rename {name}.yml to {name}.yaml"
    raise ConfigurationError([f"{place}: no file {name}.yaml; {hint}"])


def _read(path: Path) -> object:
    try:
        return read_yaml(path)
    except YamlError as error:
        raise ConfigurationError([str(error)]) from error


def _load(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(_read(path))
    except ValidationError as error:
        raise ConfigurationError(validation_lines(error, str(path))) from error


def _refuse_other_id(path: Path, found: str) -> None:
    if found != path.stem:
        raise ConfigurationError([f"{path}: id: is {found}, the file name says {path.stem}; make them equal"])


def _problems(profile: Profile) -> list[str]:
    """Return what only planning and decoding can tell."""
    problems = []
    for check in (lambda: Decoder(profile, nominal_v=230.0), lambda: plan(profile, profile.registers, tcp_cost())):
        try:
            check()
        except ProfileError as error:
            problems.append(str(error))
    return problems or example_problems(profile)
