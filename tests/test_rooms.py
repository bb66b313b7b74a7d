"""The shape of the code: who imports whom, what may not be imported early, one law of names."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from datafirst_platform.quality.suites import suite_tables
from datafirst_platform.settings import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "datafirst_platform"
ROOMS = ("extracts", "linkage", "marts", "quality", "releases")
WIRING = {"definitions.py", "refresh.py", "coverage.py", "cli.py"}
HEAVY = {"splink", "pandas", "great_expectations", "dbt", "altair", "scipy", "vl_convert"}


def imports(file: Path) -> set[str]:
    """Every module a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def early_imports(file: Path) -> set[str]:
    """What is imported when the module is."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def files(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_lies_upstream(room):
    downstream = [*ROOMS[ROOMS.index(room) + 1 :], "synthetic"]
    forbidden = {f"datafirst_platform.{other}" for other in downstream}
    forbidden |= {f"datafirst_platform.{name.removesuffix('.py')}" for name in WIRING}
    for file in files(room):
        wrong = {
            module
            for module in imports(file)
            if any(module == name or module.startswith(f"{name}.") for name in forbidden)
        }
        assert not wrong, f"{file.relative_to(PROJECT_ROOT)} imports {sorted(wrong)}"


def test_the_supply_knows_nothing_but_contracts():
    allowed = {"extracts"}
    for file in files("synthetic"):
        rooms = {
            module.split(".")[1]
            for module in imports(file)
            if module.startswith("datafirst_platform.") and module.split(".")[1] in ROOMS
        }
        assert rooms <= allowed, f"{file.name} imports {sorted(rooms - allowed)}"


def test_the_root_imports_no_room():
    for file in sorted(PACKAGE.glob("*.py")):
        if file.name in WIRING:
            continue
        rooms = {
            module
            for module in imports(file)
            if any(
                module.startswith(f"datafirst_platform.{room}") for room in (*ROOMS, "synthetic")
            )
        }
        assert not rooms, f"{file.name} imports {sorted(rooms)}"


def test_heavy_libraries_are_not_imported_with_a_module():
    for file in PACKAGE.rglob("*.py"):
        heavy = early_imports(file) & HEAVY
        assert not heavy, f"{file.relative_to(PROJECT_ROOT)} imports {sorted(heavy)} at the top"


def test_dagster_stays_in_the_faces():
    faces = {"assets.py", *WIRING, "automation.py", "instance.py", "metadata.py"}
    for file in PACKAGE.rglob("*.py"):
        if file.name not in faces:
            found = {m for m in imports(file) if m.partition(".")[0] in ("dagster", "dagster_dbt")}
            assert not found, f"{file.relative_to(PROJECT_ROOT)} imports {sorted(found)}"


def test_every_room_says_what_belongs_there_and_what_does_not():
    for room in (*ROOMS, "synthetic"):
        text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text())) or ""
        assert "belongs here" in text.lower(), room
        assert "does not" in text.lower(), room


@pytest.mark.alone
def test_definitions_load_fast_and_light():
    """Under 5 s, or, on a slow machine, little beside what Dagster itself takes to be imported.

    Processor seconds, which a busy machine hardly stretches.
    """
    code = (
        "import sys, time; import dagster; alone = time.process_time(); "
        "import datafirst_platform.definitions as d; "
        "heavy = {'great_expectations', 'splink', 'pandas'} & set(sys.modules); "
        "print(time.process_time(), alone, sorted(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # warm caches
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds, alone, heavy = done.stdout.strip().splitlines()[-1].split(" ", 2)

    assert heavy == "[]"
    assert float(seconds) < max(5, 8 * float(alone))


def test_workspace_validates(tmp_path):
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("dagster")),
            "definitions",
            "validate",
            "-w",
            "workspace.yaml",
        ],
        cwd=PROJECT_ROOT,
        env={"PATH": "/usr/bin:/bin", "DAGSTER_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_asset_keys_and_suites_obey_one_law_of_names():
    from datafirst_platform.definitions import defs
    from datafirst_platform.marts.project import release_specs

    graph = defs.resolve_asset_graph()
    keys = {tuple(key.path) for key in graph.get_all_asset_keys()}
    released = {("releases", table.name) for spec in release_specs() for table in spec.tables}
    suites = set(suite_tables())

    assert all(len(key) == 2 for key in keys)
    assert suites <= keys | released
    gated = {key for key in keys if key[0] in ("extracts", "linkage", "marts")}
    assert gated - suites == set(), "tables without a suite"
    assert released - suites == set(), "released tables without a suite"


def test_no_configuration_hides_the_workspace_file():
    """Dagster ignores workspace.yaml when pyproject.toml has a section of its own for it."""
    tool = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["tool"]
    assert "dagster" not in tool
    assert "dg" not in tool


def test_the_lock_file_names_no_host():
    text = (PROJECT_ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") > 200
