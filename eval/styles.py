"""One content, asked for in four ways: keywords, a sentence, a question and a paraphrase, in eight languages."""

from __future__ import annotations

from collections.abc import Callable

from clap.data.lexicon import load_lexicon
from clap.data.records import Caption, Clip, Dataset
from clap.errors import UserError
from clap.languages import get_language

STYLES = ("keyword", "sentence", "question", "paraphrase")
"""The names of a clip's sounds; its first caption; that caption as a question; its second caption."""

QUESTIONS = {
    "eng_Latn": "in which recording can you hear this: {caption}?",
    "fra_Latn": "dans quel enregistrement peut-on entendre ceci : {caption} ?",
    "deu_Latn": "in welcher Aufnahme ist Folgendes zu hören: {caption}?",
    "spa_Latn": "¿en qué grabación se puede oír esto: {caption}?",
    "nld_Latn": "in welke opname is het volgende te horen: {caption}?",
    "cat_Latn": "en quina gravació es pot sentir això: {caption}?",
    "jpn_Jpan": "「{caption}」という音が聞こえるのはどの録音ですか？",
    "zho_Hans": "在哪段录音里可以听到这样的声音：{caption}？",
}
"""The question of each language around a caption; a colon keeps any caption, a clause or a noun phrase, grammatical."""

_COMMA = {"jpn_Jpan": "、", "zho_Hans": "，"}
_FINAL_MARKS = " .!?。！？"


def style_queries(dataset: Dataset, style: str) -> Dataset:
    """The clips of a data set with one query each in every language it has, in a style of STYLES.

    Clips with the same sounds share a keyword query. Raises UserError for an unknown style, a clip that has too few
    captions, and a clip whose sounds are not told or not in the lexicon.
    """
    made: dict[str, Callable[[Clip, str, list[str]], str]] = {
        "keyword": lambda clip, language, _: keyword(clip, language),
        "sentence": lambda clip, _, captions: captions[0],
        "question": lambda clip, language, captions: question(captions[0], language),
        "paraphrase": lambda clip, _, captions: captions[1],
    }
    if style not in made:
        raise UserError(f"Unknown style {style!r}; the styles are {', '.join(STYLES)}.")
    written = _written(dataset)
    queries = []
    for (clip, language), captions in sorted(written.items()):
        if len(captions) < (2 if style == "paraphrase" else 1):
            raise UserError(f"Clip {clip!r} has one caption in {get_language(language).name}, and a paraphrase needs a second.")
        text = made[style](dataset.clip(clip), language, [caption.text for caption in captions])
        queries.append(Caption(f"{clip}-{language}-{style}", clip, language, text, _provenance(style, captions)))
    return Dataset(f"{dataset.name}-{style}", dataset.clips, tuple(queries))


def _provenance(style: str, captions: list[Caption]) -> str:
    """The lexicon is a machine's work; a question is its caption's author's, a paraphrase its second caption's."""
    return "machine" if style == "keyword" else captions[style == "paraphrase"].provenance


def _written(dataset: Dataset) -> dict[tuple[str, str], list[Caption]]:
    found: dict[tuple[str, str], list[Caption]] = {}
    for caption in sorted(dataset.captions, key=lambda caption: caption.id):
        found.setdefault((caption.clip, caption.language), []).append(caption)
    return found


def keyword(clip: Clip, language: str) -> str:
    """The lexicon's names of a clip's sounds, in the order in which they start, such as "dog, rain"."""
    classes = load_lexicon().classes[language]
    names = list(dict.fromkeys(event["class"] for event in sorted(clip.events, key=lambda event: event["start_s"])))
    if not names or set(names) - set(classes):
        raise UserError(f"The sounds of clip {clip.id!r} are not told or not in the lexicon, so no keywords can be made for it.")
    return _COMMA.get(language, ", ").join(classes[name]["phrases"][0] for name in names)


def question(caption: str, language: str) -> str:
    """A caption as a question in its language."""
    return QUESTIONS[language].format(caption=caption.rstrip(_FINAL_MARKS))


def has_styles(dataset: Dataset) -> bool:
    """Whether all four styles can be made for a data set: sounds are told, and each clip has two captions a language."""
    classes = set(load_lexicon().class_names)
    told = all(clip.events and {event["class"] for event in clip.events} <= classes for clip in dataset.clips)
    return told and all(len(captions) > 1 for captions in _written(dataset).values())
