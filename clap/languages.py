"""The only place with language codes, names and scripts. Codes are FLORES-200's, as SONAR uses them."""

from __future__ import annotations

from dataclasses import dataclass

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
