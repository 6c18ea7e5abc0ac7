"""MS-CLAP through the package msclap (Elizalde et al. 2023). It knows English only and takes 7 s (2022: 5 s) at 44.1 kHz.

The package reads files and cuts a random window out of longer ones. Here the package's model gets the samples, longer
clips window by window, so the same clip gives the same vector. Two habits of the package are kept: a shorter clip is
repeated until it fills the window, and an exclamation mark in a caption counts as padding in version 2023.
The package takes the text tower's shape from the hub ("gpt2"; 2022: "bert-base-uncased"), or from the hub's cache.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap.errors import UserError
from clap.languages import ENGLISH
from clap.systems.common import INSTALL, UNREADABLE, Adapter, load_package, read_checkpoint, require_learned, unreadable

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "MS-CLAP"
VERSIONS = ("2022", "2023")


class MsClap(Adapter):
    """The package's CLAP as an Encoder."""

    title, languages = TITLE, (ENGLISH,)

    def __init__(self, name: str, wrapper: Any) -> None:
        self.wrapper, settings = wrapper, wrapper.args
        super().__init__(name, wrapper.clap, settings.d_proj, settings.sampling_rate, settings.duration)
        self.max_tokens, self.ending = settings.text_len, " <|endoftext|>" if "gpt" in settings.text_model else ""

    def embed_window(self, samples: np.ndarray) -> Tensor:
        """See Adapter; a shorter window is repeated until it is full."""
        import torch

        full = np.resize(samples, round(self.window_seconds * self.rate_hz))
        return self.model.audio_encoder(torch.from_numpy(full)[None])[0][0]

    def embed_captions(self, captions: Sequence[str], language: str) -> Tensor:
        """See Adapter; longer captions, on which the package itself fails, keep their last token."""
        ids = self.wrapper.tokenizer([caption + self.ending for caption in captions], verbose=False)["input_ids"]
        return self._embed_tokens(ids, self.model.caption_encoder)


def load(name: str, source: str) -> MsClap:
    """The model of a weights file, of a folder with one, or of a version; see `clap.systems.load`."""
    with warnings.catch_warnings():  # the package silences all warnings of the process when it is imported
        package = load_package("msclap", TITLE, f"{INSTALL} and then pip install --no-deps msclap==1.3.4")
    path = _weights_file(package.CLAP, source)
    state = read_checkpoint(path, TITLE)["model"]
    version = "2023" if any(key.startswith("audio_encoder.base.htsat.") for key in state) else "2022"
    try:
        wrapper = package.CLAP(model_fp=path, version=version, use_cuda=False)
    except UNREADABLE as error:
        raise unreadable(TITLE, source, error) from error
    require_learned(wrapper.clap, set(wrapper.clap.state_dict()) - set(state), TITLE, path.name)
    return MsClap(name, wrapper)


def _weights_file(wrapper: Any, source: str) -> Path:
    """The weights of a source: a file here, the one `.pth` of a folder here, in the hub's cache, or on the hub."""
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        return _only(path)
    if source not in VERSIONS:
        raise UserError(f"There is no {TITLE} {source!r}; name {' or '.join(VERSIONS)}, a folder or a file.")
    return _fetch(wrapper.model_repo, wrapper.model_name[source])


def _only(folder: Path) -> Path:
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise UserError(f"{folder.name} holds {len(found)} .pth files, a folder of {TITLE} holds one; name the file.")
    return found[0]


def _fetch(repository: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except OSError:
        try:
            return Path(hf_hub_download(repository, file))
        except UNREADABLE as error:
            raise unreadable(TITLE, f"{repository}/{file}", error) from error
