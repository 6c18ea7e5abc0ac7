"""Which of the eight languages a query is written in."""

from __future__ import annotations

from functools import lru_cache

from clap.data.lexicon import load_lexicon
from clap.languages import CODES, ENGLISH, LANGUAGES, get_language
from clap.text import normalize_caption

CLEAR = 0.6
"""How sure the statistical detector must be before a text that may be English is taken for another language."""
MIN_CONFIDENCE = 1e-6


@lru_cache(maxsize=1)
def _detector():
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, language.tag.upper()) for language in LANGUAGES]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


@lru_cache(maxsize=1)
def _known_words() -> dict[str, frozenset[str]]:
    """For each language the words of the lexicon; of Japanese and Chinese, which write no spaces, whole entries."""
    lexicon = load_lexicon()
    words = {}
    for code in CODES:
        entries = [text for entry in lexicon.classes[code].values() for texts in entry.values() for text in texts]
        entries += [sentence[code] for sentence in lexicon.sentences]
        words[code] = frozenset(word for text in entries for word in normalize_caption(text).split())
    return words


def detect_language(text: str) -> str:
    """The most likely of the eight languages of `text`, as a FLORES-200 code; English when nothing speaks for any.

    The languages whose lexicon knows most of the words come first: a statistical detector (lingua) alone takes "rain
    falls" for German. Among those, and for words unknown to all, lingua decides.
    """
    words = normalize_caption(text[:1000]).split()
    known = {code: sum(word in entries for word in words) for code, entries in _known_words().items()}
    candidates = [code for code in CODES if known[code] == max(known.values())]
    if len(candidates) == 1:
        return candidates[0]
    confidence = {
        value.language.iso_code_639_1.name.lower(): value.value for value in _detector().compute_language_confidence_values(text[:1000])
    }
    best = max(candidates, key=lambda code: confidence[get_language(code).tag])
    unsure = confidence[get_language(best).tag] < (CLEAR if ENGLISH in candidates else MIN_CONFIDENCE)
    return ENGLISH if unsure else best
