"""Turn a finished run into a checkpoint folder with its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clap.checkpoints import CARD, SHIPPED, require_name
from clap.config import CedConfig, ClapConfig, SonarConfig
from clap.data.esc50 import credits, load_esc50
from clap.errors import UserError
from clap.languages import CODES, get_language
from clap.model.towers import require_languages, text_languages
from clap.train.prepare import REAL_FOLDS, REAL_LICENCES
from clap.weights import WEIGHTS, load_weights, save_weights, sha256_of, tokenizer_in

KINDS = {"clap": ClapConfig, "sonar": SonarConfig, "ced": CedConfig}


def minutes_of(run: Path) -> float:
    """Training minutes by the run's log, whose clock starts anew each time a run goes on."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    ends = [row["seconds"] for row, after in zip(rows, [*rows[1:], {"seconds": 0}], strict=True) if after["seconds"] < row["seconds"]]
    return round(sum(ends) / 60, 1)


def languages_of(kind: str, config: Any, said: Sequence[str] | None) -> list[str]:
    """The languages for the card: those that are `said`, else all that the text encoder reads; raises UserError for others."""
    known = {"ced": (), "sonar": CODES}[kind] if kind != "clap" else text_languages(config.text)
    languages = [get_language(code).code for code in (said or known)] if known else []
    require_languages(languages, known)
    return languages


def publish(run: Path, name: str, kind: str, about: dict[str, Any], folder: Path = SHIPPED) -> Path:
    """Copy a run's weights as float16, its tokenizer if it has one, and write `card.json`; returns the checkpoint's folder."""
    if not (run / WEIGHTS).is_file():
        raise UserError(f"{run} holds no {WEIGHTS}; train first.")
    require_name(name)
    if not (run / "log.jsonl").is_file():
        raise UserError(f"{run} holds no log.jsonl, which tells how long it took; give the folder that training wrote.")
    state, config = load_weights(run / WEIGHTS, KINDS[kind])
    languages = languages_of(kind, config, about.pop("languages"))
    out = folder / name
    out.mkdir(parents=True, exist_ok=True)
    save_weights(out / WEIGHTS, state, config, dtype="float16")
    tokenizer = tokenizer_in(run)
    if tokenizer:
        shutil.copyfile(tokenizer, out / tokenizer.name)
    made = {"command": about.pop("command"), "seed": about.pop("seed"), "minutes": minutes_of(run)}
    if (run / "data").is_file():
        made["data_sha256"] = (run / "data").read_text()
    card = {"name": name, "kind": kind, "languages": languages, "made": made, "sha256": sha256_of(out / WEIGHTS), **about}
    card["tokenizer_sha256"] = sha256_of(tokenizer) if tokenizer else ""
    (out / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return out


def add_parser(commands: Any) -> None:
    """The `publish` subcommand of `python -m clap.train`."""
    parser = commands.add_parser("publish", help="make a checkpoint folder of a finished run")
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--kind", choices=KINDS, default="clap")
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    for key in ("title", "licence", "trained-on", "command"):
        parser.add_argument(f"--{key}", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--languages", nargs="+", metavar="CODE", help="of its training captions; all that it reads by default")
    parser.set_defaults(run=_run)


def add_credits_parser(commands: Any) -> None:
    """The `credits` subcommand of `python -m clap.train`."""
    parser = commands.add_parser("credits", help="write the list of recordings that the compact checkpoints are trained on")
    parser.add_argument("--esc50", type=Path, required=True, help="folder with esc50.csv and audio/")
    parser.add_argument("--out", type=Path, default=SHIPPED / "CREDITS.md")
    parser.set_defaults(run=lambda a: a.out.write_text(credits(load_esc50(a.esc50, REAL_FOLDS, REAL_LICENCES).clips), encoding="utf-8"))


def _run(args: Any) -> Path:
    about = {key: getattr(args, key) for key in ("title", "licence", "trained_on", "command", "seed", "languages")}
    return publish(args.run_folder, args.name, args.kind, about, args.folder)
