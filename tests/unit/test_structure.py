"""How the two packages hang together, read from their imports."""

import ast
import subprocess
import sys
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [(folder, path) for folder in (ROOT, ROOT / "book") for path in sorted(folder.glob("gam*/**/*.py"))]
MODULES = {
    ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path for folder, path in FILES
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def imported(name: str) -> set[str]:
    """Modules of the two packages that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return (found & set(MODULES)) - {name}


def test_gamlib_knows_nothing_of_the_book():
    used = {name: [other for other in imported(name) if other.startswith("gambook")] for name in MODULES}
    assert {name: others for name, others in used.items() if name.startswith("gamlib") and others} == {}


def test_no_module_imports_itself_through_others():
    # a package stands for its face, which its own modules do not import
    graph = {name: {other for other in imported(name) if not name.startswith(f"{other}.")} for name in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)  # CycleError names the circle


def defined(tree: ast.Module) -> list[str]:
    """Names that a module binds at its top, but for those it imports."""
    found = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        parts = (part for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
        found += [part.id for part in parts if isinstance(part.ctx, ast.Store)]
    return found


def test_a_public_name_stands_in_one_module():
    homes = defaultdict(set)
    for module, tree in TREES.items():
        for name in defined(tree):
            homes[name].add(module)
    several = {name: modules for name, modules in homes.items() if len(modules) > 1 and not name.startswith("_")}
    assert several == {}


def test_maps_and_figures_need_no_zoo_of_networks():
    # with timm comes torchvision, and seconds
    code = "import sys, gamlib.plots, gamlib.traces; print({'timm', 'torchvision'} & {*sys.modules})"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
