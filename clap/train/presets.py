"""Settings of a training by name: the compact models' and the paper's (section 3.3), and the paper's mixes of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from clap.data.language_enhancement import mode_languages
from clap.errors import UserError


@dataclass(frozen=True)
class ClapTraining:
    """`ratio` is the mixing ratio of language enhancement: 0 for the baseline, 0.1 for the paper's mixture LE.

    `batch` counts pairs over all ranks. `warmup` is the share of the training during which the rates rise to their highest,
    from where they fall; with 0 they are constant. `regularizer` weighs the embedding regulariser of the released code; the
    paper does not mention it. A batch's clips are encoded in groups of about `group` of similar length, each padded to its
    longest. `mode` is the language enhancement's (mode_languages); None mixes in every language there is. `bfloat16` is mixed
    precision; `checkpointing` computes the towers' blocks twice to save memory.
    Raises UserError for a ratio outside [0, 1], fewer than one epoch, a batch of one and an unknown mode.
    """

    ratio: float = 0.0
    epochs: int = 15
    batch: int = 64
    learning_rate: float = 1e-3
    tower_rate: float = 4e-4
    warmup: float = 0.1
    regularizer: float = 0.0
    seed: int = 0
    group: int = 32
    max_norm: float = 1.0
    mode: str | None = None
    bfloat16: bool = True
    checkpointing: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise UserError(f"The mixing ratio must lie between 0 and 1, got {self.ratio}.")
        if self.epochs < 1:
            raise UserError(f"A training takes at least one epoch, got {self.epochs}.")
        if self.batch < 2:
            raise UserError(f"A batch must hold at least two pairs, since each learns from not being the other; got {self.batch}.")
        if self.languages and not self.ratio:
            raise UserError(f"Mode {self.mode} mixes in other languages, and with a mixing ratio of 0 none would be; give a --ratio.")

    @property
    def languages(self) -> tuple[str, ...] | None:
        """The languages that are mixed in; None for every one there is."""
        return mode_languages(self.mode) if self.mode else None


def compact_training() -> ClapTraining:
    """What the shipped checkpoints are trained with, in minutes on one CPU core."""
    return ClapTraining()


def paper_training() -> ClapTraining:
    """Section 3.3: 20 epochs, batch 128, Adam with a learning rate of 5e-5; it names no schedule, so the rate is constant."""
    return ClapTraining(epochs=20, batch=128, learning_rate=5e-5, tower_rate=5e-5, warmup=0.0, group=128)


def fine_tuning(plan: ClapTraining) -> ClapTraining:
    """The same with a tenth of the rates: the paper fine-tunes at 5e-6."""
    return replace(plan, learning_rate=plan.learning_rate / 10, tower_rate=plan.tower_rate / 10)


TRAININGS: dict[str, tuple[Callable[[], ClapTraining], str]] = {
    "compact": (compact_training, "compact"),
    "paper": (paper_training, "ml-clap"),
}
"""Name -> the settings, and the preset of the model (clap.presets) that they are for."""

_SMALL = ("audiocaps-train", "clotho-development")
_HELD = ("audiocaps-validation", "clotho-validation")
MIXES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"small": (_SMALL, _HELD), "large": ((*_SMALL, "wavcaps"), _HELD)}
"""Section 3.1's small and large sets: what is trained on, and what chooses among epochs."""
