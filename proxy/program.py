"""What this program is called by who runs it.

That differs between the repository and an installed package; texts are written for the first.
"""

from __future__ import annotations

import sys
from pathlib import Path

AS_MODULE, AS_PROGRAM = "python -m proxy", "gemini-messages"
"""What is typed in front of a command: in the repository, and where the package is installed."""


def as_typed(text: str) -> str:
    """A text for a person, with this program's name as it was typed."""
    is_installed = Path(sys.argv[0]).stem == AS_PROGRAM
    return text.replace(AS_MODULE, AS_PROGRAM) if is_installed else text
