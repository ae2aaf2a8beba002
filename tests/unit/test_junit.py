from xml.etree import ElementTree

from toolkit.contract import Check, Verdict
from toolkit.errors import HostError
from toolkit.junit import junit

GOOD = Check("health", True, "HTTP 200", "answers")
BAD = Check(".env", False, 'a "file"\x1b[31m & <more>', "mode 0600")


def test_a_suite_for_each_host_and_a_case_for_each_check() -> None:
    error = HostError("podman://b could not be reached", why="no such container", hint="look")
    verdicts = [
        Verdict("local", "beacon", "1.0.0", (GOOD, BAD)),
        Verdict("podman://b", "beacon", error=error),
    ]
    text = junit(verdicts)
    assert text.startswith("<?xml version=")
    suites = ElementTree.fromstring(text)
    seen, unseen = suites
    assert {key: seen.get(key) for key in ("name", "tests", "failures", "errors")} == {
        "name": "local",
        "tests": "2",
        "failures": "1",
        "errors": "0",
    }
    assert [case.get("name") for case in seen] == ["health", ".env"]
    assert [case.get("classname") for case in seen] == ["beacon@local", "beacon@local"]
    assert list(seen[0]) == []
    assert seen[1][0].get("message") == 'found a "file"\ufffd[31m & <more>, expected mode 0600'
    assert (unseen.get("tests"), unseen.get("errors")) == ("1", "1")
    assert unseen[0][0].get("message") == "podman://b could not be reached"
    assert unseen[0][0].text == "no such container\nlook"
