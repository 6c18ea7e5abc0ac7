"""GLAP through the package glap-model (Dinkel et al. 2025): Dasheng and SONAR at 16 kHz, in SONAR's languages.

Dasheng takes clips of any length itself, chunk by chunk. Building the model takes three files, which the package fetches
where a folder lacks them: GLAP's checkpoint, Dasheng's (its weights are replaced by GLAP's) and SONAR's tokenizer.
The package opens checkpoints with code in them; here they are opened as data, and the model is built from their configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap.audio import SAMPLE_RATE_HZ
from clap.errors import UserError
from clap.languages import CODES
from clap.model.batching import equal_length_batches
from clap.systems.common import TEXT_BATCH_TOKENS, UNREADABLE, Adapter, load_package, read_checkpoint, unreadable
from clap.weights import load_strictly

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "GLAP"
CHECKPOINT, DASHENG, TOKENIZER = "glap_checkpoint.pt", "dasheng_base.pt", "sentencepiece.source.256000.model"
"""The files under their released names."""


class Glap(Adapter):
    """The package's GLAP as an Encoder."""

    title, languages = TITLE, CODES

    def __init__(self, name: str, model: Any) -> None:
        super().__init__(name, model, model.embed_size, SAMPLE_RATE_HZ, None)
        self.max_tokens = model.text_encoder.max_seq_len

    def embed_window(self, samples: np.ndarray) -> Tensor:
        """See Adapter; the whole clip."""
        import torch

        return self.model.encode_audio(torch.from_numpy(samples)[None])[0]

    def embed_captions(self, captions: Sequence[str], language: str) -> Tensor:
        """See Adapter; the package cuts captions at the end."""
        import torch

        tokenize = self.model.text_encoder.tokenizer.create_encoder(lang=language)
        tokens = [tokenize(caption) for caption in captions]
        self.truncated += sum(len(ids) > self.max_tokens for ids in tokens)
        rows = torch.zeros(len(captions), self.dim)
        for batch in equal_length_batches(tokens, TEXT_BATCH_TOKENS):
            rows[batch] = self.model.encode_text([captions[position] for position in batch], source_lang=language)
        return rows


def load(name: str, source: str) -> Glap:
    """The model of a checkpoint file, of a folder with the three files, or the released one, "glap"; see `clap.systems.load`."""
    models = load_package("glap_model.models", TITLE)
    path = _checkpoint_file(source)
    data = read_checkpoint(path, TITLE)
    try:
        model = models.GLAP(**_local(data["config"]["model_args"], path.parent))
    except UNREADABLE as error:
        raise unreadable(TITLE, source, error) from error
    load_strictly(model, data["model"], path.name)
    return Glap(name, model)


def _local(model_args: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The package's arguments for a model, with the files that lie beside the checkpoint."""
    found = {key: {**model_args.get(key, {})} for key in ("audio_encoder_args", "text_encoder_args")}
    for key, option, file in (("audio_encoder_args", "path", DASHENG), ("text_encoder_args", "tokenizer_path", TOKENIZER)):
        if (folder / file).is_file():
            found[key][option] = str(folder / file)
    return {**model_args, **found}


def _checkpoint_file(source: str) -> Path:
    """The checkpoint of a source: a file here, in a folder here, in torch's cache, or fetched into that."""
    path = Path(source)
    if path.is_file():
        return path
    if path.is_dir():
        if not (path / CHECKPOINT).is_file():
            raise UserError(f"{path.name} lacks {CHECKPOINT}; name a folder that holds it, or the file.")
        return path / CHECKPOINT
    from glap_model.pretrained.pretrained import PRETRAINED_CHECKPOINTS

    if source not in PRETRAINED_CHECKPOINTS:
        raise UserError(f"There is no {TITLE} {source!r}; name {' or '.join(PRETRAINED_CHECKPOINTS)}, a folder or a file.")
    return _fetch(PRETRAINED_CHECKPOINTS[source])


def _fetch(address: str) -> Path:
    """The released checkpoint where the package itself keeps it."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / CHECKPOINT
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(path))
        except UNREADABLE as error:
            raise unreadable(TITLE, address, error) from error
    return path
