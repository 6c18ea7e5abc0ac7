import re
from pathlib import Path

import pytest

from clap.errors import UserError
from clap.languages import CODES, ENHANCED_CODES, detect_language, get_language

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a dog barks in the distance", "eng_Latn"),
        ("un chien aboie dans la rue", "fra_Latn"),
        ("ein Hund bellt auf der Straße", "deu_Latn"),
        ("un perro ladra en la calle", "spa_Latn"),
        ("er blaft een hond in de straat", "nld_Latn"),
        ("un gos borda al carrer i plou", "cat_Latn"),
        ("犬が吠えている", "jpn_Jpan"),
        ("一只狗正在叫", "zho_Hans"),
        ("12345", "eng_Latn"),
    ],
)
def test_detection(text, code):
    assert detect_language(text) == code


def test_unknown_language_names_the_known_ones():
    with pytest.raises(UserError, match="fra_Latn"):
        get_language("fr")


def test_seven_languages_are_enhanced():
    assert len(CODES) == 8 and set(CODES) - set(ENHANCED_CODES) == {"eng_Latn"}


def test_language_codes_stand_in_one_place_only():
    """No other module of the library or of the evaluation spells a non-English code."""
    code = re.compile(r"['\"](" + "|".join(ENHANCED_CODES) + r")['\"]")
    sources = [path for folder in ("clap", "eval") for path in (ROOT / folder).rglob("*.py") if path.name not in ("languages.py", "speech.py")]
    assert [path.name for path in sources if code.search(path.read_text(encoding="utf-8"))] == []
