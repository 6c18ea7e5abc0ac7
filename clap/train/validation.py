"""What chooses among epochs: mAP@10 from text to audio on a data set held back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from clap.data.records import Dataset
from clap.errors import UserError
from clap.model.clap import Clap

Validation = Callable[[Clap], dict[str, float]]
"""A model in evaluation mode -> named figures; the trainer keeps the weights with the best `score` among them."""


def map10(scores: Tensor, relevant: Tensor) -> float:
    """mAP@10 of queries with one relevant clip each: the mean of 1 / rank, and of 0 beyond rank 10.

    `scores` is `(queries, clips)`, `relevant` `(queries,)` the clip of each. A clip of equal score ranks before the relevant one.
    """
    rank = (scores >= scores.gather(1, relevant[:, None])).sum(dim=1)
    return float(torch.where(rank <= 10, 1 / rank, 0.0).mean())


def validation_on(dataset: Dataset, tokenizer: Any, waveforms: Sequence[Tensor], languages: Sequence[str]) -> Validation:
    """mAP@10 in every language that the model knows and `dataset` has; the score is the mean over `languages`, those trained on.

    `waveforms` are those of the data set's clips, in order. Raises UserError when none of `languages` has captions.
    """
    row = {clip.id: index for index, clip in enumerate(dataset.clips)}
    there = {caption.language for caption in dataset.captions}
    judged = [code for code in languages if code in there]
    if not judged:
        raise UserError(f"{dataset.name} has no captions in {', '.join(languages)} to choose among epochs by; give other --validation.")

    @torch.inference_mode()
    def validate(model: Clap) -> dict[str, float]:
        device = model.temperature.device
        audio = torch.cat([model.encode_waveforms([waveform.to(device)]) for waveform in waveforms])
        figures = {}
        for code in (code for code in model.text_encoder.languages if code in there):
            captions = dataset.captions_in(code)
            ids, _ = model.tokenize(tokenizer, [caption.text for caption in captions], code)
            text = torch.cat([model.encode_tokens(ids[start : start + 64]) for start in range(0, len(ids), 64)])
            figures[code] = map10(text @ audio.T, torch.tensor([row[caption.clip] for caption in captions], device=device))
        return {**figures, "score": sum(figures[code] for code in judged) / len(judged)}

    return validate
