"""Foreign weights: files that others released, opened as data only and turned into ours, every key accounted for.

Importing this loads nothing; torch is imported where weights are read.
"""

from __future__ import annotations

import json
import pickle
import re
import shutil
import zipfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clap.checkpoints import CARD, OWN, require_name
from clap.config import CedConfig, ClapConfig, SonarConfig
from clap.errors import UserError
from clap.languages import CODES, get_language
from clap.presets import PRESETS, preset
from clap.weights import STORED, TOKENIZER, WEIGHTS, read_safetensors, save_weights, sha256_of, without_memory

if TYPE_CHECKING:
    from torch import Tensor, nn

CONTAINERS = ("model", "state_dict")
"""Names under which training scripts keep the weights beside their own state."""
PARALLEL = "module."
"""What torch's data-parallel wrapper puts before every name."""


def read_foreign(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or of one that torch saved (`.pt`, `.pth`, `.bin`), mapped from it, on the CPU.

    Nothing in the file is ever executed: one that holds more than data is refused. Raises UserError for that, for a file that is
    missing, cut short or something else, and for one whose content is no state dict.
    """
    if not path.is_file():
        raise UserError(f"There is no file {str(path)!r}; give the checkpoint's path.")
    return unwrap(read_safetensors(path)[0] if path.suffix == ".safetensors" else read_pickle(path), path.name)


def read_pickle(path: Path, allowed: Sequence[type] = ()) -> Any:
    """What torch saved, mapped from the file, on the CPU: tensors, plain data and the types `allowed`; see read_foreign for refusals."""
    import torch

    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code:
            raise UserError(f"{path.name} holds code ({code[1]}), not only weights; it is refused and nothing in it was run.") from error
        raise UserError(f"{path.name} is cut short or no checkpoint of torch; fetch it again.") from error
    except Exception as error:  # damage shows itself in many ways, a random byte being an instruction to the unpickler
        raise UserError(f"{path.name} is cut short or no checkpoint of torch; fetch it again.") from error


def unwrap(data: Any, name: str) -> dict[str, Tensor]:
    """The state dict within nested containers and without the data-parallel prefix; raises UserError where there is none."""
    from torch import Tensor

    while inner := next((data[key] for key in CONTAINERS if isinstance(data, Mapping) and isinstance(data.get(key), Mapping)), None):
        data = inner
    if not isinstance(data, Mapping) or not data or not all(isinstance(value, Tensor) for value in data.values()):
        raise UserError(f"{name} holds no state dict, a table of named tensors, by itself or under {' or '.join(CONTAINERS)}.")
    if all(key.startswith(PARALLEL) for key in data):
        return {key.removeprefix(PARALLEL): value for key, value in data.items()}
    return dict(data)


def ced_state(state: Mapping[str, Tensor], config: CedConfig) -> dict[str, Tensor]:
    """Ours from CED's released names, or from the hub's, which put the encoder under `encoder.` and leave out the front end.

    The front end's window and filterbank are then computed. The time positions are resized to the configuration's chunk length.
    Raises UserError when keys or shapes are not the configuration's.
    """
    from clap.model.ced import Ced, resize_time_positions

    wanted, named = _blank(Ced, config), {_ced_name(key): value for key, value in state.items()}
    if len(named) < len(state):
        raise UserError(f"The weights of CED hold {len(state) - len(named)} keys twice, with and without 'encoder.' before them.")
    front_end = {key for key in wanted if key.startswith("front_end.")}
    if not front_end & named.keys():
        named |= {key: wanted[key] for key in front_end}
    positions = named.get("time_pos_embed")
    if positions is not None and positions.shape[:3] == (1, config.embed_dim, 1):
        named["time_pos_embed"] = resize_time_positions(positions, config.target_frames // config.patch)
    return _fitted(named, wanted, "CED")


def _ced_name(key: str) -> str:
    name = key.removeprefix("encoder.")
    return name.replace("init_bn.", "init_bn.1.", 1) if re.match(r"init_bn\.(?!1\.)", name) else name


def ml_clap_state(state: Mapping[str, Tensor], config: ClapConfig) -> dict[str, Tensor]:
    """Ours from a released ML-CLAP's, whose names are the same: both towers, both projections, the temperature as `()` or `(1,)`.

    Raises UserError when keys or shapes are not the configuration's. No surplus is tolerated: the paper's own code loads these
    files strictly, so they hold CED's tagging head and its front end as ours do, and nothing else.
    """
    from clap.model.clap import Clap

    single = {key: value.reshape(()) for key, value in state.items() if key == "temperature" and value.numel() == 1}
    return _fitted({**state, **single}, _blank(Clap, config), "ML-CLAP")


def _blank(kind: type[nn.Module], config: Any) -> dict[str, Tensor]:
    """Names, shapes and types of a model's weights; only buffers have values."""
    with without_memory():
        return kind(config).state_dict()


def _fitted(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], what: str) -> dict[str, Tensor]:
    """`state` in the order and types of `wanted`; raises UserError saying how many keys are unknown, missing or of another shape."""
    shapes = {key for key in state.keys() & wanted.keys() if state[key].shape != wanted[key].shape}
    faults = {"unknown": state.keys() - wanted.keys(), "missing": wanted.keys() - state.keys(), "of another shape": shapes}
    told = [f"{len(keys)} keys {fault}, the first {min(keys)}" for fault, keys in faults.items() if keys]
    if told:
        raise UserError(f"The weights are not those of this {what}: {'; '.join(told)}.")
    return {key: state[key].detach().to(value.dtype) for key, value in wanted.items()}


def convert(source: Path, preset_name: str, out_folder: Path, dtype: str = "float32") -> str:
    """Write a foreign file's weights to `out_folder/model.safetensors`, the preset's configuration inside; returns their SHA-256.

    `dtype` is how they are stored; they are always computed with as float32. Raises UserError as `read_foreign`, `ced_state`,
    `ml_clap_state` and `save_weights` do, and for a preset that no foreign weights are known for.
    """
    config = preset(preset_name)
    if not isinstance(config, CedConfig | ClapConfig):
        known = ", ".join(name for name in PRESETS if isinstance(preset(name), CedConfig | ClapConfig))
        raise UserError(f"No foreign weights are known for preset {preset_name!r}; it must be one of {known}.")
    state = read_foreign(source)
    fitted = ced_state(state, config) if isinstance(config, CedConfig) else ml_clap_state(state, config)
    try:
        out_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out_folder} cannot be a checkpoint's folder ({error}); name another.") from error
    return sha256_of(save_weights(out_folder / WEIGHTS, fitted, config, dtype))


def convert_folder(args: Namespace) -> None:
    """Make a checkpoint folder of a foreign file: weights, tokenizer and card."""
    config, out = preset(args.preset), args.out
    tokenizer_sha256 = ""
    if isinstance(config, ClapConfig):
        require_tokenizer(args.tokenizer, config)
        require_name(out.resolve().name)
    languages = [get_language(code).code for code in args.languages] if isinstance(config, ClapConfig) else []
    sha256 = convert(args.source, args.preset, out, args.dtype)
    if isinstance(config, ClapConfig):
        if args.tokenizer.resolve() != (out / TOKENIZER).resolve():
            shutil.copyfile(args.tokenizer, out / TOKENIZER)
        tokenizer_sha256 = sha256_of(out / TOKENIZER)
    made = {"command": f"python -m clap convert {args.source.name} --preset {args.preset}", "source_sha256": sha256_of(args.source)}
    card = {
        "name": out.resolve().name, "title": args.title or args.source.stem, "kind": OWN if isinstance(config, ClapConfig) else config.kind,
        "languages": languages, "licence": args.licence, "trained_on": args.trained_on, "made": made,
        "sha256": sha256, "tokenizer_sha256": tokenizer_sha256,
    }  # fmt: skip
    (out / CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def require_tokenizer(path: Path | None, config: ClapConfig) -> None:
    """Raise UserError unless `path` is the SentencePiece file of the text tower of `config`."""
    from clap.model import sonar

    if not isinstance(config.text, SonarConfig):
        raise UserError("Only checkpoints with a SONAR text tower can be converted by this command.")
    if path is None or not path.is_file():
        raise UserError("This preset needs --tokenizer FILE, the SentencePiece model of its text tower.")
    size = sonar.load_tokenizer(path, config.text.token_languages).vocab_info.size
    if size != config.text.vocab_size:
        raise UserError(f"{path.name} makes a vocabulary of {size}, the preset's has {config.text.vocab_size}; give the model's own.")


def add_parser(commands: Any) -> None:
    """The `convert` subcommand of `python -m clap`."""
    parser = commands.add_parser("convert", help="make a checkpoint folder of weights that others released")
    parser.add_argument("source", type=Path, help="a .pt, .pth, .bin or .safetensors file")
    parser.add_argument("--preset", required=True, help="the model that it holds, such as ml-clap or ced-base")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--licence", required=True, help="of the weights")
    parser.add_argument("--title", help="the file's name by default")
    parser.add_argument("--trained-on", default="not stated")
    parser.add_argument("--languages", nargs="+", default=list(CODES), metavar="CODE", help="of its training captions; all by default")
    parser.add_argument("--tokenizer", type=Path, metavar="FILE", help="the SentencePiece model of a CLAP's text tower")
    parser.add_argument("--dtype", choices=STORED, default="float32", help="how the weights are stored")
    parser.set_defaults(run=convert_folder)
