import pytest

from clap.data.lexicon import load_lexicon
from clap.detection import detect_language
from clap.languages import CODES


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
        ("rain falls", "eng_Latn"),
        ("guitar", "eng_Latn"),
        ("a cat", "eng_Latn"),
        ("thunder", "eng_Latn"),
        ("piano", "eng_Latn"),
        ("cloches d'église", "fra_Latn"),
        ("Hundegebell", "deu_Latn"),
        ("campanes", "cat_Latn"),
        ("aplausos", "spa_Latn"),
        ("雨の音", "jpn_Jpan"),
        ("雷声", "zho_Hans"),
    ],
)
def test_detection(text, code):
    assert detect_language(text) == code


def test_two_words_of_each_class_are_told_apart():
    """Search phrases as people type them: nearly all English ones are taken for English, most of the others for theirs."""
    lexicon = load_lexicon()
    right = {code: [detect_language(entry["phrases"][1]) == code for entry in lexicon.classes[code].values()] for code in CODES}
    share = {code: sum(hits) / len(hits) for code, hits in right.items()}
    assert share["eng_Latn"] > 0.9 and min(share.values()) > 0.8, share
