"""BERT as a text tower, through transformers (Devlin et al. 2019; the paper's Table 3). It knows English only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clap.config import BertConfig
from clap.errors import UserError
from clap.languages import ENGLISH


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError("BERT needs the package transformers, which is not installed; run pip install -r requirements.txt.") from error
    return transformers


def build_encoder(config: BertConfig) -> nn.Module:
    """A BERT encoder with fresh weights, without BERT's own pooler; raises UserError where transformers is missing."""
    library = _transformers()
    whole = library.BertConfig(
        vocab_size=config.vocab_size, hidden_size=config.model_dim, num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads, intermediate_size=config.ffn_inner_dim, max_position_embeddings=config.max_seq_len,
        hidden_dropout_prob=config.dropout, attention_probs_dropout_prob=config.dropout,
    )  # fmt: skip
    return library.BertModel(whole, add_pooling_layer=False)


def load_tokenizer(path: Path, config: BertConfig) -> Any:
    """BERT's lower-casing tokenizer from its `tokenizer.json` or `vocab.txt`.

    Raises UserError for a file that is none, or one of another vocabulary than the configuration's.
    """
    source = "tokenizer_file" if path.suffix == ".json" else "vocab_file"
    maker = _transformers().BertTokenizerFast
    try:
        tokenizer = maker(**{source: str(path)})
    except Exception as error:  # the tokenizers library raises this very class for a file it cannot read
        raise UserError(f"{path.name} is no tokenizer of a BERT ({error}); fetch the checkpoint again.") from error
    if len(tokenizer) != config.vocab_size:
        raise UserError(f"{path.name} has {len(tokenizer)} tokens, its model {config.vocab_size}; fetch the checkpoint again.")
    return tokenizer


class BertTower(nn.Module):
    """BERT's last hidden state at [CLS]; `model` is transformers' own module. It trains whole, with the configuration's dropout."""

    languages = (ENGLISH,)

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.model, self.dim = build_encoder(config), config.model_dim
        self.max_tokens = config.max_seq_len

    def tokenize(self, tokenizer: Any, texts: Sequence[str], language: str = ENGLISH) -> tuple[list[Tensor], int]:
        """Token ids of each text, int64 `(S_i,)`, [CLS] first and [SEP] last, cut to `max_tokens`, and how many texts were cut."""
        if not texts:
            return [], 0
        ids = tokenizer(list(texts), verbose=False)["input_ids"]
        kept = [row if len(row) <= self.max_tokens else [*row[: self.max_tokens - 1], row[-1]] for row in ids]
        return [torch.tensor(row) for row in kept], sum(len(row) > self.max_tokens for row in ids)

    def encode(self, ids: Sequence[Tensor]) -> Tensor:
        """Token sequences, each `(S_i,)` -> `(N, dim)`; what fills up the shorter ones is not attended to."""
        lengths = torch.tensor([len(row) for row in ids])
        batch = nn.utils.rnn.pad_sequence(list(ids), batch_first=True, padding_value=self.model.config.pad_token_id)
        mask = (torch.arange(batch.shape[1]) < lengths[:, None]).long()
        device = next(self.parameters()).device
        return self.model(input_ids=batch.to(device), attention_mask=mask.to(device)).last_hidden_state[:, 0]
