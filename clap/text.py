"""Caption normalisation: the same function for training, evaluation and a visitor's query."""

from __future__ import annotations

import re

_WESTERN = '(,.!?;:|*")'
_CJK = "、。，！？；：（）「」『』“”《》【】"
_SPACE_BEFORE_MARK = re.compile(r'\s([,.!?;:"])(?=\s|$)')
_BLANK_MARKS = str.maketrans({mark: " " for mark in _WESTERN + _CJK})


def _halve_spaces(text: str) -> str:
    return text.replace("  ", " ")


def normalize_caption(caption: str) -> str:
    """Lower-case `caption` and blank its punctuation as the released ML-CLAP does before its text encoder.

    Western and CJK marks become spaces; a pair of spaces becomes one, once, so a run of three leaves two: kept for
    equality with the released checkpoints, whose tokenizer collapses them anyway.
    """
    lowered = _SPACE_BEFORE_MARK.sub(r"\1", caption.lower())
    return _halve_spaces(_halve_spaces(lowered).translate(_BLANK_MARKS))
