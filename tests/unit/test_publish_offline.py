"""Scripts from npm for the offline edition; npm itself is played by a small script here."""

import pytest
from gambook.publish import offline
from gambook.publish.project import Refused


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """npm(body): put an `npm` with this shell code first on the path."""

    def install(body):
        script = tmp_path / "bin" / "npm"
        script.parent.mkdir()
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent), prepend=":")

    return install


def test_without_npm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="install Node.js with npm"):
        offline.vendor(tmp_path / "vendor")


def test_npm_that_cannot_fetch(tmp_path, npm):
    npm("echo 'no network' >&2; exit 1")
    with pytest.raises(Refused, match="npm could not fetch mathjax@3.2.2:\nno network"):
        offline.vendor(tmp_path / "vendor")


def test_other_content_than_pinned(tmp_path, npm):
    npm("echo something > package.tgz")
    with pytest.raises(Refused, match="mathjax@3.2.2 from npm is not the one pinned"):
        offline.vendor(tmp_path / "vendor")
    assert not [path for path in (tmp_path / "vendor").rglob("*") if path.is_file()]
