from pathlib import Path

from toolkit.artifact import Artifact
from toolkit.uploads import Tarball, plan

SHA256 = "ab" * 32


def tarball(platform: str | None, *, is_latest: bool = True) -> Tarball:
    artifact = Artifact("glances", "1.0.0", platform)
    return Tarball(artifact, Path("dist") / artifact.tarball, 7, SHA256, is_latest)


def test_what_never_changes_goes_first_and_latest_last() -> None:
    files = plan([("agentctl-1.pyz", b"zip")], [tarball("linux-x64"), tarball("linux-arm64")])
    assert [file.name for file in files] == [
        "agentctl-1.pyz",
        "glances-v1.0.0-linux-x64.tar.gz",
        "glances-v1.0.0-linux-x64.tar.gz.sha256",
        "glances-v1.0.0-linux-arm64.tar.gz",
        "glances-v1.0.0-linux-arm64.tar.gz.sha256",
        "glances-latest-linux-x64.tar.gz",
        "glances-latest-linux-x64.tar.gz.sha256",
        "glances-latest-linux-arm64.tar.gz",
        "glances-latest-linux-arm64.tar.gz.sha256",
    ]
    assert [file.immutable for file in files] == [True] * 5 + [False] * 4


def test_an_older_release_leaves_latest_alone() -> None:
    files = plan([], [tarball(None, is_latest=False)])
    assert [file.name for file in files] == [
        "glances-v1.0.0.tar.gz",
        "glances-v1.0.0.tar.gz.sha256",
    ]


def test_each_file_has_the_headers_that_a_cache_needs() -> None:
    headers = {
        file.name: (file.content_type, file.cache_control)
        for file in plan([("agentctl-1.pyz", b"zip")], [tarball(None)])
    }
    forever = "public, max-age=31536000, immutable"
    assert headers == {
        "agentctl-1.pyz": ("application/octet-stream", forever),
        "glances-v1.0.0.tar.gz": ("application/gzip", forever),
        "glances-v1.0.0.tar.gz.sha256": ("text/plain; charset=utf-8", forever),
        "glances-latest.tar.gz": ("application/gzip", "no-cache"),
        "glances-latest.tar.gz.sha256": ("text/plain; charset=utf-8", "no-cache"),
    }


def test_a_checksum_names_the_file_beside_it() -> None:
    latest = plan([], [tarball(None)])[-1]
    assert latest.body == f"{SHA256}  glances-latest.tar.gz\n".encode()
    assert latest.size == len(latest.body)


def test_latest_is_sent_from_the_bytes_of_the_version() -> None:
    assert {file.body for file in plan([], [tarball(None)]) if isinstance(file.body, Path)} == {
        Path("dist/glances-v1.0.0.tar.gz")
    }
