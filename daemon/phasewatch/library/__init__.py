"""What ships with the product and what the user put beside the site file: profiles, limits, messages."""

from phasewatch.library.shipped import (
    config_directory,
    limits_ids,
    load_limits,
    load_messages,
    load_profile,
    profile_ids,
)
from phasewatch.library.site import LoadedSite, build_site, load_site
from phasewatch.library.validation import LibraryError, validation_lines
from phasewatch.library.yaml_file import YamlError, parse_yaml, read_yaml

__all__ = [
    "LibraryError",
    "LoadedSite",
    "YamlError",
    "build_site",
    "config_directory",
    "limits_ids",
    "load_limits",
    "load_messages",
    "load_profile",
    "load_site",
    "parse_yaml",
    "profile_ids",
    "read_yaml",
    "validation_lines",
]
