"""LAION-CLAP through transformers' ClapModel (Wu et al. 2023). It knows English only and takes 10 s at 48 kHz.

Its feature extractor cuts a random stretch out of longer clips, and marks a random clip of a batch as long for models with
fusion. Here longer clips are embedded window by window and none is marked, so the same clip gives the same vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap.languages import ENGLISH
from clap.systems.common import UNREADABLE, Adapter, load_package, require_learned, unreadable

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "LAION-CLAP"


class LaionClap(Adapter):
    """A ClapModel and its ClapProcessor as an Encoder."""

    title, languages = TITLE, (ENGLISH,)

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.extractor, self.tokenizer = processor.feature_extractor, processor.tokenizer
        super().__init__(name, model, model.config.projection_dim, self.extractor.sampling_rate, self.extractor.max_length_s)
        text = model.config.text_config
        self.max_tokens = min(self.tokenizer.model_max_length, text.max_position_embeddings - text.pad_token_id - 1)

    def embed_window(self, samples: np.ndarray) -> Tensor:
        """See Adapter; a shorter window is repeated and filled up with zeros, as the feature extractor does."""
        import torch

        spectrogram = self.extractor(samples, sampling_rate=self.rate_hz, return_tensors="pt")["input_features"]
        return self.model.get_audio_features(input_features=spectrogram, is_longer=torch.zeros(1, 1, dtype=torch.bool))[0]

    def embed_captions(self, captions: Sequence[str], language: str) -> Tensor:
        """See Adapter; longer captions keep their last token."""
        ids = self.tokenizer(list(captions), verbose=False)["input_ids"]
        return self._embed_tokens(ids, lambda tokens: self.model.get_text_features(**tokens))


def load(name: str, source: str) -> LaionClap:
    """The model of a local folder or hub id; see `clap.systems.load`."""
    transformers = load_package("transformers", TITLE)
    from safetensors import SafetensorError

    try:
        model, found = _from_pretrained(transformers.ClapModel, source, output_loading_info=True)
        processor = _from_pretrained(transformers.ClapProcessor, source)
    except (*UNREADABLE, SafetensorError) as error:
        raise unreadable(TITLE, source, error) from error
    require_learned(model, {*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])}, TITLE, source)
    return LaionClap(name, model, processor)


def _from_pretrained(kind: Any, source: str, **options: Any) -> Any:
    """What lies in a folder or in the hub's cache, else what the hub has."""
    try:
        return kind.from_pretrained(source, local_files_only=True, **options)
    except OSError:
        if Path(source).is_dir():
            raise
        return kind.from_pretrained(source, **options)
