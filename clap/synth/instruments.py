"""Little pieces for piano, guitar, violin, flute and drums, composed by code and played by the soundfont."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clap.synth import dsp
from clap.synth.soundfont import Note, play
from clap.synth.variants import Renderer, Variant

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (5, 3, 0, 4), (0, 4, 5, 3))
PIANO, NYLON, STEEL, VIOLIN, PIZZICATO, FLUTE = 0, 24, 25, 40, 45, 73
KICK, SNARE, CLOSED_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 36, 38, 42, 41, 45, 48, 49, 51


def _scale_key(root: int, scale: Sequence[int], degree: int) -> int:
    return root + 12 * (degree // len(scale)) + scale[degree % len(scale)]


def _walk(rng: np.random.Generator, count: int) -> list[int]:
    """Scale degrees of a melody in small steps that ends on the root."""
    degrees = [int(rng.choice([0, 2, 4]))]
    for _ in range(count - 2):
        degrees.append(int(np.clip(degrees[-1] + rng.choice([-2, -1, -1, 1, 1, 2, 3]), -2, 8)))
    return degrees + [0]


def _perform(rng: np.random.Generator, notes: Sequence[Note], program: int, duration_s: float) -> np.ndarray:
    sound = play(notes, program, duration_s)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound, 0.9, rng.uniform(0.1, 0.22)), 0.005, 0.25))


def _melody(program: int, roots: tuple[int, int], notes_a_second: tuple[float, float], overlap: float = 1.0) -> Renderer:
    """A single line of notes; `overlap` is the sounding share of each step."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        count = max(4, round(duration_s * rng.uniform(*notes_a_second)))
        root, scale = int(rng.integers(*roots)), (MAJOR, MINOR)[int(rng.integers(2))]
        step_s = (duration_s - 0.3) / (count + 1)
        degrees = _walk(rng, count)
        lengths = [step_s * overlap] * (count - 1) + [step_s * 2]
        notes = [
            Note(0.02 + i * step_s, _scale_key(root, scale, degree), length_s, int(rng.integers(78, 112)))
            for i, (degree, length_s) in enumerate(zip(degrees, lengths))
        ]
        return _perform(rng, notes, program, duration_s)

    return render


def _chords(program: int, roots: tuple[int, int], strum_s: float, count: int = 4) -> Renderer:
    """`count` chords one after another, their notes `strum_s` apart."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        root, scale = int(rng.integers(*roots)), (MAJOR, MINOR)[int(rng.integers(2))]
        step_s, notes = (duration_s - 0.2) / count, []
        for i, degree in enumerate(PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))][:count]):
            for j, third in enumerate((0, 4, 7, 9, 11)):
                key = _scale_key(root, scale, degree + third) - 12 * (degree > 3)
                notes.append(Note(0.02 + i * step_s + j * strum_s, key, step_s * 0.97 - j * strum_s, int(rng.integers(75, 105))))
        return _perform(rng, notes, program, duration_s)

    return render


def _arpeggio(program: int, roots: tuple[int, int], notes_a_second: tuple[float, float]) -> Renderer:
    """Broken chords up and down, a new chord every eight notes."""

    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        root, scale = int(rng.integers(*roots)), (MAJOR, MINOR)[int(rng.integers(2))]
        step_s, chords = 1 / rng.uniform(*notes_a_second), PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
        notes = []
        for i, start_s in enumerate(np.arange(0.02, duration_s - 0.8, step_s)):
            degree = chords[i // 8 % 4] + (0, 2, 4, 7, 9, 7, 4, 2)[i % 8]
            notes.append(Note(float(start_s), _scale_key(root, scale, degree), step_s * 2.5, int(rng.integers(75, 105))))
        return _perform(rng, notes, program, duration_s)

    return render


def _strumming(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    """Down and up strokes over four chords."""
    root, chords = int(rng.integers(45, 53)), PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    beat_s, notes, strokes = rng.uniform(0.22, 0.3), [], (1, 0, 1, 1, 0, 1, 1, 1)
    for i, start_s in enumerate(np.arange(0.02, duration_s - 0.4, beat_s)):
        if not strokes[i % 8]:
            continue
        keys = [_scale_key(root, MAJOR, chords[i // 8 % 4] + third) for third in (0, 2, 4, 7, 9)]
        for j, key in enumerate(keys if i % 2 == 0 else keys[:1:-1]):
            notes.append(Note(float(start_s) + 0.012 * j, key, beat_s * 1.6, int(rng.integers(72, 100)) - 10 * (i % 2)))
    return _perform(rng, notes, STEEL, duration_s)


def _long_note(program: int, keys: tuple[int, int]) -> Renderer:
    def render(rng: np.random.Generator, duration_s: float) -> np.ndarray:
        return _perform(rng, [Note(0.02, int(rng.integers(*keys)), duration_s - 0.5, 100)], program, duration_s)

    return render


def _trill(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    key, step_s = int(rng.integers(74, 84)), rng.uniform(0.075, 0.095)
    starts = np.arange(0.02, duration_s * 0.72, step_s)
    notes = [Note(float(start), key + 2 * (i % 2), step_s * 1.05, int(rng.integers(85, 105))) for i, start in enumerate(starts)]
    return _perform(rng, notes + [Note(float(starts[-1]) + step_s, key, duration_s * 0.2, 95)], FLUTE, duration_s)


def _drum_kit(rng: np.random.Generator, hits: Sequence[tuple[float, int, int]], duration_s: float) -> np.ndarray:
    notes = [Note(start, key, 0.3, velocity + int(rng.integers(-8, 9))) for start, key, velocity in hits if start < duration_s - 0.2]
    sound = play(notes, 0, duration_s, 128)
    return dsp.normalise(dsp.fade(dsp.room(rng, sound, 0.5, rng.uniform(0.05, 0.2)), 0.0, 0.25))


def _rock_beat(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    eighth_s, hits = 30 / rng.uniform(95, 135), [(0.02, CRASH, 100)]
    kicks = ((0, 4), (0, 3, 4), (0, 4, 5), (0, 1, 4))[int(rng.integers(4))]
    for i in range(int(duration_s / eighth_s)):
        start_s = 0.02 + i * eighth_s
        hits.append((start_s, CLOSED_HAT, 85 - 15 * (i % 2)))
        if i % 8 in kicks:
            hits.append((start_s, KICK, 112))
        if i % 4 == 2:
            hits.append((start_s, SNARE, 108))
    return _drum_kit(rng, hits, duration_s)


def _roll_and_crash(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    roll_s, step_s = duration_s - 2.0, rng.uniform(0.048, 0.06)
    hits = [(float(s), SNARE, 45 + round(60 * s / roll_s)) for s in np.arange(0.02, roll_s, step_s)]
    return _drum_kit(rng, hits + [(roll_s + 0.02, CRASH, 118), (roll_s + 0.02, KICK, 118)], duration_s)


def _tom_pattern(rng: np.random.Generator, duration_s: float) -> np.ndarray:
    beat_s = rng.uniform(0.24, 0.36)
    figure = [(LOW_TOM, MID_TOM, LOW_TOM, LOW_TOM, HIGH_TOM, MID_TOM, LOW_TOM, MID_TOM)[int(i)] for i in rng.permutation(8)]
    hits = [(0.02 + i * beat_s, figure[i % 8], 115 if i % 4 == 0 else 90) for i in range(int(duration_s / beat_s))]
    return _drum_kit(rng, hits, duration_s)


VARIANTS: dict[str, tuple[Variant, ...]] = {
    "piano": (
        Variant("slow_melody", "a piano plays a slow melody of single notes", "event", (3.5, 8), _melody(PIANO, (60, 72), (1.4, 2.0), 1.3)),
        Variant("four_chords", "a piano plays four chords, one after another", "event", (4, 6), _chords(PIANO, (48, 58), 0.0)),
        Variant("fast_run", "a piano ripples up and down in fast broken chords", "event", (3, 8), _arpeggio(PIANO, (50, 62), (7, 9.5))),
    ),
    "acoustic_guitar": (
        Variant("strumming", "an acoustic guitar is strummed rhythmically", "event", (3.5, 8), _strumming),
        Variant("picking", "a guitar is picked gently in broken chords", "event", (3.5, 8), _arpeggio(NYLON, (45, 55), (3.5, 5))),
        Variant("slow_chords", "a guitar plays four slowly rolled chords", "event", (4, 6.5), _chords(NYLON, (43, 52), 0.05)),
    ),
    "violin": (
        Variant("slow_melody", "a violin plays a slow drawn-out melody", "event", (4, 8), _melody(VIOLIN, (62, 74), (1.0, 1.5), 1.05)),
        Variant("lively_tune", "a violin plays a lively tune", "event", (3, 7), _melody(VIOLIN, (67, 77), (4.0, 5.5), 0.95)),
        Variant("long_note", "a violin holds one long note", "event", (2.5, 5), _long_note(VIOLIN, (60, 80))),
    ),
    "flute": (
        Variant("slow_melody", "a flute plays a soft slow melody", "event", (4, 8), _melody(FLUTE, (67, 79), (1.1, 1.6), 1.0)),
        Variant("lively_tune", "a flute plays a quick lively tune", "event", (3, 7), _melody(FLUTE, (72, 80), (4.5, 6), 0.85)),
        Variant("trill", "a flute plays a trill between two notes and ends on one of them", "event", (2, 4), _trill),
    ),
    "drums": (
        Variant("rock_beat", "a drum kit plays a steady rock beat", "event", (4, 8), _rock_beat),
        Variant("roll_and_crash", "a snare drum roll grows louder and ends in one cymbal crash", "event", (4, 6), _roll_and_crash),
        Variant("toms", "low drums beat an even pattern without cymbals", "event", (3, 7), _tom_pattern),
    ),
}
