"""Finds and loads profiles, limits and messages; the user's files stand before the shipped ones."""

import difflib
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

import phasewatch
from phasewatch.electrical.limits import Limits
from phasewatch.library.validation import LibraryError, validation_lines
from phasewatch.library.yaml_file import YamlError, read_yaml
from phasewatch.meters.decode import Decoder, ProfileError, example_problems
from phasewatch.meters.profile import Profile
from phasewatch.meters.readplan import plan, tcp_cost

METERS: Final = "meters"
LIMITS: Final = "limits"
MESSAGES: Final = "messages"

Model = TypeVar("Model", bound=BaseModel)


def config_directory() -> Path:
    """Return where the shipped files are: inside the wheel, or the checkout's config/.

    Raises: LibraryError when neither is there.
    """
    package = Path(phasewatch.__file__).resolve().parent
    for directory in (package / "config", package.parent.parent / "config"):
        if (directory / METERS).is_dir():
            return directory
    raise LibraryError([f"{package}: the shipped config directory is missing; install phasewatch again"])


def profile_ids(overrides: Path | None = None) -> tuple[str, ...]:
    """Return the ids of all profiles, sorted; `overrides` is the directory of the site file."""
    return tuple(sorted(_files(METERS, overrides)))


def limits_ids(overrides: Path | None = None) -> tuple[str, ...]:
    """Return the ids of all limit presets, sorted; `overrides` is the directory of the site file."""
    return tuple(sorted(_files(LIMITS, overrides)))


def load_profile(profile_id: str, overrides: Path | None = None) -> Profile:
    """Load a profile, check that it can be read and decoded, and run its examples.

    Raises: LibraryError with one line for each problem.
    """
    path = _find(METERS, profile_id, overrides)
    profile = _load(path, Profile)
    _refuse_other_id(path, profile.id)
    problems = _problems(profile)
    if problems:
        raise LibraryError(f"{path}: {problem}" for problem in problems)
    return profile


def load_limits(limits_id: str, overrides: Path | None = None) -> Limits:
    """Load a limit preset.

    Raises: LibraryError with one line for each problem.
    """
    path = _find(LIMITS, limits_id, overrides)
    limits = _load(path, Limits)
    _refuse_other_id(path, limits.id)
    return limits


def load_messages(language: str) -> dict[str, object]:
    """Load the words of a language.

    Raises: LibraryError for a language that is not shipped.
    """
    path = _find(MESSAGES, language, None)
    content = _read(path)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise LibraryError([f"{path}: must be a mapping of names to texts"])
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
    raise LibraryError([f"{place}: no file {name}.yaml; {hint}"])


def _read(path: Path) -> object:
    try:
        return read_yaml(path)
    except YamlError as error:
        raise LibraryError([str(error)]) from error


def _load(path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(_read(path))
    except ValidationError as error:
        raise LibraryError(validation_lines(error, str(path))) from error


def _refuse_other_id(path: Path, found: str) -> None:
    if found != path.stem:
        raise LibraryError([f"{path}: id: is {found}, the file name says {path.stem}; make them equal"])


def _problems(profile: Profile) -> list[str]:
    """Return what only planning and decoding can tell."""
    problems = []
    for check in (lambda: Decoder(profile, nominal_v=230.0), lambda: plan(profile, profile.registers, tcp_cost())):
        try:
            check()
        except ProfileError as error:
            problems.append(str(error))
    return problems or example_problems(profile)
