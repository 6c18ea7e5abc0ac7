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


def detect_language(text: str) -> str:
    """The most likely of the eight languages of `text`, as a FLORES-200 code (lingua); English when nothing speaks for any."""
    found = _detector().detect_language_of(text[:1000])
    if found is None:
        return ENGLISH
    tag = found.iso_code_639_1.name.lower()
    return next(language.code for language in LANGUAGES if language.tag == tag)
