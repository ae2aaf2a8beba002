"""The stand-ins that can be run by themselves, as the demo and scenarios on hosts do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xora_agent.brain import Model
from xora_agent.multi_provider.brain import MultiProvider
from xora_agent.secret import Secret

from tests.support.models import echo
from tests.support.models.brains import ask, mind, run

pytestmark = pytest.mark.usefixtures("alone")
ALONE = [sys.executable, "-I", str(Path(echo.__file__))]  # neither this project nor its packages
WHOLE = [sys.executable, "-m", "tests.support.models"]


@contextmanager
def started(argv: list[str]) -> Iterator[str]:
    """Run a stand-in, and give the address that it says it listens at."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_the_one_of_the_standard_library_alone_answers_the_brain(tmp_path: Path) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(Model("local", "echo", base_url=url)))
        pieces = await ask(brain, "hello there")
        assert "".join(pieces) == "You said: ann: hello there"
        assert len(pieces) > 2
        assert "".join(await ask(brain, "again")) == "You said: ann: again"

    with started(ALONE) as url:
        assert url.endswith("/v1")
        run(tmp_path, story)


@pytest.mark.parametrize("provider", ["anthropic", "openai", "groq", "google", "local"])
def test_the_one_of_all_apis_answers_the_brain(tmp_path: Path, provider: str) -> None:
    async def story(brain: MultiProvider) -> None:
        await brain.configure(mind(Model(provider, "m-1", base_url=url, key=Secret("k"))))
        assert "".join(await ask(brain, "hello")) == "echo: ann: hello"

    with started(WHOLE) as url:
        run(tmp_path, story)


def test_the_whole_answer_is_what_the_stream_says() -> None:
    text = "You said: one  two\n\nthree "
    whole = echo.completion(text, "m")["choices"][0]["message"]["content"]
    streamed = b"".join(echo.chunks(text, "m")).decode()
    words = [
        part.partition('"content": "')[2].partition('"}')[0] for part in streamed.split("\n\n")
    ]
    assert "".join(words).replace("\\n", "\n") == whole
