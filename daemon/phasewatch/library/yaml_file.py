"""Reads YAML strictly: what looks like a word stays a word, and nothing is said twice.

Booleans are `true` and `false`, numbers are decimal, keys are unique; `no`, `12:30:00` and `010` are text. Anchors,
aliases and tags are refused, so a small file cannot become a large one.
"""

import math
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

MAX_BYTES: Final = 1_000_000

_PLAIN: Final = (
    ("bool", re.compile(r"true|false"), "tf"),
    ("null", re.compile(r"~|null|"), ["~", "n", ""]),
    ("int", re.compile(r"[-+]?(0|[1-9][0-9]*)"), "-+0123456789"),
    ("float", re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"), "-+.0123456789"),
)


_MENDS: Final = {
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
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        return None if node is None else _value(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f"{mark.line + 1}:"
        raise YamlError(f"{name}:{line} {_MENDS.get(error.problem or '') or error.problem or error.context}") from error
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
