"""What an inventory's words for ssh say."""

import pytest

from toolkit.errors import ConfigError
from toolkit.ssh_words import options_of


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("-J bob@gate:2200", {"proxyjump": "bob@gate:2200"}),
        ("-Jgate", {"proxyjump": "gate"}),
        ("-o ProxyJump=gate", {"proxyjump": "gate"}),
        ("-oProxyJump=gate", {"proxyjump": "gate"}),
        ('-o "ProxyJump gate"', {"proxyjump": "gate"}),
        (
            "-o ProxyCommand='ssh -W %h:%p -o A=b gate'",
            {"proxycommand": "ssh -W %h:%p -o A=b gate"},
        ),
        ("-o 'ProxyCommand=\"ssh -W %h:%p gate\"'", {"proxycommand": "ssh -W %h:%p gate"}),
        ("-C -AXp 2222 -vvv -i ~/.ssh/x", {"port": "2222", "identityfile": "~/.ssh/x"}),
        ("-R 80:a:80 -l bob -F conf", {"user": "bob", "configfile": "conf"}),
        ("-o A=1 -o A=2 stray", {"a": "1"}),
        ("-p", {"port": ""}),
    ],
)
def test_reads_what_ssh_would(text: str, options: dict[str, str]) -> None:
    assert options_of(text) == options


def test_takes_the_first_text_that_sets_an_option() -> None:
    assert options_of("-o A=1", "-o A=2 -o B=3") == {"a": "1", "b": "3"}


def test_names_an_open_quote() -> None:
    with pytest.raises(ConfigError) as caught:
        options_of("-o 'A=1")
    assert "quotation" in caught.value.why
