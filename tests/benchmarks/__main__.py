"""`make bench`: every hot path, one after the other; figures in `.bench/`."""

import sys
from pathlib import Path

from tests.benchmarks import incremental, linkage, reading, refresh

if __name__ == "__main__":
    folder = Path(".bench")
    folder.mkdir(exist_ok=True)
    sys.exit(
        reading.main(["--output", str(folder / "reading.json")])
        or refresh.main(["--output", str(folder / "refresh.json")])
        or incremental.main(["--output", str(folder / "incremental.json")])
        or linkage.main(["--output", str(folder / "linkage.json")])
    )
