import re
from pathlib import Path

import pytest

from clap.errors import UserError
from clap.languages import CODES, ENHANCED_CODES, get_language

ROOT = Path(__file__).resolve().parents[1]


def test_unknown_language_names_the_known_ones():
    with pytest.raises(UserError, match="fra_Latn"):
        get_language("fr")


def test_seven_languages_are_enhanced():
    assert len(CODES) == 8 and set(CODES) - set(ENHANCED_CODES) == {"eng_Latn"}


def test_language_codes_stand_in_one_place_only():
    """No other module of the library or of the evaluation spells a non-English code, but for tables of sentences."""
    code = re.compile(r"['\"](" + "|".join(ENHANCED_CODES) + r")['\"]")
    sources = [
        path
        for folder in ("clap", "eval")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in ("languages.py", "speech.py", "styles.py")
    ]
    assert [path.name for path in sources if code.search(path.read_text(encoding="utf-8"))] == []
