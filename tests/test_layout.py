"""The import rules: app -> clap.ui and eval.dashboard; eval -> clap; clap never eval; heavy libraries where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "clap").rglob("*.py")), *sorted((ROOT / "eval").rglob("*.py"))]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if path.name not in ("__init__.py", "__main__.py")]


def imports(path):
    """The dotted names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def users(library):
    """The files that import a library, relative to the root."""
    return {path.relative_to(ROOT).as_posix() for path in SOURCES if any(name.split(".")[0] == library for name in imports(path))}


def test_clap_never_imports_eval():
    assert not [path for path in users("eval") if path.startswith("clap/")]


def test_gradio_stays_in_the_interface():
    assert all(path == "app.py" or path.startswith("clap/ui/") or path == "eval/dashboard/page.py" for path in users("gradio"))


def test_faiss_has_one_user():
    assert users("faiss") == {"clap/index.py"}


def test_evaluation_knows_no_model():
    assert "torch" not in {name for path in SOURCES if path.parts[-2] in ("eval", "dashboard") for name in imports(path)}
    assert not [path for path in SOURCES if "eval" in path.parts and any(name.startswith("clap.model") for name in imports(path))]


def test_every_requirement_is_used():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if "==" in line}
    named = {
        "sonar-space": "sonar",
        "faiss-cpu": "faiss",
        "lingua-language-detector": "lingua",
        "pillow": "PIL",
        "lightning-fabric": "lightning_fabric",
    }
    only_pins = {"fairseq2n", "huggingface_hub", "brotli"}
    assert {name for name in pinned - only_pins if not users(named.get(name, name))} == set()


@pytest.mark.parametrize("part", [("clap.",), ("eval.",)])
def test_importing_loads_nothing_heavy(part):
    """No module outside the model, training and interface pulls in torch, sonar, gradio or faiss merely by being imported."""
    heavy = ("clap.model", "clap.train", "clap.ui", "clap.index", "clap.search", "eval.dashboard.page")
    light = [name for name in MODULES if name.startswith(part) and not name.startswith(heavy)]
    code = f"import sys, importlib; [importlib.import_module(n) for n in {light!r}]; print([m for m in ('torch','sonar','gradio','faiss') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]" and light
