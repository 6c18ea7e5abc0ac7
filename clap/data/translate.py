"""Offline translation of captions (paper, section 2): `python -m clap translate DATASET --to CODE… --out FOLDER`.

A file of translations grows batch by batch, so that a run that was stopped goes on; what was refused is kept beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clap.command_line import positive
from clap.data.endpoint import ENDPOINT_BATCH, Endpoint
from clap.data.records import Caption, Dataset
from clap.data.translation_file import Translation, TranslationFile, Translator
from clap.errors import UserError
from clap.languages import CODES, ENGLISH, ENHANCED_CODES

BATCH = 64
MAX_TOKENS = 128
"""The longest translation, in tokens."""
COMPACT, RELEASED = "compact-sonar", "sonar-basic"


def one_per_clip(captions: Iterable[Caption], seed: int, language: str) -> list[Caption]:
    """One random English caption of each clip; another draw for another `language` (paper, section 2)."""
    rng = np.random.default_rng([seed, *language.encode()])
    by_clip: dict[str, list[Caption]] = {}
    for caption in captions:
        if caption.language == ENGLISH:
            by_clip.setdefault(caption.clip, []).append(caption)
    return [options[int(rng.integers(len(options)))] for options in by_clip.values()]


def jobs_in(captions: Sequence[Caption], language: str, seed: int = 0, every_caption: bool = False) -> dict[str, tuple[Caption, str]]:
    """What is to be translated into a language: one caption of each clip, or every one."""
    every = [caption for caption in captions if caption.language == ENGLISH]
    chosen = every if every_caption else one_per_clip(captions, seed, language)
    return {f"{caption.id}-{language}": (caption, language) for caption in chosen}


def translate_captions(
    captions: Sequence[Caption], translator: Translator, out: Path, seed: int = 0,
    languages: Sequence[str] = ENHANCED_CODES, every_caption: bool = False, batch: int = BATCH,
) -> list[Caption]:  # fmt: skip
    """English captions in other languages, by default one per clip and language, kept in the file `out`.

    Translations whose similarity is below MIN_SIMILARITY are refused: told, counted, and listed in `<out>.refused`. A run
    that was stopped goes on. Raises UserError for a language that the translator does not write, no English captions, a
    file `out` that holds anything else, and one that cannot be written.
    """
    jobs = {}
    for code in languages:
        check_target(translator, code)
        jobs |= jobs_in(captions, code, seed, every_caption)
    if not jobs:
        raise UserError("There is no English caption to translate.")
    file = TranslationFile(out, jobs, translator.name)
    for code in languages:
        _translate_into(code, file, translator, batch)
        say(file.summary(code))
    return file.finish()


def check_target(translator: Translator, code: str) -> None:
    """Raise UserError for a language that a translator does not write."""
    if code in translator.languages and code != ENGLISH:
        return
    others = [one for one in translator.languages if one != ENGLISH]
    known = ", ".join(others) if len(others) < 20 else f"{len(others)} languages, by their FLORES-200 codes such as {others[0]}"
    raise UserError(f"{translator.name} does not translate into {code!r}; it writes {known}.")


def _translate_into(code: str, file: TranslationFile, translator: Translator, batch: int) -> None:
    """Translate what is still to be done in one language, longest first, so that texts of a length share a batch."""
    todo = [(name, source) for name, (source, language) in file.jobs.items() if language == code and not file.holds(name)]
    todo.sort(key=lambda job: (-len(job[1].text), job[1].text))
    pace = Pace(code, len(todo))
    for start in range(0, len(todo), batch):
        part = todo[start : start + batch]
        made = translator([source.text for _, source in part], code)
        captions = [_caption(name, source, code, one, translator.name) for (name, source), one in zip(part, made, strict=True)]
        file.add(captions, [one.good for one in made])
        pace.tell(start + len(part))


def _caption(name: str, source: Caption, language: str, made: Translation, translator: str) -> Caption:
    similarity = None if made.similarity is None else round(made.similarity, 4)
    return Caption(name, source.clip, language, made.text, "machine", translator, source.id, similarity)


class Pace:
    """Tells how many captions of a language are done, how fast, and how long the rest takes: at most once a second."""

    def __init__(self, code: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._code, self._total, self._clock = code, total, clock
        self._start = self._told = clock()

    def tell(self, done: int) -> None:
        """Say it, on standard error."""
        now = self._clock()
        if now - self._told < 1 and done < self._total:
            return
        self._told = now
        rate = done / max(now - self._start, 1e-9)
        seconds = (self._total - done) / rate
        left = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
        say(f"{self._code}: {done:,} of {self._total:,} captions, {rate:,.1f} captions/s, {left} left")


class SonarTranslator:
    """Translation through the sentence embedding by a SONAR encoder and decoder, on the device they are on.

    Texts are normalised first, as the text encoder will read them; equal ones are translated once. `truncated` counts those
    that were longer than the encoder takes, of which only the beginning was translated.
    """

    def __init__(self, encoder: Any, decoder: Any, tokenizer: Any, beam_size: int, name: str, languages: Sequence[str]) -> None:
        from sonar.inference_pipelines.text import EmbeddingToTextModelPipeline

        self.name, self.languages, self.truncated = name, tuple(languages), 0
        self._encoder, self._tokenizer, self._beam_size = encoder.eval(), tokenizer, beam_size
        self._device = next(encoder.parameters()).device
        self._pipeline = EmbeddingToTextModelPipeline(decoder, tokenizer, self._device)
        self._limit = min(MAX_TOKENS, decoder.decoder_frontend.pos_encoder.max_seq_len)

    def __call__(self, texts: Sequence[str], target: str) -> list[Translation]:
        """See Translator."""
        from clap.text import normalize_caption

        sources = [normalize_caption(text) for text in texts]
        unique = list(dict.fromkeys(sources))
        vectors = self._embed(unique, ENGLISH)
        made = self._pipeline.predict(vectors, target, batch_size=len(unique), beam_size=self._beam_size, max_seq_len=self._limit)
        found = dict(zip(unique, map(Translation, made, self._cosines(vectors, made, target)), strict=True))
        return [found[source] for source in sources]

    def similarities(self, texts: Sequence[str], translations: Sequence[str], target: str) -> list[float]:
        """Cosine of the sentence embeddings of each English text and its translation: how much of its meaning came through."""
        from clap.text import normalize_caption

        return self._cosines(self._embed([normalize_caption(text) for text in texts], ENGLISH), translations, target)

    def _cosines(self, vectors: Any, translations: Sequence[str], target: str) -> list[float]:
        import torch

        from clap.text import normalize_caption

        there = self._embed([normalize_caption(text) for text in translations], target)
        return torch.cosine_similarity(vectors, there, dim=1).tolist()

    def _embed(self, texts: Sequence[str], language: str) -> Any:
        import torch

        from clap.model import sonar

        ids = sonar.tokenize(self._tokenizer, texts, language)
        ids, longer = sonar.truncate(ids, sonar.max_tokens(self._encoder))
        self.truncated += longer if language == ENGLISH else 0
        with torch.inference_mode():
            return sonar.encode_tokens(self._encoder, ids).float()


def sonar_translator(
    encoder: Any, decoder: Any, tokenizer: Any, beam_size: int = 4, name: str = "SONAR", languages: Sequence[str] = CODES
) -> SonarTranslator:
    """Translation by a SONAR encoder and decoder of `languages`."""
    return SonarTranslator(encoder, decoder, tokenizer, beam_size, name, languages)


def load_sonar(checkpoint: str = COMPACT) -> SonarTranslator:
    """The translator of a SONAR: "compact-sonar", the released "sonar-basic", or a folder of one's own; on the GPU if there is one.

    Raises UserError when there is no such checkpoint, it cannot be fetched, or it is not a whole SONAR.
    """
    import torch

    from clap.model import sonar

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if checkpoint == RELEASED:
        encoder, tokenizer = sonar.load_released(sonar.RELEASED_ENCODER)
        decoder, _ = sonar.load_released(sonar.RELEASED_DECODER)
        name, languages = RELEASED, sonar.language_list("nllb")
    else:
        encoder, decoder, tokenizer, name = _load_folder(checkpoint)
        languages = CODES
    return sonar_translator(encoder.to(device), decoder.to(device), tokenizer, name=name, languages=languages)


def _load_folder(checkpoint: str) -> tuple[Any, Any, Any, str]:
    """Encoder, decoder, tokenizer and name, with the hash of the weights, of a SONAR in a folder."""
    from clap.checkpoints import CARD, SHIPPED, read_card, verify
    from clap.config import SonarConfig
    from clap.model import sonar
    from clap.weights import TOKENIZER, WEIGHTS, load_strictly, load_weights, sha256_of

    folder = next((one for one in (SHIPPED / checkpoint, Path(checkpoint)) if (one / WEIGHTS).is_file()), None)
    if folder is None:
        raise UserError(
            f"Unknown translator {checkpoint!r}; give {COMPACT}, {RELEASED}, or a folder that `python -m clap.train sonar` made, "
            f"with {WEIGHTS} and {TOKENIZER}."
        )
    if (folder / CARD).is_file():
        verify(read_card(folder))
    state, config = load_weights(folder / WEIGHTS, SonarConfig)
    encoder, decoder = sonar.build_encoder(config), sonar.build_decoder(config)
    for part, model in (("encoder.", encoder), ("decoder.", decoder)):
        load_strictly(model, {key.removeprefix(part): value for key, value in state.items() if key.startswith(part)}, folder.name)
    return encoder, decoder, sonar.load_tokenizer(folder / TOKENIZER), f"{folder.resolve().name} {sha256_of(folder / WEIGHTS)[:12]}"


@dataclass(frozen=True)
class Measured:
    """A translator whose translations are measured by a SONAR encoder, in the languages that both know."""

    translate: Translator
    sonar: SonarTranslator

    @property
    def name(self) -> str:
        """The translator's."""
        return self.translate.name

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(code for code in self.translate.languages if code in self.sonar.languages)

    def __call__(self, texts: Sequence[str], target: str) -> list[Translation]:
        """See Translator."""
        made = [one.text for one in self.translate(texts, target)]
        return list(map(Translation, made, self.sonar.similarities(texts, made, target)))


def caption_file(folder: Path, language: str, dataset: str) -> Path:
    """Where the captions of a data set in a language stand in the folder that adds them (clap.data.folder.join_languages)."""
    return folder / f"captions.{language}.{dataset}.jsonl"


def say(line: str) -> None:
    """One line on standard error."""
    print(line, file=sys.stderr, flush=True)


def _translate(args: argparse.Namespace) -> None:
    from clap.data.datasets import load_dataset
    from clap.data.folder import METADATA

    dataset = load_dataset(args.dataset, args.root, METADATA)
    if not dataset.captions_in(ENGLISH):
        raise UserError(f"{dataset.name} has no English captions, so there is nothing to translate.")
    require_folder(args.out)
    translator = _translator(args)
    codes = [code for code in translator.languages if code != ENGLISH] if args.all else list(dict.fromkeys(args.to))
    for code in codes:
        check_target(translator, code)
    size = args.batch or (ENDPOINT_BATCH if args.endpoint else BATCH)
    for code in codes:
        out = caption_file(args.out, code, dataset.name)
        made = translate_captions(dataset.captions, translator, out, args.seed, (code,), args.every_caption, size)
        say(f"{code}: {len(made)} captions in {out}")
    tell_provenance(dataset, codes, "machine")
    truncated = getattr(translator, "truncated", 0)
    if truncated:
        say(f"{truncated} texts were longer than the encoder takes; only their beginnings were translated")


def _translator(args: argparse.Namespace) -> Translator:
    """The translator that a call names: a SONAR checkpoint, or an endpoint, measured where a checkpoint is named as well."""
    if bool(args.endpoint) != bool(args.model):
        raise UserError("An endpoint and its model belong together; give both --endpoint URL and --model NAME, or neither.")
    if not args.endpoint:
        return load_sonar(args.checkpoint or COMPACT)
    endpoint = Endpoint(args.endpoint, args.model, os.environ.get("OPENAI_API_KEY", ""))
    return Measured(endpoint, load_sonar(args.checkpoint)) if args.checkpoint else endpoint


def require_folder(folder: Path) -> None:
    """Raise UserError when no files can be written to `folder`."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        reason = "cannot be written to" if folder.is_dir() else "is no existing folder"
        raise UserError(f"{str(folder)!r} {reason}; name one, such as that of the data set, whose loader then finds the captions.")


def tell_provenance(dataset: Dataset, languages: Sequence[str], provenance: str) -> None:
    """Say, on standard error, where a data set already has captions of another provenance in a language that others are added to."""
    for code in languages:
        before = {caption.provenance for caption in dataset.captions_in(code)} - {provenance}
        if before:
            say(f"{code}: {dataset.name} has captions by {', '.join(sorted(before))} as well; results name {provenance} beside them")


def add_parser(commands: Any) -> None:
    """The `translate` subcommand of `python -m clap`."""
    parser = commands.add_parser("translate", help="translate a data set's English captions")
    parser.add_argument("dataset", metavar="DATASET", help="a name from `python -m clap datasets`, or the path of one's own")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--to", nargs="+", metavar="CODE", default=ENHANCED_CODES, help="FLORES-200 codes; default the paper's seven")
    which.add_argument("--all", action="store_true", help="every language that the translator writes")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="gets captions.CODE.DATASET.jsonl; best the data set's")
    parser.add_argument("--every-caption", action="store_true", help="not only one a clip and language: for test sets")
    parser.add_argument("--checkpoint", metavar="NAME", help=f"{COMPACT} (default), {RELEASED}, or a folder that `clap.train sonar` made")
    parser.add_argument("--endpoint", metavar="URL", help="translate by a chat model of an OpenAI-compatible server; key in OPENAI_API_KEY")
    parser.add_argument("--model", metavar="NAME", help="the chat model")
    parser.add_argument("--batch", type=positive, metavar="N", help=f"captions at once, default {BATCH}, {ENDPOINT_BATCH} by an endpoint")
    parser.add_argument("--seed", type=int, default=0, help="decides which caption of a clip is taken, default 0")
    parser.add_argument("--root", type=Path, help="folder that holds the data sets, default $CLAP_DATA")
    parser.set_defaults(run=_translate)
