"""What the checkpoint doctor looks for in an encoder's answers to the probes, and how much of it is too much.

Knows no model. Where the gallery lies at hand, its clips show whether sounds are read at their true speed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from clap.audio import SAMPLE_RATE_HZ, load
from clap.data.datasets import load_dataset
from clap.embed import Encoder
from clap.errors import UserError
from clap.languages import CODES, get_language
from clap.probes import LONG_SECONDS, captions, low_passed, noise, stretched, texts_by_length, waveforms

NORM_ERROR = 1e-3
"""Largest distance of a norm from 1: it changes a similarity by as much, and similarities are shown with three decimals."""
REPEATED = 1e-6
"""Largest change of a component when the same input comes again: some roundings of float32, whose step below 1 is 6e-8."""
MOVED = 1e-2
"""Largest distance between a vector made alone and in a batch. No similarity moves by more; rounding to bfloat16 moves a unit
vector by at most 2e-3; silence after a short clip, heard as part of it, moves the shipped checkpoints by 0.2 and more."""
SAME_DIRECTION = 0.95
"""Mean cosine of clearly different inputs that counts as collapse. The shipped checkpoints stay below 0.4; a released CLAP whose
captions were all alike had 0.999 (mteb#5069)."""
DIRECTIONS = 1.5
"""Fewest directions (participation ratio of the centred embeddings) that different inputs spread over: points on one line have
exactly 1, the shipped checkpoints more than 5."""
CLOSER = 0.75
"""Smallest share of comparisons in which a translation is closer than another caption. Blind guessing has 0.5 with a standard
deviation of 0.09 over these captions; the shipped checkpoints have 0.99."""
SPEED_LEAD = 0.05
"""From how much on one speed's better fit is believed, either way; the shipped checkpoints are ahead by 0.06 and 0.08, and behind
by as much when they misread."""
SPEEDS = {"true speed": 1.0, "double speed": 1 / 2, "half speed": 2.0, "a third of the speed": 3.0}
"""Lengths, as multiples. 16 kHz read as 32 or 48 kHz is too fast, and slower sounds would fit better; read as 8 kHz, faster ones."""

COST_SECONDS = 10.0
LOW_PASS_HZ = 4_000
EVERY_CLIP = 8
"""Of the gallery's 128 test clips every eighth is heard at each speed."""
Finding = tuple[bool | None, float | str, str, str]
"""Passed (None: for information), value, unit, and one sentence."""


class Malformed(ValueError):
    """An encoder answered with something other than `(N, D)` float32 of finite numbers."""


class Patient:
    """An encoder whose answers are looked at before they are used, and the languages it is examined in."""

    def __init__(self, encoder: Encoder, languages: Sequence[str]) -> None:
        self.encoder, self.languages = encoder, tuple(languages)

    def hear(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """Waveforms -> `(N, D)`; raises Malformed."""
        return self._checked(self.encoder.embed_audio(list(sounds)), len(sounds))

    def read(self, texts: Sequence[str], language: str) -> np.ndarray:
        """Captions -> `(N, D)`; raises Malformed."""
        return self._checked(self.encoder.embed_text(list(texts), language), len(texts))

    @cached_property
    def sounds(self) -> np.ndarray:
        """Embeddings of all probe sounds but the long one."""
        return self.hear([waveform for name, waveform in waveforms().items() if name != "long"])

    @cached_property
    def texts(self) -> dict[str, np.ndarray]:
        """Embeddings of the probe captions, by language."""
        return {code: self.read(captions(code), code) for code in self.languages}

    def _checked(self, rows: Any, count: int) -> np.ndarray:
        wanted = f"an array ({count}, {self.encoder.dim}) of float32"
        if not isinstance(rows, np.ndarray):
            raise Malformed(f"{wanted} is wanted, got {type(rows).__name__}")
        if rows.shape != (count, self.encoder.dim) or rows.dtype != np.float32:
            raise Malformed(f"{wanted} is wanted, got {rows.shape} of {rows.dtype}")
        if not np.isfinite(rows).all():
            raise Malformed(f"{np.sum(~np.isfinite(rows).all(axis=1))} of {count} embeddings hold values that are no finite numbers")
        return rows


def mean_cosine(rows: np.ndarray) -> float:
    """Mean cosine over the pairs of `(N, D)` rows of unit norm."""
    similarities = rows.astype(np.float64) @ rows.T
    return float(similarities[~np.eye(len(rows), dtype=bool)].mean())


def directions(rows: np.ndarray) -> float:
    """Participation ratio of the centred `(N, D)` rows, from 1 (on one line) to N - 1; 0 when all rows are the same."""
    power = np.linalg.svd(rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64), compute_uv=False) ** 2
    return float(power.sum() ** 2 / np.square(power).sum()) if power.sum() > 1e-12 else 0.0


def share_closer(rows: np.ndarray, translations: np.ndarray) -> float:
    """Share of comparisons in which row n of `(N, D)` is closer to translation n than to another one; a tie is not closer."""
    similarities = rows @ translations.T
    own = similarities.diagonal()[:, None]
    return float((own > similarities).sum() / (len(rows) * (len(rows) - 1)))


def _contract(rows: np.ndarray) -> Finding:
    error = float(np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1).max())
    sentence = f"Embeddings are (N, {rows.shape[1]}) float32 and finite, and their norms may differ from 1 by {NORM_ERROR:g}."
    return error <= NORM_ERROR, error, "from norm 1", sentence


def _audio_contract(patient: Patient) -> Finding:
    return _contract(np.concatenate([patient.sounds, patient.hear([waveforms()["long"]])]))


def _text_contract(patient: Patient) -> Finding:
    return _contract(np.concatenate(list(patient.texts.values())))


def _repeated(embed: Callable[[], np.ndarray], between: Callable[[], Any]) -> Finding:
    first, again = embed(), embed()
    between()
    change = float(max(np.abs(first - again).max(), np.abs(first - embed()).max()))
    return change <= REPEATED, change, "", f"The same input again, also after others, may change a component by {REPEATED:g}."


def _audio_determinism(patient: Patient) -> Finding:
    sounds = [waveforms()["long"], waveforms()["knocks"]]
    return _repeated(lambda: patient.hear(sounds), lambda: patient.hear([waveforms()["noise"]]))


def _text_determinism(patient: Patient) -> Finding:
    first, last = patient.languages[0], patient.languages[-1]
    return _repeated(lambda: patient.read(captions(first), first), lambda: patient.read(texts_by_length(last), last))


def _moved(embed: Callable[[Sequence[Any]], np.ndarray], inputs: Sequence[Any]) -> Finding:
    alone = np.concatenate([embed([one]) for one in inputs])
    batches = embed(inputs), embed(inputs[::-1])[::-1]
    moved = float(max(np.linalg.norm(alone - batch, axis=1).max() for batch in batches))
    sentence = f"In a batch with shorter and longer ones, in either order, an embedding may move by {MOVED:g}."
    return moved <= MOVED, moved, "distance", sentence


def _audio_batch(patient: Patient) -> Finding:
    return _moved(patient.hear, [waveforms()[name] for name in ("short", "string", "knocks", "long")])


def _text_batch(patient: Patient) -> Finding:
    language = patient.languages[0]
    return _moved(lambda texts: patient.read(texts, language), texts_by_length(language))


def _audio_spread(patient: Patient) -> Finding:
    value = mean_cosine(patient.sounds)
    sentence = f"Different sounds must differ: a mean cosine of {SAME_DIRECTION:g} is a collapsed tower."
    return value < SAME_DIRECTION, value, "mean cosine", sentence


def _audio_directions(patient: Patient) -> Finding:
    value = directions(patient.sounds)
    return value >= DIRECTIONS, value, "directions", f"Different sounds must not lie on a line: {DIRECTIONS:g} directions are the least."


def _text_spread(patient: Patient) -> Finding:
    value, worst = max((mean_cosine(rows), code) for code, rows in patient.texts.items())
    sentence = f"Different captions must differ: a mean cosine of {SAME_DIRECTION:g} is a collapsed tower; highest in {_name(worst)}."
    return value < SAME_DIRECTION, value, "mean cosine", sentence


def _text_directions(patient: Patient) -> Finding:
    value, worst = min((directions(rows), code) for code, rows in patient.texts.items())
    sentence = f"Different captions must not lie on a line: {DIRECTIONS:g} directions are the least; fewest in {_name(worst)}."
    return value >= DIRECTIONS, value, "directions", sentence


def _translations(patient: Patient) -> Finding:
    """Of a system of several languages, a refusing check; of one language, what it makes of the others."""
    first, *others = patient.languages
    try:
        rows = {code: patient.texts[code] if others else patient.read(captions(code), code) for code in others or CODES if code != first}
    except UserError:
        return None, "one language", "", "Takes no captions in other languages."
    value, worst = min((share_closer(found, patient.texts[first]), code) for code, found in rows.items())
    sentence = f"How often a translation is closer than another caption; 50 % is chance, lowest from {_name(first)} to {_name(worst)}"
    if others:
        return value >= CLOSER, 100 * value, "%", f"{sentence}; {100 * CLOSER:g} % is the least."
    return None, 100 * value, "%", f"{sentence}, for which it was not made."


def _language_tag(patient: Patient) -> Finding:
    codes = patient.languages
    if len(codes) == 1:
        return None, "one language", "", "There is no other language to call a caption by."
    wrong = {code: patient.read(captions(code), codes[n - 1]) for n, code in enumerate(codes)}
    value, worst = min((float((wrong[code] * patient.texts[code]).sum(axis=1).mean()), code) for code in codes)
    sentence = f"Mean cosine of captions under their own and a wrong language; 1 is no effect, and the most is on {_name(worst)}."
    return None, value, "cosine", sentence


def _bandwidth(patient: Patient) -> Finding:
    sound = waveforms()["noise"]
    whole, low = patient.hear([sound, low_passed(sound, LOW_PASS_HZ)])
    sentence = f"Cosine of noise with the same noise without all above {LOW_PASS_HZ // 1000} kHz; 1 means that this is not heard."
    return None, float(whole @ low), "cosine", sentence


def _long_clips(patient: Patient) -> Finding:
    whole = waveforms()["long"]
    other = np.concatenate([whole[: len(whole) * 3 // 5], noise(LONG_SECONDS * 2 / 5).astype(np.float32)])
    value = float(patient.hear([whole])[0] @ patient.hear([other])[0])
    sentence = f"Cosine of two clips of {LONG_SECONDS:g} s that differ in the last 10 s; 1 means that the end is not heard."
    return None, value, "cosine", sentence


def _speed(patient: Patient) -> Finding:
    found = _gallery(patient.languages)
    if found is None:
        return None, "not examined", "", "The gallery's clips are not at hand."
    clips, texts, language = found
    rows = patient.read(texts, language)
    fits = {speed: _fit(patient.hear([stretched(clip, factor) for clip in clips]) @ rows.T) for speed, factor in SPEEDS.items()}
    own, (other, best) = fits.pop("true speed"), max(fits.items(), key=lambda item: item[1])
    lead = own - best
    sentence = f"By how much captions fit the gallery's clips better than at {other}; it tells from {SPEED_LEAD:g} on, either way."
    return lead > 0 if abs(lead) > SPEED_LEAD else None, lead, "cosine", sentence


def _fit(similarities: np.ndarray) -> float:
    """Mean cosine of clips with their own captions less that with the others', of `(N, N)` similarities."""
    own = np.eye(len(similarities), dtype=bool)
    return float(similarities[own].mean() - similarities[~own].mean())


def _gallery(languages: Sequence[str]) -> tuple[list[np.ndarray], list[str], str] | None:
    """Waveforms of some test clips, a caption of each, and their language; None where there are none."""
    try:
        gallery = load_dataset("gallery-test")
        clips = gallery.clips[::EVERY_CLIP]
        sounds = [load(clip.path) for clip in clips]
    except (UserError, OSError):
        return None
    texts = {(caption.clip, caption.language): caption.text for caption in gallery.captions}
    spoken = [code for code in languages if all((clip.id, code) in texts for clip in clips)]
    return (sounds, [texts[clip.id, spoken[0]] for clip in clips], spoken[0]) if spoken else None


def _wanted_rate(patient: Patient) -> Finding:
    wanted = getattr(patient.encoder, "rate_hz", None)
    if wanted is None:
        return None, SAMPLE_RATE_HZ / 1000, "kHz", "The rate at which clips are given; the encoder names no other of its own."
    return None, wanted / 1000, "kHz", "The rate that the encoder says it works at; clips are given at 16 kHz."


def _audio_cost(patient: Patient) -> Finding:
    clip = np.tile(waveforms()["rattle"], 2)
    took = statistics.median(_took(lambda: patient.hear([clip])) for _ in range(3))
    return None, took, "s", f"Time for one clip of {COST_SECONDS:g} s on this machine, the median of three."


def _text_cost(patient: Patient) -> Finding:
    language = patient.languages[0]
    texts = 3 * captions(language)
    speed = len(texts) / _took(lambda: patient.read(texts, language))
    return None, speed, "captions/s", f"Captions embedded in a second on this machine, {len(texts)} in one call."


def _took(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _name(code: str) -> str:
    return get_language(code).name


# In the order of examination


@dataclass(frozen=True)
class Probe:
    """A check before it is made; it is left out when a tower it needs breaks the contract."""

    name: str
    title: str
    towers: tuple[str, ...]
    find: Callable[[Patient], Finding]


CONTRACTS = (
    Probe("audio-contract", "Audio: embeddings have the promised form", ("audio",), _audio_contract),
    Probe("text-contract", "Text: embeddings have the promised form", ("text",), _text_contract),
)
REFUSING = (
    *CONTRACTS,
    Probe("audio-determinism", "Audio: the same clip, the same embedding", ("audio",), _audio_determinism),
    Probe("text-determinism", "Text: the same caption, the same embedding", ("text",), _text_determinism),
    Probe("audio-batch", "Audio: clips do not change each other", ("audio",), _audio_batch),
    Probe("text-batch", "Text: captions do not change each other", ("text",), _text_batch),
    Probe("audio-spread", "Audio: different sounds point apart", ("audio",), _audio_spread),
    Probe("audio-directions", "Audio: directions in use", ("audio",), _audio_directions),
    Probe("text-spread", "Text: different captions point apart", ("text",), _text_spread),
    Probe("text-directions", "Text: directions in use", ("text",), _text_directions),
    Probe("translations", "Translations are closer than other captions", ("text",), _translations),
    Probe("speed", "Sounds are read at their true speed", ("audio", "text"), _speed),
)
INFORMING = (
    Probe("rate", "Sample rate", (), _wanted_rate),
    Probe("bandwidth", "Sound above 4 kHz counts", ("audio",), _bandwidth),
    Probe("long-clips", "The end of a long clip counts", ("audio",), _long_clips),
    Probe("language-tag", "Effect of a wrong language", ("text",), _language_tag),
    Probe("audio-cost", "Time for a 10-second clip", ("audio",), _audio_cost),
    Probe("text-cost", "Captions a second", ("text",), _text_cost),
)
