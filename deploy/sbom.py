"""What is in build/lambda.zip, as CycloneDX 1.6 (a software bill of materials), beside the zip.

Read from the wheels that were packed: names, versions and licenses as their authors wrote them,
hashes of the files as the lock has them, and what an author lists as compiled in. The same bytes
for the same zip. https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import json
import sys
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent.parent))

from proxy import __version__

COPIED = ("type", "name", "version", "purl", "licenses")
"""Of a component that is compiled into a wheel; its other fields refer to its author's file."""

CLASSIFIER = "License :: "
MAX_LICENSE_LETTERS = 100
"""Some have the whole text of their license in the field for its name."""


def write(archive: Path, wheels: Iterable[Path]) -> Path:
    """Write lambda.cdx.json for lambda.zip."""
    output = archive.with_suffix(".cdx.json")
    output.write_text(json.dumps(describe(archive, wheels), indent=2) + "\n", encoding="utf-8")
    return output


def describe(archive: Path, wheels: Iterable[Path]) -> dict[str, Any]:
    """The document. A package that has a file for each architecture is in it twice, as in the
    zip."""
    digest = _sha256(archive)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "gemini-messages",
                "name": "gemini-messages",
                "version": __version__,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"expression": "MIT"}],
            }
        },
        "components": [_component(wheel) for wheel in sorted(wheels)],
    }


def _component(wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        headers = email.parser.BytesParser().parsebytes(archive.read(metadata), headersonly=True)
        lists = [name for name in names if ".dist-info/sboms/" in name and name.endswith(".json")]
        compiled = [part for name in sorted(lists) for part in _parts(archive.read(name))]
    name = str(headers["Name"]).lower().replace("_", "-").replace(".", "-")
    purl = f"pkg:pypi/{name}@{quote(headers['Version'])}?file_name={quote(wheel.name)}"
    component = {
        "type": "library",
        "bom-ref": purl,
        "name": headers["Name"],
        "version": headers["Version"],
        "hashes": [{"alg": "SHA-256", "content": _sha256(wheel)}],
        "licenses": _licenses(headers),
        "purl": purl,
    }
    return component | ({"components": compiled} if compiled else {})


def _parts(text: bytes) -> list[dict[str, Any]]:
    """The components of a wheel's own list."""
    return [
        {field: part[field] for field in COPIED if field in part}
        for part in json.loads(text).get("components", [])
    ]


def _licenses(headers: email.message.Message) -> list[dict[str, Any]]:
    """An expression where there is one, else what the author calls it, else the classifiers."""
    if expression := headers["License-Expression"]:
        return [{"expression": expression}]
    name = headers["License"] or ""
    if 0 < len(name) <= MAX_LICENSE_LETTERS and "\n" not in name:
        return [{"license": {"name": name}}]
    classified = headers.get_all("Classifier", [])
    names = [each.rpartition(" :: ")[2] for each in classified if each.startswith(CLASSIFIER)]
    return [{"license": {"name": each}} for each in names]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
