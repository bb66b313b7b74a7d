"""Where things lie and what the machine may use: read once from the environment, then passed on.

What belongs here: folders and machine limits. What does not: names of tables and keys
(`identity.py`), editions (`editions.py`), and anything that differs between datasets (contracts).
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout: `dbt_project/` and `expectations/` lie here, beside the package."""


@dataclass(frozen=True)
class Settings:
    """One installation of the platform.

    Attributes:
        home: data root; holds `landing secure warehouse releases audit dagster`.
        keys: folder of the master key, outside `home`, so that a copy of the data is not a copy
            of the key.
        threads: cores an engine may use.
        memory_gib: memory one engine may hold before it spills to disk, in GiB.
        incremental: whether linkages go on from what is known from the edition before.
        relink: whether they start from nothing all the same, this once.
    """

    home: Path
    keys: Path
    threads: int = 2
    memory_gib: float = 4.0
    incremental: bool = False
    relink: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read `DATAFIRST_HOME`, `…_KEYS`, `…_THREADS`, `…_MEMORY_GIB` and `…_INCREMENTAL`.

        Raises:
            ValueError: a number is none or out of range, a choice is neither 0 nor 1, a folder's
                name holds what would be a pattern, or the keys lie inside the data root.
        """
        env = os.environ if environment is None else environment
        home = Path(env.get("DATAFIRST_HOME") or PROJECT_ROOT / ".datafirst").resolve()
        keys = Path(env.get("DATAFIRST_KEYS") or home.with_name(f"{home.name}-keys")).resolve()
        for variable, folder in (("DATAFIRST_HOME", home), ("DATAFIRST_KEYS", keys)):
            if set("*?[") & set(str(folder)):
                # Libraries would look for other folders by it.
                raise ValueError(f"{variable} ({folder}) may not hold '*', '?' or '['.")
        if keys == home or home in keys.parents:
            msg = f"DATAFIRST_KEYS ({keys}) lies inside DATAFIRST_HOME ({home}): put it elsewhere."
            raise ValueError(msg)
        incremental = env.get("DATAFIRST_INCREMENTAL") or "0"
        if incremental not in ("0", "1"):
            msg = f"DATAFIRST_INCREMENTAL is {incremental!r}: say 0 or 1."
            raise ValueError(msg)
        return cls(
            home=home,
            keys=keys,
            threads=int(_number(env, "DATAFIRST_THREADS", os.cpu_count() or 2, whole=True)),
            memory_gib=_number(env, "DATAFIRST_MEMORY_GIB", 4.0),
            incremental=incremental == "1",
        )

    @property
    def landing(self) -> Path:
        """What suppliers deliver: `landing/<source>/<delivery>/`."""
        return self.home / "landing"

    @property
    def secure(self) -> Path:
        """Identities, quarantined rows and reference labels; mode 0700."""
        return self.home / "secure"

    @property
    def warehouse(self) -> Path:
        """Tables without identifiers, one folder a stage."""
        return self.home / "warehouse"

    @property
    def releases(self) -> Path:
        """What is released; the only folder outsiders read."""
        return self.home / "releases"

    @property
    def audit(self) -> Path:
        """Verdicts, by data version."""
        return self.home / "audit"

    @property
    def dagster(self) -> Path:
        """Dagster's instance (`DAGSTER_HOME`)."""
        return self.home / "dagster"

    @property
    def spill(self) -> Path:
        """Where engines spill; may hold identifiers while they run, so it is secure."""
        return self.secure / "spill"

    def prepare(self) -> Settings:
        """Make the folders, the secure ones for their owner alone. Safe to repeat.

        Where all is as it should be nothing is touched, so that who may only read can look.

        Raises:
            OSError: a folder cannot be made.
        """
        for folder in (self.landing, self.warehouse, self.releases, self.audit, self.dagster):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.secure, self.spill, self.keys):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if stat.S_IMODE(folder.stat().st_mode) != 0o700:
                folder.chmod(0o700)
        return self


def _number(
    environment: Mapping[str, str], variable: str, default: float, *, whole: bool = False
) -> float:
    """A number above nothing.

    Raises:
        ValueError: it is none.
    """
    given = environment.get(variable) or str(default)
    try:
        number = float(int(given) if whole else given)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{variable} is {given!r}: say {kind} above 0.")
    return number
