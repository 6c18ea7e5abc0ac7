"""Tiny models of the real classes, for the tests of models and training. Loaded as a pytest plugin; imports late."""

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory):
    """A SentencePiece model trained here and now on the lexicon."""
    from clap.languages import CODES
    from clap.model import sonar
    from clap.presets import sonar_compact
    from clap.train.sonar import train_tokenizer

    path = tmp_path_factory.mktemp("tokenizer") / "sentencepiece.model"
    train_tokenizer(path, sonar_compact().vocab_size - 1 - len(CODES) - sonar.CONTROL_TOKENS)
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file):
    """The tokenizer over it."""
    from clap.model import sonar

    return sonar.load_tokenizer(tokenizer_file)


@pytest.fixture(scope="session")
def tiny_text():
    """A SONAR of width 48 that takes 20 tokens (and the one that its positions add)."""
    from clap.presets import sonar_compact

    return replace(sonar_compact(), model_dim=48, num_encoder_layers=2, num_decoder_layers=1, ffn_inner_dim=96, max_seq_len=20)


@pytest.fixture(scope="session")
def tiny(tiny_text):
    """A CLAP of two layers a tower."""
    from clap.presets import compact

    small = compact()
    audio = replace(small.audio, embed_dim=48, depth=2, drop_path=0.0, time_patch_dropout=0.0)
    return replace(small, audio=audio, text=tiny_text, joint_dim=32)
