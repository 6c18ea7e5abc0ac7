"""The registry of checkpoints and the one door to their weights.

A checkpoint is a folder: `model.safetensors` (weights, with the configuration in its metadata), `sentencepiece.model`
and `card.json` (what it is, what it was trained on, how it was made, the weights' SHA-256).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clap.config import ClapConfig, from_dict, to_dict
from clap.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clap.embed import Encoder
    from clap.model.clap import Clap

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "checkpoints"
WEIGHTS, TOKENIZER, CARD = "model.safetensors", "sentencepiece.model", "card.json"
Config = TypeVar("Config")


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself. `languages` are FLORES-200 codes; `made` tells command, seed, data hash and minutes.

    `sha256` is that of the weights, the fingerprint under which results and indexes are kept.
    """

    name: str
    title: str
    kind: str
    languages: tuple[str, ...]
    licence: str
    trained_on: str
    made: dict[str, Any]
    sha256: str
    tokenizer_sha256: str
    folder: Path

    @property
    def size_bytes(self) -> int:
        """Size of the weights file."""
        return (self.folder / WEIGHTS).stat().st_size


def save_weights(path: Path, state: dict[str, Tensor], config: Any, half: bool = False) -> Path:
    """Write a state dict as safetensors with its configuration inside, through a temporary name; `half` stores float16."""
    import torch
    from safetensors.torch import save_file

    small = {key: value.half() if half and value.dtype == torch.float32 else value for key, value in state.items()}
    partial = path.with_suffix(".part")
    save_file({key: value.contiguous().clone() for key, value in small.items()}, partial, {"config": json.dumps(to_dict(config))})
    partial.replace(path)
    return path


def load_weights(path: Path, kind: type[Config]) -> tuple[dict[str, Tensor], Config]:
    """A state dict in float32 and its configuration; raises UserError for a file that is cut short or holds no configuration."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in list(file.keys())}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path.name} cannot be read as safetensors ({error}); fetch or train it again.") from error
    if "config" not in metadata:
        raise UserError(f"{path.name} holds no configuration, so the model it belongs to is unknown.")
    full = {key: value.float() if value.dtype == torch.float16 else value for key, value in state.items()}
    return full, from_dict(kind, json.loads(metadata["config"]))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(folder: Path) -> Card:
    """The card of a checkpoint folder; raises UserError for one that is no JSON or lacks an entry."""
    try:
        data = json.loads((folder / CARD).read_text(encoding="utf-8"))
        return Card(**{**data, "languages": tuple(data["languages"]), "folder": folder})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder.name}/{CARD} is no card of a checkpoint ({error}); fetch the checkpoint again.") from error


def available(folder: Path = SHIPPED) -> list[Card]:
    """The CLAP checkpoints at hand, in order of name."""
    return [card for card in map(read_card, sorted(path.parent for path in folder.glob(f"*/{CARD}"))) if card.kind == "clap"]


def get_card(name: str, folder: Path = SHIPPED) -> Card:
    """The card of a named checkpoint; raises UserError with the names there are."""
    cards = {card.name: card for card in available(folder)}
    if name not in cards:
        raise UserError(f"Unknown checkpoint {name!r}; the checkpoints are {', '.join(cards) or 'none'}.")
    return cards[name]


def load_strictly(model: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Load a state dict whose keys and shapes must be the model's; raises UserError naming what does not fit."""
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(state)) or sorted(key for key in wanted if wanted[key].shape != state[key].shape)
    if wrong:
        raise UserError(f"The weights of {name!r} do not fit their configuration: {len(wrong)} keys differ, the first {wrong[0]}.")
    model.load_state_dict(state)


def load_clap(folder: Path) -> tuple[Clap, Any]:
    """Model in evaluation mode and tokenizer of a checkpoint folder; every key must fit."""
    from clap.model.clap import Clap
    from clap.model.sonar import load_tokenizer

    state, config = load_weights(folder / WEIGHTS, ClapConfig)
    model = Clap(config)
    load_strictly(model, state, folder.name)
    return model.eval(), load_tokenizer(folder / TOKENIZER)


def load_encoder(name: str, folder: Path = SHIPPED) -> Encoder:
    """The Encoder of a named checkpoint; raises UserError when the name is unknown or the weights differ from their card."""
    from clap.model.clap import ClapEncoder

    card = get_card(name, folder)
    for part, expected in ((WEIGHTS, card.sha256), (TOKENIZER, card.tokenizer_sha256)):
        if not (card.folder / part).is_file():
            raise UserError(f"Checkpoint {name!r} lacks its {part}; fetch it again.")
        found = sha256_of(card.folder / part)
        if found != expected:
            raise UserError(f"{part} of {name!r} has SHA-256 {found[:12]}…, its card says {expected[:12]}…; fetch it again.")
    return ClapEncoder(card.name, card.sha256, load_clap(card.folder))
