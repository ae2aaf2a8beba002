"""Writes verdicts as JUnit XML, which build servers show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from toolkit.contract import Check, Verdict

# What XML 1.0 can't hold (https://www.w3.org/TR/xml/#charsets).
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdicts: Iterable[Verdict]) -> str:
    """Give one test suite for each host, with one test case for each check."""
    suites = ElementTree.Element("testsuites", name="toolkit verify")
    suites.extend(_suite(verdict) for verdict in verdicts)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _suite(verdict: Verdict) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite",
        name=_clean(verdict.host),
        tests=str(len(verdict.checks) or 1),
        failures=str(len(verdict.failed)),
        errors=str(int(verdict.error is not None)),
        skipped="0",
    )
    owner = f"{verdict.service}@{verdict.host}"
    if verdict.error is not None:
        case = ElementTree.SubElement(suite, "testcase", classname=_clean(owner), name="reached")
        ElementTree.SubElement(case, "error", message=_clean(verdict.error.message)).text = _clean(
            f"{verdict.error.why}\n{verdict.error.hint}"
        )
    suite.extend(_case(owner, check) for check in verdict.checks)
    return suite


def _case(owner: str, check: Check) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=_clean(owner), name=_clean(check.name))
    if not check.holds:
        message = f"found {check.found}, expected {check.expected}"
        ElementTree.SubElement(case, "failure", message=_clean(message))
    return case


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
