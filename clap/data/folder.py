"""One's own clips and captions, from a folder, a CSV or a JSONL; caption files that add a language; and where audio lies."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from clap.data.records import PROVENANCES, Caption, Clip, Dataset, read_json_lines, read_jsonl, read_text, refuse_keys
from clap.errors import UserError
from clap.languages import require_code

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".webm")
"""Of two files of one clip, the one whose suffix comes first here is taken."""
REQUIRED, METADATA = "required", "metadata"
"""How a data set is loaded: every clip with its audio, or captions alone."""
TABLES = ("metadata.csv", "captions.jsonl")
NEEDED = ("file", "caption", "language")
DEFAULTS = {"provenance": "human", "licence": "not stated", "source": "", "split": "all"}
"""What a row of one's own table means where it does not say."""
OF_A_CLIP = ("licence", "source", "split")

Rows = list[tuple[str, dict[str, Any]]]
"""The rows of a table, each with the words that name its place."""


class AudioFolder:
    """The audio files that lie directly in a folder, by their names without suffix; none where there is no such folder."""

    def __init__(self, folder: Path) -> None:
        found = [path for path in folder.iterdir() if path.suffix.lower() in AUDIO_SUFFIXES] if folder.is_dir() else []
        found.sort(key=lambda path: AUDIO_SUFFIXES.index(path.suffix.lower()), reverse=True)
        self._folder, self._files = folder, {path.stem: path for path in found}

    def find(self, *names: str) -> Path:
        """The file of the first name that has one; else where the WAV of the first name would lie."""
        return next((self._files[name] for name in names if name in self._files), self._folder / f"{names[0]}.wav")


def with_audio(dataset: Dataset, audio: str) -> Dataset:
    """`dataset` as it is for "metadata"; for "required", once every file was found, with durations from the files' heads.

    Raises UserError with the number of files that are missing and the first of them.
    """
    if audio not in (REQUIRED, METADATA):
        raise UserError(f"Audio is either {REQUIRED!r} or {METADATA!r}, got {audio!r}.")
    if audio == METADATA:
        return dataset
    lost = [clip.path for clip in dataset.clips if not clip.path.is_file()]
    if lost:
        raise UserError(
            f"{len(lost)} of the {len(dataset.clips)} clips of {dataset.name} have no audio, the first {lost[0].name!r} "
            f"in {lost[0].parent}; put the files there, take their lines out of the table, or load the captions alone "
            f"with audio={METADATA!r}."
        )
    clips = tuple(clip if clip.duration_s else replace(clip, duration_s=_seconds(clip.path)) for clip in dataset.clips)
    return replace(dataset, clips=clips)


def _seconds(path: Path) -> float:
    import soundfile

    try:
        return round(soundfile.info(path).duration, 3)
    except (soundfile.LibsndfileError, TypeError):  # what only ffmpeg reads stays unknown until it is decoded
        return 0.0


def read_csv(path: Path, needed: Sequence[str], known: Sequence[str] | None = None) -> Rows:
    """The rows of a CSV whose first line names its columns; `known` refuses all other columns. UserError for cells that are missing."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    columns = reader.fieldnames or []
    refuse_keys(path.name, columns, known or [*columns, *needed], needed)
    rows: Rows = []
    for row in reader:
        where = f"{path.name}, line {reader.line_num}"
        if None in row or None in row.values():
            raise UserError(f"{where}: there must be {len(columns)} cells, as in the first line.")
        rows.append((where, row))
    return rows


def check_text(where: str, text: Any) -> str:
    """The caption itself; UserError when it is empty or no text."""
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where}: the caption is empty; write one or take the line out.")
    return text


def check_caption(where: str, caption: Caption) -> Caption:
    """The caption itself; UserError for an unknown language or provenance and for an empty text."""
    check_text(where, caption.text)
    if caption.provenance not in PROVENANCES:
        raise UserError(f"{where}: unknown provenance {caption.provenance!r}; it is one of {', '.join(PROVENANCES)}.")
    try:
        require_code(caption.language)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return caption


def join_languages(dataset: Dataset, folder: Path, elsewhere: Collection[str] = ()) -> Dataset:
    """`dataset` with the captions of every `captions.<language>.jsonl` and `captions.<language>.<name>.jsonl` in `folder`.

    A line has id, clip, text and provenance, and of a translation what else a Caption says.

    Captions of the clips `elsewhere`, those of other splits, are left to them. Raises UserError for any other clip, and
    for a language that is not known.
    """
    added = []
    for path in sorted(folder.glob("captions.*.jsonl")):
        code = path.name.split(".")[1]
        captions = [check_caption(path.name, caption) for caption in read_jsonl(path, Caption, language=code)]
        own = {clip.id for clip in dataset.clips}
        lost = [caption.clip for caption in captions if caption.clip not in own and caption.clip not in elsewhere]
        if lost:
            raise UserError(f"{path.name} has {len(lost)} captions of clips that {dataset.name} does not hold, the first of {lost[0]!r}.")
        added += [caption for caption in captions if caption.clip in own]
    return replace(dataset, captions=(*dataset.captions, *added)) if added else dataset


def load_own(path: Path, audio: str = REQUIRED) -> Dataset:
    """A data set of one's own: a folder of audio, with or without a table; a table; or a folder with `clips.jsonl` as this project writes.

    A table is `metadata.csv` or `captions.jsonl` in the folder, or any CSV or JSONL; a row is one caption, its columns
    NEEDED and, where wanted, those of DEFAULTS. `file` is relative to the table, and is the clip's id. Raises UserError
    for a missing column or file, an unknown language or provenance, and a caption that stands twice.
    """
    folder = path if path.is_dir() else path.parent
    if (path / "clips.jsonl").is_file():
        return with_audio(join_languages(load_manifest(path), folder), audio)
    listed = _own_rows(path)
    files = _files_below(path) if path.is_dir() else []
    if not listed and not files:
        raise UserError(f"{path} holds neither audio files nor captions; audio ends in {', '.join(AUDIO_SUFFIXES)}.")
    clips = _own_clips(folder, files, listed)
    dataset = Dataset(path.stem if path.is_file() else path.resolve().name, clips, _own_captions(listed))
    return with_audio(join_languages(dataset, folder), audio)


def load_manifest(folder: Path) -> Dataset:
    """A folder of `clips.jsonl` and `captions.jsonl`, one record a line (clap.data.records)."""
    clips = read_jsonl(folder / "clips.jsonl", Clip)
    captions = read_jsonl(folder / "captions.jsonl", Caption) if (folder / "captions.jsonl").is_file() else []
    return Dataset(folder.name, tuple(clips), tuple(check_caption("captions.jsonl", caption) for caption in captions))


def _files_below(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _own_rows(path: Path) -> Rows:
    tables = [path / name for name in TABLES if (path / name).is_file()] if path.is_dir() else [path]
    if len(tables) > 1:
        raise UserError(f"{path} holds both {' and '.join(TABLES)}; keep one of them.")
    return [_filled(where, row) for table in tables for where, row in _table_rows(table)]


def _table_rows(table: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    if table.suffix.lower() == ".csv":
        return read_csv(table, NEEDED, (*NEEDED, *DEFAULTS))
    if table.suffix.lower() == ".jsonl":
        return read_json_lines(table)
    raise UserError(f"{table.name} is neither a folder, a CSV nor a JSONL; give one of these.")


def _filled(where: str, row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    refuse_keys(where, row, (*NEEDED, *DEFAULTS), NEEDED)
    blank = [key for key, value in row.items() if not isinstance(value, str) or (not value and key in NEEDED)]
    if blank:
        raise UserError(f"{where}: {blank[0]} must be a text, got {row[blank[0]]!r}.")
    told = {key: value for key, value in row.items() if value}
    return where, {**DEFAULTS, **told, "file": PurePosixPath(row["file"]).as_posix()}


def _own_clips(folder: Path, files: Sequence[str], rows: Rows) -> tuple[Clip, ...]:
    """The files of the folder in order of name, then those that only the table names; licence, source and split from their rows."""
    told: dict[str, dict[str, Any]] = {}
    for where, row in rows:
        first = told.setdefault(row["file"], row)
        other = [key for key in OF_A_CLIP if row[key] != first[key]]
        if other:
            raise UserError(f"{where}: {row['file']} has the {other[0]} {row[other[0]]!r} here and {first[other[0]]!r} before.")
    names = list(dict.fromkeys((*files, *told)))
    said = [told.get(name, DEFAULTS) for name in names]
    return tuple(Clip(n, folder / n, row["split"], 0.0, row["licence"], row["source"]) for n, row in zip(names, said, strict=True))


def _own_captions(rows: Rows) -> tuple[Caption, ...]:
    seen: dict[tuple[str, str], list[str]] = {}
    captions = []
    for where, row in rows:
        texts = seen.setdefault((row["file"], row["language"]), [])
        if row["caption"] in texts:
            raise UserError(f"{where}: {row['file']} has this caption twice in {row['language']}; take one out.")
        name = f"{row['file']}-{row['language']}-{len(texts)}"
        captions.append(check_caption(where, Caption(name, row["file"], row["language"], row["caption"], row["provenance"])))
        texts.append(row["caption"])
    return tuple(captions)
