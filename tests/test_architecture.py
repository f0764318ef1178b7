"""The architecture is a test: floors, single homes, sizes. The floor map is ARCHITECTURE.md's table."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "modelspan"
FILES = sorted(SRC.rglob("*.py"))
UNSTABLE_LOGS = (
    "opentelemetry._logs",
    "opentelemetry.sdk._logs",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
)
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "joblib.load"}
MAX_FILE, MAX_FUNCTION, MAX_MEDIAN = 250, 40, 7


def floors():
    table = {}
    for floor, modules in re.findall(
        r"^\| (\d) \| (.*?) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE
    ):
        table.update({name.rstrip("/"): int(floor) for name in re.findall(r"`([\w/]+)`", modules)})
    return table


def name_of(path):
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def top(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def tree(path):
    return ast.parse(path.read_text(), filename=str(path))


def is_module(dotted):
    path = SRC.parent.joinpath(*dotted.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def imports(path):
    """Every module that a file imports anywhere, function bodies included, as dotted names."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
                home = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*home, base] if base else home)
            submodules = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else base for name in submodules)


def starts_with(module, *prefixes):
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def functions(path):
    return [n for n in ast.walk(tree(path)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def body_lines(function):
    body = function.body
    docstring = isinstance(body[0], ast.Expr) and isinstance(getattr(body[0], "value", None), ast.Constant)
    first = body[1] if docstring and len(body) > 1 else body[0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_every_module_stands_in_the_floor_table_and_every_row_exists():
    present = {top(name_of(path)) for path in FILES}
    assert present <= set(floors()), f"not in ARCHITECTURE.md: {present - set(floors())}"
    assert set(floors()) <= present, f"in ARCHITECTURE.md only: {set(floors()) - present}"


def test_a_module_imports_only_from_its_own_floor_or_lower():
    table = floors()
    wrong = [
        f"{name_of(path)} (floor {table[top(name_of(path))]}) imports {module} (floor {table[top(module)]})"
        for path in FILES
        for module in imports(path)
        if starts_with(module, "modelspan") and table[top(module)] > table[top(name_of(path))]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_unstable_logs_api_is_imported_in_exactly_one_module():
    users = {
        name_of(path) for path in FILES for module in imports(path) if starts_with(module, *UNSTABLE_LOGS)
    }
    assert len(users) == 1, users


@pytest.mark.parametrize("package", ["drift", "performance"])
def test_the_arithmetic_knows_no_telemetry(package):
    paths = sorted((SRC / package).rglob("*.py"))
    assert paths
    assert not [
        name_of(path) for path in paths for module in imports(path) if starts_with(module, "opentelemetry")
    ]


def test_nothing_that_runs_code_from_data_is_used():
    wrong = [f"{name_of(p)}: {m}" for p in FILES for m in imports(p) if m.split(".")[0] in UNSAFE_MODULES]
    wrong += [
        f"{name_of(path)}:{node.lineno}: {ast.unparse(node.func)}()"
        for path in FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in UNSAFE_CALLS
    ]
    assert not wrong, wrong


def test_wire_names_are_spelled_in_semconv_only():
    wrong = [
        f"{name_of(path)}:{node.lineno}: {node.value[:60]!r}"
        for path in FILES
        if path.parent.name != "semconv"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("ml.")
    ]
    assert not wrong, "\n".join(wrong)


def test_files_are_short():
    long = {name_of(path): n for path in FILES if (n := len(path.read_text().splitlines())) > MAX_FILE}
    assert not long, long


def test_functions_are_short():
    sizes = {f"{name_of(path)}.{f.name}": body_lines(f) for path in FILES for f in functions(path)}
    long = {name: lines for name, lines in sizes.items() if lines > MAX_FUNCTION}
    assert not long, long
    assert sorted(sizes.values())[len(sizes) // 2] <= MAX_MEDIAN


def test_every_suppression_has_a_reason():
    """`# noqa: CODE - why`, `# type: ignore[code]  # why`, `# pragma: no cover - why`."""
    suppression = re.compile(
        r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no cover)(?::?\s*[A-Z]+\d+,?|\[[\w, -]+\])*(.*)$"
    )
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (found := suppression.search(line)) and not re.search(r"\w{3}", found[1])
    ]
    assert not bare, "\n".join(bare)
