"""Files that a site file names: where they are, and what stands in them."""

import errno
import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, ValidationInfo

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
    """Return what stands in a file. Raises: OSError, UnicodeDecodeError."""
    if path.exists() and not path.is_file():  # of a pipe nobody knows whether it ever says anything
        raise OSError(errno.EINVAL, "is no regular file; give the path of a file")
    return path.read_text(encoding="utf-8")
