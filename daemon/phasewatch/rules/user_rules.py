"""The rules that users write themselves: names that are no built-in rule, each with an `expression`."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from phasewatch.meters.profile import Slug
from phasewatch.rules.catalogue import RULES
from phasewatch.rules.expression import Settings

RESERVED: Final = frozenset(("seen_live",))
"""Names that the journal has for what is no alert."""

_SLUG: Final[TypeAdapter[str]] = TypeAdapter(Slug)


def _with_expression(named: object) -> object:
    """Return the keys of an own rule. Raises: PydanticCustomError for what is neither built in nor an expression."""
    name, keys = named if isinstance(named, tuple) else ("", named)
    if isinstance(keys, Settings):
        return keys
    if not isinstance(keys, dict) or "expression" not in keys:
        near = " or ".join(get_close_matches(str(name), RULES, n=3)) or f"one of {', '.join(RULES)}"
        message = "unknown key; did you mean {near}? A rule of your own needs `expression`"
        raise PydanticCustomError("unknown_rule", message, {"near": near})
    if name in RESERVED:
        raise PydanticCustomError("reserved", "is a name that phasewatch keeps for itself; take another one")
    try:
        _SLUG.validate_python(name)
    except ValidationError:
        raise PydanticCustomError("string_pattern_mismatch", "no slug") from None
    return keys


class OwnRules(BaseModel):
    """Lets rules with an `expression` in beside the built-in ones."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Settings, BeforeValidator(_with_expression)]]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, content: object) -> object:
        """Give each own rule its name, for the message."""
        if not isinstance(content, dict):
            return content
        return {name: keys if name in cls.model_fields else (name, keys) for name, keys in content.items()}


def own_rules(rules: BaseModel) -> dict[str, Settings]:
    """Return the rules of the user's own, by name."""
    return rules.model_extra or {}


def inheriting(content: object) -> object:
    """Return a site file's content with the site's expressions under the points' rules that only change other keys."""
    if not isinstance(content, dict) or not isinstance(content.get("points"), dict):
        return content
    rules = content.get("rules")
    own = {
        name: keys["expression"]
        for name, keys in (rules.items() if isinstance(rules, dict) else ())
        if name not in RULES and isinstance(keys, dict) and "expression" in keys
    }
    return {**content, "points": {name: _inheriting(point, own) for name, point in content["points"].items()}}


def _inheriting(point: object, own: Mapping[Any, object]) -> object:
    if not isinstance(point, dict) or not isinstance(point.get("rules"), dict):
        return point
    rules = {
        name: {"expression": own[name], **keys} if name in own and isinstance(keys, dict) else keys
        for name, keys in point["rules"].items()
    }
    return {**point, "rules": rules}
