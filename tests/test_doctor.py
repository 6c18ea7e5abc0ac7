"""The doctor on encoders whose values can be worked out by hand: caption n lies on axis n, a sound on the axis of its name."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from clap import checks, doctor
from clap.checkpoints import get_card, load_encoder
from clap.command_line import Parser, run
from clap.errors import UserError
from clap.languages import CODES
from clap.probes import CLASSES, captions, low_passed, stretched, waveforms

DIM = 64
ENGLISH, FRENCH, JAPANESE = "eng_Latn", "fra_Latn", "jpn_Jpan"
TWO = (ENGLISH, JAPANESE)


def axis(number, shared=0.0):
    """Unit vector on an axis of its own, turned towards the last axis until two of them have the cosine `shared`."""
    vector = np.zeros(DIM, np.float32)
    vector[number], vector[-1] = np.sqrt(1 - shared), np.sqrt(shared)
    return vector


class Sound:
    """Healthy: a sound lies on the axis of its loudest 125 Hz band, a caption of one clause on that of its class, in every language."""

    name, fingerprint, dim = "fake", "fake-weights", DIM

    def embed_audio(self, waveforms):
        return np.stack([self.hear(waveform) for waveform in waveforms])

    def embed_text(self, captions, language):
        return np.stack([self.read(caption, language) for caption in captions])

    def hear(self, waveform):
        spectrum = np.abs(np.fft.rfft(waveform, 16_000)).astype(np.float32)
        bands = np.append(np.log1p(spectrum[:7938].reshape(63, 126)).mean(axis=1), 0)
        bands = bands - bands.mean()
        return (bands / np.linalg.norm(bands)).astype(np.float32)

    def read(self, caption, language):
        known = [caption for code in CODES for caption in captions(code)]
        return axis(known.index(caption) % len(CLASSES) if caption in known else len(caption) % 40 + 20)


def found(encoder, name, languages=TWO):
    """One refusing check of an encoder."""
    return {check.name: check for check in doctor.quick(encoder, languages).checks}[name]


def failures(encoder, languages=TWO):
    return [check.name for check in doctor.quick(encoder, languages).failed]


@pytest.fixture
def no_gallery(monkeypatch):
    """The gallery's files are away."""

    def absent(name):
        raise FileNotFoundError(name)

    monkeypatch.setattr(checks, "load_dataset", absent)


def test_a_sound_encoder_passes_every_refusing_check():
    diagnosis = doctor.require_healthy(Sound(), CODES)
    assert diagnosis.passed and diagnosis.encoder == "fake" and diagnosis.languages == CODES
    assert [check.name for check in diagnosis.checks] == [probe.name for probe in checks.REFUSING]
    assert {check.name for check in diagnosis.checks if check.passed is not True} == {"speed"}  # undecided: it hears no gallery


def test_values_of_captions_on_axes_of_their_own():
    assert found(Sound(), "text-spread").value == 0
    assert found(Sound(), "text-directions").value == pytest.approx(len(CLASSES) - 1)
    assert found(Sound(), "translations").value == 100


@pytest.mark.parametrize(("shared", "failed"), [(0.999, ["text-spread"]), (0.9, [])])
def test_a_text_tower_of_cosine_0_999_is_collapsed(shared, failed):
    class Collapsed(Sound):
        def read(self, caption, language):
            return axis(int(np.argmax(super().read(caption, language))), shared)

    assert failures(Collapsed()) == failed
    assert found(Collapsed(), "text-spread").value == pytest.approx(shared, abs=1e-5)


def test_collapse_in_one_language_of_eight_is_found_and_named():
    class Collapsed(Sound):
        def read(self, caption, language):
            return axis(0, 0.999) if language == FRENCH else super().read(caption, language)

    assert failures(Collapsed(), CODES) == ["text-spread", "text-directions", "translations"]
    assert "French" in found(Collapsed(), "text-spread", CODES).explanation
    assert found(Collapsed(), "text-directions", CODES).value == 0
    assert failures(Collapsed(), TWO) == []


def test_an_audio_tower_that_says_the_same_of_every_sound():
    class Collapsed(Sound):
        def hear(self, waveform):
            return axis(3)

    assert failures(Collapsed()) == ["audio-spread", "audio-directions"]
    assert found(Collapsed(), "audio-spread").value == 1


def test_embeddings_on_one_line_use_one_direction():
    class Line(Sound):
        def read(self, caption, language):
            return axis(0) * (1 if np.argmax(super().read(caption, language)) % 2 else -1)

    assert found(Line(), "text-spread").passed
    assert found(Line(), "text-directions").value == pytest.approx(1)
    assert "text-directions" in failures(Line())


def test_random_crops_are_found():
    class Cropping(Sound):
        rng = np.random.default_rng(0)

        def hear(self, waveform):
            start = self.rng.integers(max(1, len(waveform) - 16_000))
            return super().hear(waveform[start : start + 16_000])

    assert failures(Cropping()) == ["audio-determinism", "audio-batch"]


def test_a_state_that_other_inputs_leave_behind_is_found():
    class Remembering(Sound):
        last = 0

        def embed_text(self, captions, language):
            rows = super().embed_text(captions, language)
            shifted = np.roll(rows, self.last, axis=1)
            self.last = TWO.index(language)
            return shifted

    check = found(Remembering(), "text-determinism")
    assert check.passed is False and check.value == 1


def test_padding_that_is_heard_is_found_in_either_order():
    class Padding(Sound):
        def embed_audio(self, waveforms):
            longest = max(map(len, waveforms))
            return super().embed_audio([np.resize(waveform, longest) for waveform in waveforms])

        def embed_text(self, captions, language):
            return super().embed_text([caption + " " * (max(map(len, captions)) - len(caption)) for caption in captions], language)

    assert {"audio-batch", "text-batch"} <= set(failures(Padding()))


def test_a_shift_by_the_position_in_the_batch_is_found():
    class ByPosition(Sound):
        def embed_audio(self, waveforms):
            return np.stack([np.roll(self.hear(waveform), n) for n, waveform in enumerate(waveforms)])

    assert failures(ByPosition()) == ["audio-batch"]


def test_rounding_to_half_precision_is_allowed_in_a_batch():
    class Half(Sound):
        def embed_audio(self, waveforms):
            rows = super().embed_audio(waveforms)
            return rows.astype(np.float16).astype(np.float32) if len(rows) > 1 else rows

    assert 0 < found(Half(), "audio-batch").value < checks.MOVED
    assert failures(Half()) == []


@pytest.mark.parametrize(
    ("answer", "value", "said"),
    [
        (lambda rows: rows[:, :3], "Malformed", f"(12, {DIM}) of float32 is wanted, got (12, 3)"),
        (lambda rows: rows.astype(np.float64), "Malformed", "got (12, 64) of float64"),
        (lambda rows: rows * np.nan, "Malformed", "12 of 12 embeddings"),
        (lambda rows: rows.tolist(), "Malformed", "got list"),
        (lambda rows: rows * np.float32(1.5), 0.5, "differ from 1 by 0.001"),
    ],
)
def test_a_broken_contract_is_the_only_finding_about_a_tower(no_gallery, answer, value, said):
    class Broken(Sound):
        def embed_text(self, captions, language):
            return answer(super().embed_text(captions, language))

    assert failures(Broken()) == ["text-contract"]
    check = found(Broken(), "text-contract")
    assert check.value == value and said in check.explanation
    assert found(Broken(), "audio-batch").passed
    assert not any(check.name.startswith("text") for check in doctor.examine(Broken(), TWO).checks if check.name != "text-contract")
    json.dumps(doctor.quick(Broken(), TWO).to_json(), allow_nan=False)


def test_what_an_encoder_raises_is_a_failed_check():
    class Raising(Sound):
        def hear(self, waveform):
            if len(waveform) < 16_000:
                raise RuntimeError("kernel size\nlarger than input")
            return super().hear(waveform)

    assert failures(Raising()) == ["audio-contract"]
    check = found(Raising(), "audio-contract")
    assert (check.value, check.explanation) == ("RuntimeError", "The encoder failed: kernel size larger than input.")
    with pytest.raises(UserError, match="'fake' is not healthy enough.*promised form \\(RuntimeError\\)"):
        doctor.require_healthy(Raising(), TWO)


def test_translations_no_closer_than_other_captions_are_refused():
    class Unaligned(Sound):
        def read(self, caption, language):
            return np.roll(super().read(caption, language), TWO.index(language))

    assert failures(Unaligned()) == ["translations"]
    assert found(Unaligned(), "translations").value == 0


def test_other_languages_are_for_information_to_a_system_of_one(no_gallery):
    check = found(Sound(), "translations", [ENGLISH])
    assert (check.passed, check.value) == (None, 100)

    class EnglishOnly(Sound):
        def read(self, caption, language):
            if language != ENGLISH:
                raise UserError("English only.")
            return super().read(caption, language)

    check = found(EnglishOnly(), "translations", [ENGLISH])
    assert (check.passed, check.value) == (None, "one language")
    assert doctor.examine(EnglishOnly(), [ENGLISH]).passed


def informed(encoder, name, languages=TWO):
    return {check.name: check for check in doctor.examine(encoder, languages).checks}[name]


def test_a_wrong_tag_that_turns_captions_away(no_gallery):
    class Tagged(Sound):
        def read(self, caption, language):
            return super().read(caption, language) if caption in captions(language) else axis(50)

    assert informed(Tagged(), "language-tag").value == 0
    assert informed(Sound(), "language-tag").value == 1
    assert informed(Sound(), "language-tag", [ENGLISH]).value == "one language"


def test_an_encoder_that_hears_ten_seconds_and_three_kilohertz_says_so(no_gallery):
    class Narrow(Sound):
        rate_hz = 6_000

        def hear(self, waveform):
            return super().hear(np.round(low_passed(waveform[:160_000], 3_000), 3))

    assert informed(Narrow(), "long-clips").value == pytest.approx(1)
    assert informed(Narrow(), "bandwidth").value == pytest.approx(1, abs=1e-3)
    assert informed(Sound(), "bandwidth").value < 0.9
    assert (informed(Narrow(), "rate").value, informed(Sound(), "rate").value) == (6, 16)


@pytest.mark.parametrize(("rate_hz", "passed", "lead"), [(440, True, 1), (220, False, -1), (100, None, 0)])
def test_speed_by_clips_of_two_tones(monkeypatch, tone_world, rate_hz, passed, lead):
    """An encoder that knows a tone by `rate_hz` finds its caption when the tone is read at the speed that has this pitch."""

    class Pitch(Sound):
        def hear(self, waveform):
            peak = np.argmax(np.abs(np.fft.rfft(waveform))) * 16_000 / len(waveform)
            return axis({rate_hz: 0, 3 * rate_hz: 1}.get(round(peak), 9))

    clips = [tone_world.tone(hertz) for hertz in (440, 1320)]
    monkeypatch.setattr(checks, "_gallery", lambda languages: (clips, captions(ENGLISH)[:2], ENGLISH))
    monkeypatch.setattr(checks, "SPEEDS", {"true speed": 1.0, "half speed": 2.0})
    check = informed(Pitch(), "speed")
    assert check.passed is passed and check.value == pytest.approx(lead)


def test_without_the_gallery_the_speed_is_not_examined(no_gallery):
    assert (informed(Sound(), "speed").value, informed(Sound(), "speed").passed) == ("not examined", None)


def test_stretching_keeps_level_and_moves_pitch(tone_world):
    slow = stretched(tone_world.tone(440), 2)
    assert len(slow) == 32_000 and np.allclose(slow, tone_world.tone(220, 2), atol=1e-3)


def test_probes_are_what_the_checks_need():
    sounds = waveforms()
    assert {len(sounds[name]) / 16_000 for name in ("short", "long")} == {0.3, 25}
    assert all(sound.dtype == np.float32 and np.abs(sound).max() < 3 for sound in sounds.values())
    assert all(len(set(captions(code))) == len(CLASSES) for code in CODES)


@pytest.mark.parametrize(("languages", "said"), [([], "at least one language"), (["fr"], "Unknown language 'fr'")])
def test_languages_must_be_known(languages, said):
    with pytest.raises(UserError, match=said):
        doctor.quick(Sound(), languages)


@pytest.mark.parametrize("name", ["compact-baseline", "compact-mixture-le"])
def test_shipped_checkpoints_pass_with_room(name):
    values = {check.name: check for check in doctor.require_healthy(load_encoder(name), get_card(name).languages).checks}
    assert values["audio-spread"].value < 0.5 and values["text-spread"].value < 0.5
    assert values["audio-directions"].value > 4 and values["text-directions"].value > 4
    assert values["audio-batch"].value < 1e-5 and values["text-batch"].value < 1e-5


def test_a_shipped_checkpoint_that_misreads_16_khz_as_48_khz_is_caught():
    encoder = load_encoder("compact-mixture-le")
    hasty = SimpleNamespace(name="hasty", fingerprint="", dim=encoder.dim, embed_text=encoder.embed_text)
    hasty.embed_audio = lambda sounds: encoder.embed_audio([stretched(sound, 1 / 3) for sound in sounds])
    assert informed(encoder, "speed", [ENGLISH]).passed is True
    check = informed(hasty, "speed", [ENGLISH])
    assert check.passed is False and "a third of the speed" in check.explanation
    with pytest.raises(UserError, match="Sounds are read at their true speed"):
        doctor.require_healthy(hasty, [ENGLISH])


def command(*arguments):
    parser = Parser(prog="clap")
    doctor.add_parser(parser.add_subparsers(required=True))
    return run(parser, lambda args: args.run(args), ["doctor", *arguments])


def test_the_command_tells_card_and_checks(capsys):
    assert command("compact-baseline") == 0
    out, err = capsys.readouterr()
    assert "CC-BY-4.0" in out and "compact-baseline is healthy" in out and "Audio: clips do not change each other" in err
    starts = {line[:17].strip() for line in out.splitlines() if line.startswith(("passed", "for information"))}
    assert starts == {"passed", "for information"}


def test_the_command_as_json(capsys):
    assert command("compact-baseline", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passed"] is True and told["checkpoint"]["languages"] == "English"
    values = {check["name"]: check for check in told["checks"]}
    assert values["size"]["value"] == pytest.approx(get_card("compact-baseline").size_bytes / 1e6)
    assert {"memory", "speed", "audio-cost"} <= set(values)


def test_the_command_fails_for_an_unsound_encoder(monkeypatch, capsys):
    monkeypatch.setattr("clap.checkpoints.load_encoder", lambda name: SimpleNamespace(name=name, fingerprint="", dim=3))
    assert command("compact-baseline") == 1
    out = capsys.readouterr().out
    assert "failed           Audio: embeddings have the promised form" in out and "is not healthy enough to be judged" in out


@pytest.mark.parametrize("arguments", [["nothing-like-it"], []])
def test_bad_input_is_one_sentence(arguments, capsys):
    assert command(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1
