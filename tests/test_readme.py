"""The README says what is so: its tables are the committed results, its commands exist."""

import re
import shlex
from pathlib import Path

import pytest

from clap.__main__ import parser
from clap.checkpoints import available
from eval.__main__ import markdown
from eval.protocols import PROTOCOLS
from eval.qrels import DIRECTIONS
from eval.results import load

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tables_are_those_of_the_committed_results(direction):
    records = {record.checkpoint: record for record in map(load, sorted((ROOT / "assets" / "results").glob("*.json")))}
    assert markdown(records, direction) in README


def test_commands_of_the_library_can_be_parsed():
    commands = re.findall(r"^python -m clap ([^#\n]+)", README, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        words = [word for word in shlex.split(command.split("<")[0])]
        assert parser().parse_args(words).run


def test_paths_and_links_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    folders = re.findall(r"^\| `([\w/]+)` \|", README, re.MULTILINE)
    assert folders and links
    assert [path for path in links + folders if not (ROOT / path).exists()] == []


def test_the_space_runs_the_pinned_gradio():
    version = re.search(r"^sdk_version: (\S+)$", README, re.MULTILINE).group(1)
    assert f"gradio=={version}" in (ROOT / "requirements.txt").read_text()


def test_the_protocols_are_documented_in_their_own_words():
    told = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert all(f"| `{protocol.name}` | {protocol.text} |" in told for protocol in PROTOCOLS.values())


def test_checkpoints_are_named():
    assert all(f"`{card.name}`" in README for card in available())
