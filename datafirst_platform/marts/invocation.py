"""The process dbt runs in: `python -m datafirst_platform.marts.invocation PARSED ARGUMENTS…`.

What belongs here: starting dbt on the project as it was parsed already. dbt's own partial parsing
starts anew wherever the database lies elsewhere, and takes a quarter of a small build. What does
not: what dbt is told and what came of it (`build.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(parsed: str, arguments: Sequence[str]) -> int:
    """Let dbt do what its arguments say.

    Args:
        parsed: the file dbt left of a project it parsed (`project.PARSED`); its digest is that of
            the project's files, so that nothing of an older project is in it.
        arguments: of dbt's command line.

    Returns:
        dbt's own exit code: 0, 1 where something failed, 2 where dbt did not get that far.
    """
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    manifest = Manifest.from_msgpack(Path(parsed).read_bytes())
    # What macros see as `graph`; parsing leaves it behind.
    manifest.build_flat_graph()
    done = dbtRunner(manifest=manifest).invoke([*arguments])
    if done.exception is not None:
        sys.stderr.write(f"{done.exception}\n")
        return 2
    return 0 if done.success else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
