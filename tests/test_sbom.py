"""The list of what is in the zip: from wheels made here. That of the zip itself is
test_lambda_zip.py's."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from deploy import sbom

LONG = f"License: MIT {'and so on ' * 20}\nClassifier: License :: OSI Approved :: MIT License"
LICENSES = {
    "License-Expression: MPL-2.0 AND MIT\nLicense: old": [{"expression": "MPL-2.0 AND MIT"}],
    "License: Apache 2\nClassifier: License :: A :: B": [{"license": {"name": "Apache 2"}}],
    "Classifier: License :: OSI Approved :: BSD License": [{"license": {"name": "BSD License"}}],
    LONG: [{"license": {"name": "MIT License"}}],
    "Classifier: Topic :: Internet": [],
}
"""Of a wheel's metadata -> of its component."""


def wheel(folder: Path, headers: str = "", **files: str) -> Path:
    path = folder / "Some_Package-1.0+local-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        text = f"Name: Some_Package\nVersion: 1.0+local\n{headers}\n\nLicense: of the text\n"
        archive.writestr("some_package-1.0.dist-info/METADATA", text)
        for name, content in files.items():
            archive.writestr(f"some_package-1.0.dist-info/sboms/{name}.cyclonedx.json", content)
    return path


def described(path: Path) -> Any:
    (component,) = sbom.describe(path, [path])["components"]
    return component


@pytest.mark.parametrize("headers", LICENSES)
def test_license_as_its_author_wrote_it(tmp_path: Path, headers: str) -> None:
    assert described(wheel(tmp_path, headers))["licenses"] == LICENSES[headers]


def test_component_has_the_files_hash_and_address(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    component = described(path)
    purl = "pkg:pypi/some-package@1.0%2Blocal?file_name=Some_Package-1.0%2Blocal-py3-none-any.whl"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (component["purl"], component["bom-ref"]) == (purl, purl)
    assert component["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert "components" not in component


def test_component_lists_what_is_compiled_in(tmp_path: Path) -> None:
    crate = {"type": "library", "name": "serde", "version": "1.0", "purl": "pkg:cargo/serde@1.0"}
    listed = json.dumps({"components": [{**crate, "bom-ref": "of-another-file"}]})
    assert described(wheel(tmp_path, one=listed, two="{}"))["components"] == [crate]
