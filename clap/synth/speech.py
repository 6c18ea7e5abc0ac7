"""Spoken sentences through espeak-ng, in the eight languages, with male and female voices."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from scipy import signal

from clap.errors import UserError
from clap.synth import dsp
from clap.synth.variants import RATE_HZ, Renderer, Variant

SENTENCES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "english": (
        "English",
        "en-gb",
        (
            "Good morning, could you open the window a little, please?",
            "The bus was late again, so I walked home in the rain.",
            "We are having soup tonight, and there is bread on the table.",
            "I left my keys on the shelf next to the blue lamp.",
            "Tomorrow we will paint the kitchen, if the weather stays dry.",
            "She told me a long story about her brother and his boat.",
        ),
    ),
    "french": (
        "French",
        "fr",
        (
            "Bonjour, est-ce que la boulangerie est déjà ouverte ?",
            "Hier soir, nous avons mangé dans le jardin avec les voisins.",
            "Il faut que je trouve mon parapluie avant de sortir.",
            "Ma sœur habite près de la gare, au troisième étage.",
            "Demain, on prendra le train de neuf heures pour la mer.",
            "Le chat dort sur la chaise et ne veut pas bouger.",
        ),
    ),
    "german": (
        "German",
        "de",
        (
            "Guten Tag, ich hätte gern zwei Karten für heute Abend.",
            "Der Zug fährt gleich ab, wir müssen uns beeilen.",
            "Gestern haben wir im Wald viele Pilze gefunden.",
            "Kannst du mir bitte das Salz und die Butter geben?",
            "Meine Tante backt jeden Sonntag einen Apfelkuchen.",
            "Im Winter ist es hier oben still und sehr kalt.",
        ),
    ),
    "spanish": (
        "Spanish",
        "es",
        (
            "Buenas tardes, quiero un café con leche, por favor.",
            "Mi abuelo trabaja todas las mañanas en su huerto.",
            "Esta noche vamos a cenar con unos amigos de la escuela.",
            "No encuentro mis gafas, creo que están en el coche.",
            "El domingo subimos a la montaña y vimos el mar.",
            "Cierra la puerta despacio, que el niño está durmiendo.",
        ),
    ),
    "dutch": (
        "Dutch",
        "nl",
        (
            "Goedemorgen, weet u hoe laat de winkel opengaat?",
            "Wij fietsen elke dag langs het water naar ons werk.",
            "Mijn buurman heeft gisteren zijn schuur geverfd.",
            "Wil je nog een kopje thee met een koekje erbij?",
            "Morgen gaan we met de kinderen naar het strand.",
            "Het licht in de gang is kapot, pas op voor de trap.",
        ),
    ),
    "catalan": (
        "Catalan",
        "ca",
        (
            "Bon dia, on puc comprar un bitllet per al tren?",
            "Aquest matí hem anat al mercat a buscar tomàquets.",
            "La meva àvia explica molt bé les històries antigues.",
            "Si fa bon temps, dissabte dinarem a la platja.",
            "He deixat el llibre damunt la taula de la cuina.",
            "El veí del segon pis toca el piano cada vespre.",
        ),
    ),
    "japanese": (
        "Japanese",
        "ja",
        (
            "おはようございます。きょうは いい てんき ですね。",
            "あした ともだちと うみへ いきます。",
            "すみません、えきは どこに ありますか。",
            "この みせの パンは とても おいしい です。",
            "ちちは まいあさ にわで はなに みずを やります。",
            "でんしゃが おくれて、かいしゃに まにあいません でした。",
        ),
    ),
    "mandarin": (
        "Mandarin Chinese",
        "cmn-latn-pinyin",
        (
            "jin1 tian1 tian1 qi4 hen3 hao3, wo3 men5 qu4 gong1 yuan2 ba5.",
            "qing3 wen4, huo3 che1 zhan4 zai4 na3 li3?",
            "ma1 ma5 zai4 chu2 fang2 li3 zuo4 wan3 fan4.",
            "wo3 di4 di5 mei3 tian1 zao3 shang5 qi2 che1 shang4 xue2.",
            "zhe4 ben3 shu1 hen3 you3 yi4 si5, ni3 ye3 kan4 kan5.",
            "ming2 tian1 xia4 wu3 wo3 men5 yi4 qi3 he1 cha2.",
        ),
    ),
}
"""Variant prefix -> (name of the language, espeak-ng voice, sentences). Japanese in kana and Mandarin in pinyin: these it reads."""

MALE, FEMALE = ("m1", "m3", "m7"), ("f1", "f2", "f3")


def speak(text: str, voice: str, words_a_minute: int, pitch: int) -> np.ndarray:
    """One sentence, mono float32 (T,) at RATE_HZ, silence at both ends cut off; UserError when espeak-ng is missing."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise UserError("The program espeak-ng was not found; install the Debian package espeak-ng.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        options = ["-v", voice, "-s", str(words_a_minute), "-p", str(pitch), "-w", str(path)]
        subprocess.run([program, *options, text], check=True, capture_output=True)
        spoken, rate_hz = soundfile.read(path, dtype="float32")
    loud = np.flatnonzero(np.abs(spoken) > 0.01)
    spoken = spoken[loud[0] : loud[-1] + 1]
    return dsp.normalise(signal.resample_poly(spoken, RATE_HZ, rate_hz))


def _speaker(voice: str, sentences: tuple[str, ...], timbres: tuple[str, ...], pitches: tuple[int, int]) -> Renderer:
    """Whole sentences, as many as fit; a single one that is too long is cut at a fade."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        order, canvas, start_s = rng.permutation(len(sentences)), dsp.silence(duration_s), 0.05
        timbre, speed, pitch = rng.choice(timbres), int(rng.integers(135, 175)), int(rng.integers(*pitches))
        for turn, number in enumerate(order):
            spoken = speak(sentences[number], f"{voice}+{timbre}", speed, pitch)
            length_s = len(spoken) / RATE_HZ
            if turn and start_s + length_s > duration_s:
                continue
            dsp.place(canvas, dsp.fade(spoken[: dsp.samples(duration_s - start_s)], 0.005, 0.05), start_s)
            start_s += length_s + rng.uniform(0.25, 0.45)
        return dsp.normalise(dsp.room(rng, canvas, 0.35, rng.uniform(0.03, 0.15)))

    return render


def _speakers(person: str, timbres: tuple[str, ...], pitches: tuple[int, int]) -> tuple[Variant, ...]:
    return tuple(
        Variant(name, f"a {person} speaks {language}", "event", (4.5, 8), _speaker(voice, sentences, timbres, pitches))
        for name, (language, voice, sentences) in SENTENCES.items()
    )


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "man_speaking": _speakers("man", MALE, (25, 50)),
    "woman_speaking": _speakers("woman", FEMALE, (45, 75)),
}
