"""Patterns of build.include and build.exclude."""

import pytest

from toolkit.patterns import matcher


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("**", "a/b/c", True),
        ("**", ".hidden", True),
        ("*", "a", True),
        ("*.js", "index.js", True),
        ("*.js", "dist/index.js", False),
        ("**/*.js", "index.js", True),
        ("**/*.js", "dist/deep/index.js", True),
        ("dist", "dist/deep/index.js", True),
        ("dist/", "dist/index.js", True),
        ("dist/**", "dist/deep/index.js", True),
        ("dist", "distance", False),
        ("./dist", "dist/a", True),
        ("dist/*", "dist/a", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[!ab].txt", "c.txt", True),
        ("**/test/**", "src/test/x.py", True),
        ("**/test/**", "test/x.py", True),
        ("a.b", "axb", False),
        ("a+(b)$", "a+(b)$", True),
        ("[", "[", True),
        ("docs/*.md", "docs/a.md", True),
    ],
)
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    assert matcher([pattern])(path) is fits


def test_no_pattern_fits_nothing() -> None:
    assert not matcher([])("a")


def test_one_of_several_is_enough() -> None:
    assert matcher(["a", "b"])("b")
