from pathlib import Path

import pytest
import torch

from clap.errors import UserError
from clap.model.ced import Ced
from clap.train import ced as training
from clap.train.teacher import Teacher, load_teacher, soft_targets

CLASSES = ("dog", "rain")
PLAN = training.CedTraining(epochs=2, batch=4, pool_share=0.0)


class Sure:
    """A teacher with a fixed opinion, which remembers what it was given."""

    def __init__(self, logits):
        self.logits, self.heard = torch.tensor(logits), []

    def tag(self, logmel):
        self.heard.append(logmel)
        return self.logits.expand(len(logmel), -1)


def data(count=8):
    logmels = [torch.randn(64, 96, generator=torch.Generator().manual_seed(n)).half() for n in range(count)]
    return training.Tagged(logmels, torch.eye(2).repeat(count // 2, 1), CLASSES)


def test_any_length_gives_one_row_of_classes():
    teacher = Teacher(4, 2).eval()
    assert teacher.tag(torch.randn(3, 64, 496)).shape == teacher.tag(torch.randn(3, 64, 31)).shape == (3, 2)


def test_a_short_loud_event_is_not_averaged_away():
    """The maximum over time keeps an event that lasts a twentieth of the clip."""
    torch.manual_seed(0)
    teacher = Teacher(4, 2).eval()
    silence = torch.full((1, 64, 960), -80.0)
    event = silence.clone()
    event[..., 480:528] = 20.0
    doubled = torch.cat([event, silence], dim=-1)
    mean_alone = (teacher.tag(event) - teacher.tag(silence)).abs().max()
    assert (teacher.tag(doubled) - teacher.tag(silence)).abs().max() > 0.6 * mean_alone > 0


def test_soft_targets_are_the_mean_of_the_teachers_probabilities():
    soft = soft_targets([Sure([0.0, 0.0]), Sure([100.0, 0.0])], torch.zeros(3, 64, 32))
    assert torch.allclose(soft, torch.tensor([[0.75, 0.25]]).expand(3, 2))


def test_student_and_teacher_hear_the_same_and_the_teacher_has_its_weight(monkeypatch):
    teacher, spectrograms = Sure([100.0, 0.0]), torch.randn(4, 64, 32)
    seen = {}
    monkeypatch.setattr(training.F, "cross_entropy", lambda logits, targets, label_smoothing: seen.update(t=targets, s=label_smoothing))
    student = Sure([0.0, 0.0])
    training.tagging_loss(student, spectrograms, torch.tensor([[0.0, 1.0]]).repeat(4, 1), PLAN, [teacher])
    assert torch.allclose(seen["t"], torch.tensor([[0.7, 0.3]]).repeat(4, 1)) and seen["s"] == 0
    assert torch.equal(teacher.heard[0], student.heard[0])


def test_a_trained_teacher_comes_back_and_a_student_learns_from_it(tmp_path):
    torch.manual_seed(0)
    teacher = Teacher(4, 2)
    training.fit(teacher, data(), 8, data(4), PLAN, tmp_path / "teacher")
    loaded = load_teacher(tmp_path / "teacher", CLASSES)
    assert torch.allclose(loaded.tag(torch.ones(1, 64, 96)), teacher.eval().tag(torch.ones(1, 64, 96)), atol=1e-5)
    torch.manual_seed(0)
    from clap.config import CedConfig

    student = Ced(CedConfig(embed_dim=24, depth=1, num_heads=2, outputdim=2))
    before = {key: value.clone() for key, value in student.state_dict().items()}
    training.fit(student, data(), 8, data(4), PLAN, tmp_path / "student", [loaded])
    assert not torch.equal(before["outputlayer.1.weight"], student.state_dict()["outputlayer.1.weight"])


def test_a_teacher_of_other_classes_and_a_missing_one_are_sentences(tmp_path):
    training.fit(Teacher(4, 2), data(), 8, data(4), training.CedTraining(epochs=1, batch=4, pool_share=0.0), tmp_path)
    with pytest.raises(UserError, match="other classes"):
        load_teacher(tmp_path, ("cat", "rain"))
    with pytest.raises(UserError, match="clap.train teacher"):
        load_teacher(Path(tmp_path / "none"), CLASSES)
