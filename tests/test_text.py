import json
from pathlib import Path

import pytest

from clap.text import normalize_caption

REFERENCE = Path(__file__).resolve().parents[0] / "reference" / "caption_normalization_reference.json"


@pytest.mark.parametrize(
    ("caption", "normalized"),
    [
        ("A dog barks , then a Door slams.", "a dog barks then a door slams "),
        ("犬が吠えて、ドアが閉まる。", "犬が吠えて ドアが閉まる "),
        ('Un gos borda: "bup-bup"', "un gos borda  bup-bup "),
        ("  Rain * falls | softly  ", " rain  falls  softly "),
        ("", ""),
    ],
)
def test_own_pairs(caption, normalized):
    assert normalize_caption(caption) == normalized


def test_reference_pairs():
    pairs = json.loads(REFERENCE.read_text(encoding="utf-8"))
    assert [normalize_caption(caption) for caption, _ in pairs] == [normalized for _, normalized in pairs]
