"""What this program is called by who runs it.

That differs between the repository, with its own environment active or not, and an installed
package; texts are written for the first.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

AS_MODULE, AS_PROGRAM = "python -m proxy", "gemini-messages"
"""What is typed in front of a command: in the repository, and where the package is installed."""

WITHOUT_PATH = re.compile(rf"(?<![\w/\\]){AS_MODULE}")
"""Not where a path stands before it already."""

ENVIRONMENT = Path(__file__).parent.parent / ".venv"
"""What `make` and ./gemini-claude install into, and do not activate."""

PYTHON = r".venv\Scripts\python" if os.name == "nt" else ".venv/bin/python"
NO_PACKAGES = (
    "{error}: this Python lacks the packages of requirements.txt. In the repository's folder "
    f"`make .venv/run` installs them, and `{PYTHON} -m proxy` is the Python that has them."
)


def as_typed(text: str) -> str:
    """A text for a person, with this program's name as it has to be typed."""
    if Path(sys.argv[0]).stem == AS_PROGRAM:
        return text.replace(AS_MODULE, AS_PROGRAM)
    if Path(sys.prefix) == ENVIRONMENT and not _is_active():
        return WITHOUT_PATH.sub(lambda _: f"{PYTHON} -m proxy", text)
    return text


def _is_active() -> bool:
    found = shutil.which("python")
    return found is not None and Path(found).parent == Path(sys.executable).parent
