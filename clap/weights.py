"""Weights on disk: safetensors with the configuration inside, mapped into memory and loaded strictly."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from clap.config import ClapConfig, from_dict, to_dict
from clap.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clap.model.clap import Clap

WEIGHTS, TOKENIZER = "model.safetensors", "sentencepiece.model"
WORD_PIECES = ("tokenizer.json", "vocab.txt")
"""BERT's tokenizer, as one file or the other; SONAR's is TOKENIZER."""
STORED = ("float32", "float16", "bfloat16")
CODES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
"""The format's names for types of numbers."""
ALIGNMENT = 64
"""Bytes that torch's own allocations are multiples of."""
Config = TypeVar("Config")


def save_weights(path: Path, state: Mapping[str, Tensor], config: Any, dtype: str = "float32") -> Path:
    """Write a state dict as safetensors with its configuration inside, through a temporary name; float32 matrices are stored as `dtype`.

    Vectors keep their type: they take no room, and a rounded window of the Fourier transform blurs every spectrum.
    Raises UserError for another dtype and when the file cannot be written; what stood under `path` is then still there.
    """
    if dtype not in STORED:
        raise UserError(f"Weights are stored as {', '.join(STORED)}, not {dtype!r}.")
    partial = path.with_suffix(".part")
    try:
        with partial.open("wb") as file:
            _write_safetensors(file, state, dtype, {"config": json.dumps(to_dict(config))})
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{path} could not be written ({error.strerror}); nothing was changed.") from error
    return path


def _write_safetensors(file: BinaryIO, state: Mapping[str, Tensor], dtype: str, metadata: dict[str, str]) -> None:
    """The safetensors format: the header's length, the header, the tensors without gaps, one at a time so that memory stays bounded.

    Unlike the library's own writer this puts odd sizes last, so that every large tensor, when it is mapped, lies as evenly as one
    in memory: elsewhere the kernels add up in another order, and results differ in the last bit.
    """
    import torch

    small = getattr(torch, dtype)
    stored = {key: small if value.dtype == torch.float32 and value.dim() > 1 else value.dtype for key, value in state.items()}
    sizes = {key: value.numel() * stored[key].itemsize for key, value in state.items()}
    order, header, end = sorted(state, key=lambda key: (sizes[key] % ALIGNMENT != 0, key)), {"__metadata__": metadata}, 0
    for key in order:
        start, end = end, end + sizes[key]
        code = CODES[str(stored[key]).removeprefix("torch.")]
        header[key] = {"dtype": code, "shape": list(state[key].shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for key in order:
        file.write(state[key].detach().cpu().to(stored[key]).contiguous().reshape(-1).view(torch.uint8).numpy())


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors, mapped from the file and read when they are used, and metadata; raises UserError for a file that is cut short."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in list(file.keys())}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path.name} cannot be read as safetensors ({error}); fetch or train it again.") from error


def load_weights(path: Path, kind: type[Config]) -> tuple[dict[str, Tensor], Config]:
    """A state dict in float32 and its configuration; raises UserError for a file that is cut short or holds no configuration.

    Tensors stored as float32 stay mapped from the file: memory is taken when they are used, and shared by all who map it.
    """
    import torch

    state, metadata = read_safetensors(path)
    if "config" not in metadata:
        raise UserError(f"{path.name} holds no configuration, so the model it belongs to is unknown.")
    small = (torch.float16, torch.bfloat16)
    full = {key: _widened(path, key) if value.dtype in small else value for key, value in state.items()}
    return full, _config(metadata["config"], kind, path.name)


def _config(text: str, kind: type[Config], name: str) -> Config:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise UserError(f"The configuration in {name} is no JSON ({error}); fetch or train it again.") from error
    if not isinstance(data, dict):
        raise UserError(f"The configuration in {name} must be an object, got {data!r}; fetch or train it again.")
    return from_dict(kind, data)


def _widened(path: Path, key: str) -> Tensor:
    """One tensor in float32. The file is mapped anew for it, so that what was read of it does not stay in memory."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return file.get_tensor(key).float()


def tokenizer_in(folder: Path) -> Path | None:
    """The tokenizer's file in the folder of a checkpoint or run, of whichever text encoder; None when there is none."""
    return next((folder / name for name in (TOKENIZER, *WORD_PIECES) if (folder / name).is_file()), None)


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a model's state, in hexadecimal."""
    import torch

    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules built here, in this thread, have parameters that hold no memory and no values; buffers are made as always."""
    from torch import nn
    from torch.nn.modules.module import register_module_parameter_registration_hook

    owner = threading.get_ident()

    def emptied(module: nn.Module, name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or parameter.is_meta or threading.get_ident() != owner:
            return None
        return nn.Parameter(parameter.to("meta"), parameter.requires_grad)

    handle = register_module_parameter_registration_hook(emptied)
    try:
        yield
    finally:
        handle.remove()


def load_strictly(model: nn.Module, state: dict[str, Tensor], name: str, assign: bool = False) -> None:
    """Load a state dict whose keys and shapes must be the model's; raises UserError naming what does not fit.

    With `assign` the model takes the tensors themselves, mapped ones as well, instead of copying their values.
    """
    wanted = model.state_dict()
    wrong = sorted(set(wanted) ^ set(state)) or sorted(key for key in wanted if wanted[key].shape != state[key].shape)
    if wrong:
        raise UserError(f"The weights of {name!r} do not fit their configuration: {len(wrong)} keys differ, the first {wrong[0]}.")
    model.load_state_dict(state, assign=assign)


def load_clap(folder: Path) -> tuple[Clap, Any]:
    """Model in evaluation mode and tokenizer of a checkpoint folder; every key must fit. The weights stay mapped from the file."""
    from clap.model.clap import Clap
    from clap.model.towers import load_text_tokenizer

    state, config = load_weights(folder / WEIGHTS, ClapConfig)
    try:
        with without_memory():
            model = Clap(config)
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"The configuration in {folder.name} makes no model ({error}); fetch or train it again.") from error
    load_strictly(model, state, folder.name, assign=True)
    return model.eval(), load_text_tokenizer(config.text, folder)
