import sys

import pytest
import torch

from clap.config import BertConfig
from clap.errors import UserError
from clap.languages import ENGLISH
from clap.model.bert import BertTower, build_encoder, load_tokenizer
from clap.presets import bert_base

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "bark", "##s", "rain", "falls"]
CLS, SEP, DOG = 2, 3, 6
TINY = BertConfig(model_dim=32, num_layers=2, num_heads=4, ffn_inner_dim=64, max_seq_len=12, vocab_size=len(VOCABULARY))


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    path = tmp_path_factory.mktemp("bert") / "vocab.txt"
    path.write_text("\n".join(VOCABULARY) + "\n")
    return path


@pytest.fixture(scope="module")
def words(vocabulary):
    return load_tokenizer(vocabulary, TINY)


@pytest.fixture(scope="module")
def tower():
    torch.manual_seed(0)
    return BertTower(TINY).eval()


def test_the_preset_is_bert_base_uncased():
    from transformers import BertConfig as Theirs
    from transformers import BertModel

    with torch.device("meta"):
        theirs, ours = BertModel(Theirs(), add_pooling_layer=False), build_encoder(bert_base())
    assert repr(ours) == repr(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}


def test_both_files_of_a_tokenizer_read_alike(words, tmp_path):
    words.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    again = load_tokenizer(tmp_path / "tokenizer.json", TINY)
    texts = ["A dog barks", "", "rain falls"]
    assert again(texts)["input_ids"] == words(texts)["input_ids"] == [[CLS, 5, DOG, 7, 8, SEP], [CLS, SEP], [CLS, 9, 10, SEP]]


def test_long_captions_keep_their_last_token(tower, words):
    ids, cut = tower.tokenize(words, ["dog " * 20, "a dog", "dog " * 10], ENGLISH)
    assert ids[0].tolist() == [CLS, *[DOG] * 10, SEP] == ids[2].tolist() and ids[1].tolist() == [CLS, 5, DOG, SEP]
    assert cut == 1 and all(row.dtype == torch.int64 for row in ids)
    assert tower.tokenize(words, [], ENGLISH) == ([], 0)


@torch.inference_mode()
def test_the_vector_is_that_of_cls_and_nothing_of_the_batch(tower, words):
    ids, _ = tower.tokenize(words, ["a dog barks", "rain", "a dog barks rain falls"], ENGLISH)
    together = tower.encode(ids)
    alone = [tower.model(input_ids=row[None]).last_hidden_state[0, 0] for row in ids]
    assert together.shape == (3, 32) and torch.allclose(together, torch.stack(alone), atol=1e-6)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_everything_but_unseen_rows_learns(words):
    torch.manual_seed(0)
    tower = BertTower(TINY).train()
    ids, _ = tower.tokenize(words, ["a dog barks", "rain falls"], ENGLISH)
    (tower.encode(ids) * torch.linspace(-1, 1, 32)).sum().backward()
    still = {name for name, value in tower.named_parameters() if value.grad is None or not value.grad.any()}
    assert still == set()


@pytest.mark.parametrize(("name", "data", "told"), [
    ("vocab.txt", b"[PAD]\n[UNK]\n", "has 5 tokens, its model 11"), ("vocab.txt", b"\xff", "is no tokenizer"),
    ("tokenizer.json", b"{}", "is no tokenizer"), ("tokenizer.json", b"{", "is no tokenizer"),
])  # fmt: skip
def test_a_broken_or_foreign_tokenizer_is_told(name, data, told, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=f"{name} {told}"):
        load_tokenizer(tmp_path / name, TINY)


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="needs the package transformers.*pip install"):
        build_encoder(TINY)
