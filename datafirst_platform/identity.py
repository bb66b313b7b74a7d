"""Every key, path and name is made here.

One law of names: asset key `[stage, table]` = Parquet path = dbt source or model name =
expectation file. Pseudonyms are keyed SHA-256 under keys derived from one master key that lies
outside the data root and reaches DuckDB only as bound values.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import NamedTuple

import duckdb
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings

STAGES = (
    "landing",
    "extracts",
    "identities",
    "quarantine",
    "known",
    "linkage",
    "restricted",
    "marts",
    "insights",
    "releases",
)
SECURE_STAGES = frozenset({"identities", "quarantine", "known"})
"""Stages whose tables may hold identifiers: they lie under `secure/`."""
RESTRICTED_STAGES = frozenset({"restricted"})
"""Stages without identifiers whose tables are nobody's outside: they lie under `secure/` too."""

PSEUDONYM_LENGTH = 32
"""Characters of a pseudonym: 128 bits as hexadecimal. Two of 10^9 ids collide with p < 10^-20."""

SCOPE_KEY_BYTES = 16
"""Length of a derived key. It leaves 39 characters of an id to one compression of the hash."""

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


class TableKey(NamedTuple):
    """What names a table everywhere: the asset key, the folder, the file of expectations."""

    stage: str
    table: str

    def __str__(self) -> str:
        return f"{self.stage}/{self.table}"

    @classmethod
    def of(cls, stage: str, table: str) -> TableKey:
        """Check the two parts against the law of names.

        Raises:
            ValueError: an unknown stage, or a table name that is not lower snake case.
        """
        if stage not in STAGES or not _NAME.match(table):
            msg = f"{stage}/{table} names no table: stages are {', '.join(STAGES)}; snake case."
            raise ValueError(msg)
        return cls(stage, table)


def table_folder(settings: Settings, key: TableKey, edition: str) -> Path:
    """The folder of a table's versions for an edition."""
    locked = SECURE_STAGES | RESTRICTED_STAGES
    root = settings.secure if key.stage in locked else settings.warehouse
    return root / key.stage / key.table / edition


def master_key(settings: Settings) -> bytes:
    """The 32-byte master key; made on first use of an empty installation, never replaced.

    Raises:
        NotReady: the data root holds keyed data but the key is gone: a new one would silently
            change every pseudonym.
        PlatformError: the key file is not 64 hexadecimal characters.
    """
    path = settings.keys / "master.key"
    if not path.exists():
        if (settings.secure / "identities").exists():
            msg = (
                f"{path} is missing, but {settings.home} holds data keyed with it. "
                "Restore the key, or set DATAFIRST_KEYS to where it lies."
            )
            raise NotReady(msg)
        settings.keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            # Another process may have made one meanwhile: the first one stands.
            os.link(staged, path)
        except FileExistsError:
            pass
        finally:
            staged.unlink()
    content = path.read_text().strip()
    if not re.fullmatch(r"[0-9a-f]{64}", content):
        msg = f"{path} is not a key: it must hold 64 hexadecimal characters."
        raise PlatformError(msg)
    return bytes.fromhex(content)


def scope_key(settings: Settings, scope: str) -> bytes:
    """The key of a scope (`records`, `release/2026`, `people/1`): HKDF-SHA-256 of the master key.

    Ids made under two scopes cannot be joined.
    """
    derived: bytes = HKDF(
        SHA256(), length=SCOPE_KEY_BYTES, salt=None, info=f"datafirst/{scope}".encode()
    ).derive(master_key(settings))
    return derived


def define_pseudonym(
    connection: duckdb.DuckDBPyConnection, key: bytes, macro: str = "pseudonym"
) -> None:
    """Give a connection the macro `pseudonym(text)`: the keyed id of a non-null text.

    SHA-256 of the 16-byte key followed by the text, cut to `PSEUDONYM_LENGTH`: the half that is
    cut off is what makes the construction a random function to anyone without the key (Coron and
    others, CRYPTO 2005, "chop"; docs/decisions/0007). The key is bound as a session variable and
    never stands in SQL text. Callers prefix the text with its domain: `'libra_case|' || case_id`.
    A connection that makes ids under several keys gives each a macro of its own.
    """
    connection.execute(f"set variable {macro}_key = ?::blob", [key])
    connection.execute(
        f"""create or replace temp macro {macro}(plain) as
        left(sha256(getvariable('{macro}_key') || encode(plain)), {PSEUDONYM_LENGTH})"""
    )
