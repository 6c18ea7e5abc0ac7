"""The lexicon: clauses, search phrases and templates in eight languages, aligned entry by entry.

`sentences.jsonl` holds free sentences, each in all eight languages, with the classes they speak of. Together they are
the parallel corpus that the compact SONAR learns to translate, and the captions of training clips that have none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from clap.errors import UserError
from clap.languages import CODES, ENGLISH

LEXICON = Path(__file__).resolve().parents[2] / "assets" / "lexicon"
RELATIONS = ("single", "sequence", "simultaneous", "background", "three", "keyword")
_SLOT = re.compile(r"\{([abcpq])\}")
_SLOT_SOURCE = {"a": (0, "clauses"), "b": (1, "clauses"), "c": (2, "clauses"), "p": (0, "phrases"), "q": (1, "phrases")}


@dataclass(frozen=True)
class Lexicon:
    """`classes[language][name]["clauses" | "phrases"]`, `templates[language][id]`, `sentences[i][language]`."""

    classes: dict[str, dict[str, dict[str, list[str]]]]
    templates: dict[str, dict[str, str]]
    sentences: tuple[dict, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 64 class names in their fixed order."""
        return tuple(self.classes[ENGLISH])

    def template_ids(self, relation: str) -> list[str]:
        """Templates of one relation; raises UserError for an unknown one."""
        if relation not in RELATIONS:
            raise UserError(f"Unknown relation {relation!r}; the relations are {', '.join(RELATIONS)}.")
        return [name for name in self.templates[ENGLISH] if name.startswith(relation + "_")]


@lru_cache(maxsize=1)
def load_lexicon(folder: Path = LEXICON) -> Lexicon:
    """Read the eight language files and the free sentences."""
    files = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("???.json"))]
    by_code = {data["language"]: data for data in files}
    missing = [code for code in CODES if code not in by_code]
    if missing:
        raise UserError(f"The lexicon has no file for {', '.join(missing)}.")
    lines = (folder / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
    return Lexicon(
        classes={code: by_code[code]["classes"] for code in CODES},
        templates={code: by_code[code]["templates"] for code in CODES},
        sentences=tuple(json.loads(line) for line in lines),
    )


@dataclass(frozen=True)
class Draft:
    """One caption before it is written in a language: a template, and for each slot the class and entry that fill it."""

    template: str
    fill: tuple[tuple[str, str, int], ...]

    def text(self, lexicon: Lexicon, language: str) -> str:
        """The caption in one language; drafts are the same sentence in all eight."""
        values = {slot: lexicon.classes[language][name][_SLOT_SOURCE[slot][1]][index] for slot, name, index in self.fill}
        return _SLOT.sub(lambda match: values[match.group(1)], lexicon.templates[language][self.template])


def draft(lexicon: Lexicon, relation: str, classes: list[str], rng: np.random.Generator, plain: bool = False) -> Draft:
    """A random draft for clips whose events, in order, are `classes`; `plain` keeps to the first five, safest clauses."""
    fitting = [name for name in lexicon.template_ids(relation) if _slots_needed(lexicon, name) <= len(classes)]
    template = str(rng.choice(fitting))
    fill = []
    for slot in sorted(set(_SLOT.findall(lexicon.templates[ENGLISH][template]))):
        position, kind = _SLOT_SOURCE[slot]
        entries = lexicon.classes[ENGLISH][classes[position]][kind]
        fill.append((slot, classes[position], int(rng.integers(5 if plain and kind == "clauses" else len(entries)))))
    return Draft(template, tuple(fill))


def _slots_needed(lexicon: Lexicon, template: str) -> int:
    return 1 + max(_SLOT_SOURCE[slot][0] for slot in _SLOT.findall(lexicon.templates[ENGLISH][template]))
