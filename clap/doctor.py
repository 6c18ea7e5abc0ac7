"""The checkpoint doctor: is an encoder healthy enough to be judged? Knows no model.

What it tries is in `clap.probes`, what it looks for in `clap.checks`. Refusing checks pass or fail; the others tell a value.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clap.checks import CONTRACTS, INFORMING, REFUSING, Patient, Probe
from clap.embed import Encoder
from clap.errors import UserError
from clap.languages import get_language


@dataclass(frozen=True)
class Check:
    """One thing looked at. `passed` is None where the `value`, in `unit`, is for information; `explanation` is one sentence."""

    name: str
    title: str
    passed: bool | None
    value: float | str
    unit: str
    explanation: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found about one encoder, in the order looked at."""

    encoder: str
    fingerprint: str
    languages: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    def to_json(self) -> dict[str, Any]:
        """A mapping for `json.dumps`: the fields, and `passed`."""
        return {**asdict(self), "passed": self.passed}


def silent(message: str) -> None:
    """Reports nothing."""


def examine(encoder: Encoder, languages: Sequence[str], report: Callable[[str], None] = silent) -> Diagnosis:
    """Every check, in `languages` (FLORES-200 codes), with its title told to `report` before; raises UserError for an unknown language."""
    return _examine(encoder, languages, REFUSING + INFORMING, report)


def quick(encoder: Encoder, languages: Sequence[str]) -> Diagnosis:
    """Only the checks that can refuse an encoder: some seconds of sound, a few clips of the gallery, a dozen captions a language."""
    return _examine(encoder, languages, REFUSING, silent)


def require_healthy(encoder: Encoder, languages: Sequence[str]) -> Diagnosis:
    """The `quick` diagnosis; raises UserError with the checks that failed."""
    diagnosis = quick(encoder, languages)
    if not diagnosis.passed:
        failed = "; ".join(f"{check.title} ({shown(check)})" for check in diagnosis.failed)
        raise UserError(f"{encoder.name!r} is not healthy enough to be judged, these checks failed: {failed}; see `python -m clap doctor`.")
    return diagnosis


def _examine(encoder: Encoder, languages: Sequence[str], probes: Sequence[Probe], report: Callable[[str], None]) -> Diagnosis:
    codes = tuple(dict.fromkeys(get_language(code).code for code in languages))
    if not codes:
        raise UserError("An encoder is examined in at least one language; name some.")
    patient, broken, checks = Patient(encoder, codes), set(), []
    for probe in probes:
        if broken & set(probe.towers):
            continue
        report(probe.title)
        checks.append(_check(probe, patient))
        if probe in CONTRACTS and not checks[-1].passed:
            broken |= set(probe.towers)
    return Diagnosis(encoder.name, encoder.fingerprint, codes, tuple(checks))


def _check(probe: Probe, patient: Patient) -> Check:
    try:
        passed, value, unit, explanation = probe.find(patient)
    except Exception as error:  # whatever an encoder raises is a finding about it
        said = " ".join(str(error).split())[:300] or "no message"
        refuses = False if probe in REFUSING else None
        passed, value, unit, explanation = refuses, type(error).__name__, "", f"The encoder failed: {said.rstrip('.')}."
    value = value if isinstance(value, str) else float(value)
    return Check(probe.name, probe.title, None if passed is None else bool(passed), value, unit, explanation)


# By name, and the command


def _import_libraries() -> None:
    """What loading would import, so that it is not taken for the checkpoint's memory."""

    import clap.model.clap  # noqa: F401


def diagnose(name: str, report: Callable[[str], None] = silent) -> Diagnosis:
    """Load a checkpoint by name and examine it in its languages, with its size and memory; raises UserError as loading does."""
    from clap.checkpoints import get_card, load_encoder

    card = get_card(name)
    _import_libraries()
    before = resident_bytes()
    diagnosis = examine(load_encoder(name), card.languages, report)
    grown = None if before is None else max(0, resident_bytes() - before)
    sizes = (
        ("size", "Weights on disk", get_card(name).size_bytes, "The size of the weights' file."),
        (
            "memory",
            "Memory",
            grown,
            "Growth of this process from before loading to after these checks; the libraries were in it before.",
        ),
    )
    told = [Check(key, title, None, value / 1e6, "MB", sentence) for key, title, value, sentence in sizes if value is not None]
    return replace(diagnosis, checks=(*diagnosis.checks, *told))


def resident_bytes() -> int | None:
    """Memory of this process that is in use, in bytes; None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def mark(check: Check) -> str:
    """`passed`, `failed` or `for information`."""
    return {True: "passed", False: "failed", None: "for information"}[check.passed]


def shown(check: Check) -> str:
    """The value of a check with its unit, to three digits."""
    value = check.value if isinstance(check.value, str) else _three_digits(check.value)
    return f"{value} {check.unit}".strip()


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def facts(card: Any) -> dict[str, str]:
    """What a checkpoint's card says, as label and text."""
    return {
        "title": card.title,
        "licence": card.licence,
        "languages": ", ".join(get_language(code).name for code in card.languages),
        "size": "unknown until it is fetched" if card.size_bytes is None else f"{card.size_bytes / 1e6:,.1f} MB",
        "trained on": card.trained_on,
    }


def _print_text(card: Any, diagnosis: Diagnosis) -> None:
    for label, text in facts(card).items():
        print(f"{label:<11} {text}")
    print()
    width = max(len(check.title) for check in diagnosis.checks)
    for check in diagnosis.checks:
        print(f"{mark(check):<15}  {check.title:<{width}}  {shown(check)}")
        if check.passed is False:
            print(f"{'':<15}  {check.explanation}")
    passed = sum(check.passed is True for check in diagnosis.checks)
    verdict = "healthy" if diagnosis.passed else "not healthy enough to be judged"
    print(f"\n{diagnosis.encoder} is {verdict}: {passed} checks passed, {len(diagnosis.failed)} failed.")


def _doctor(args: argparse.Namespace) -> int:
    """Examine a checkpoint; 1 when a check failed."""
    from clap.checkpoints import get_card

    card = get_card(args.name)
    diagnosis = diagnose(args.name, lambda title: print(title, file=sys.stderr, flush=True))
    card = get_card(args.name)  # loading may have fetched the weights
    if args.json:
        print(json.dumps({"checkpoint": facts(card), **diagnosis.to_json()}, ensure_ascii=False))
    else:
        _print_text(card, diagnosis)
    return 0 if diagnosis.passed else 1


def add_parser(commands: Any) -> None:
    """The `doctor` command of `python -m clap`."""
    parser = commands.add_parser("doctor", help="examine a checkpoint: is it healthy enough to be judged?")
    parser.add_argument("name", metavar="NAME", help="a checkpoint, as `python -m clap checkpoints` lists them")
    parser.add_argument("--json", action="store_true", help="one JSON object, with an explanation of each check")
    parser.set_defaults(run=_doctor)
