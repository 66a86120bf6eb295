"""The user guide says what is so."""

import re
from pathlib import Path

from typer.testing import CliRunner

from service.cli import app
from service.reference import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_the_command_line_reference_is_current() -> None:
    written = (DOCS / "command-line.md").read_text("utf-8")
    assert written == reference(), "run: python -m service.reference > docs/command-line.md"


def test_every_decision_is_listed() -> None:
    listed = set(
        re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "decisions/index.md").read_text("utf-8"))
    )
    pages = {page.name for page in (DOCS / "decisions").glob("*.md")} - {"index.md"}
    assert listed == pages


def test_commands_in_the_guide_exist() -> None:
    pages = [*DOCS.glob("*.md"), ROOT / "README.md"]
    blocks = [
        b
        for page in pages
        for b in re.findall(r"```text\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("braggle ")]
    assert len(lines) > 10
    for line in lines:
        words = line.partition("#")[0].split()[1:]
        verbs = words[: 2 if words[0] in {"library", "bench", "train", "keys"} else 1]
        result = CliRunner().invoke(app, [*verbs, "--help"])
        assert result.exit_code == 0, line
        options = {word for word in words if word.startswith("--")}
        assert all(option in result.stdout for option in options), line
