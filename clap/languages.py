"""The only place with language codes, names and scripts. Codes are FLORES-200's, as SONAR uses them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from clap.errors import UserError


@dataclass(frozen=True)
class Language:
    """One language: FLORES-200 `code`, ISO 639-1 `tag` for HTML and detection, English `name`, own `endonym`, ISO 15924 `script`."""

    code: str
    tag: str
    name: str
    endonym: str
    script: str


LANGUAGES: tuple[Language, ...] = (
    Language("eng_Latn", "en", "English", "English", "Latn"),
    Language("fra_Latn", "fr", "French", "français", "Latn"),
    Language("deu_Latn", "de", "German", "Deutsch", "Latn"),
    Language("spa_Latn", "es", "Spanish", "español", "Latn"),
    Language("nld_Latn", "nl", "Dutch", "Nederlands", "Latn"),
    Language("cat_Latn", "ca", "Catalan", "català", "Latn"),
    Language("jpn_Jpan", "ja", "Japanese", "日本語", "Jpan"),
    Language("zho_Hans", "zh", "Chinese", "中文", "Hans"),
)
CODES: tuple[str, ...] = tuple(language.code for language in LANGUAGES)
ENGLISH = "eng_Latn"
ENHANCED_CODES: tuple[str, ...] = CODES[1:]
"""The seven languages that language enhancement adds (paper, section 3.3)."""

CLEAR = 0.6
"""How sure the statistical detector must be before a text that may be English is taken for another language."""
MIN_CONFIDENCE = 1e-6

_BY_CODE = {language.code: language for language in LANGUAGES}


def get_language(code: str) -> Language:
    """The language of a FLORES-200 code; raises UserError with the list of known codes."""
    if code not in _BY_CODE:
        raise UserError(f"Unknown language {code!r}; the languages are {', '.join(CODES)}.")
    return _BY_CODE[code]


@lru_cache(maxsize=1)
def _detector():
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, language.tag.upper()) for language in LANGUAGES]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()


@lru_cache(maxsize=1)
def _known_words() -> dict[str, frozenset[str]]:
    """For each language the words of the lexicon; of Japanese and Chinese, which write no spaces, whole entries."""
    from clap.data.lexicon import load_lexicon
    from clap.text import normalize_caption

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
    from clap.text import normalize_caption

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
