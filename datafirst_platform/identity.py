"""Every key, path and name is made here.

One law of names: asset key `[stage, table]` = Parquet path = dbt source or model name =
expectation file. Pseudonyms are made under keys derived from one master key that lies outside the
data root and never stands in SQL text: at the door AES-CMAC of whole columns, on the way out keyed
SHA-256 in the engine.
"""

from __future__ import annotations

import binascii
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import duckdb
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from duckdb.func import PythonUDFType

from datafirst_platform.safe_errors import NotReady, PlatformError
from datafirst_platform.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

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

_BLOCK = 16
"""Bytes that AES enciphers at once."""

_TEXTS_AT_ONCE = 8192
"""Texts whose blocks are enciphered together: few enough to stay in a core's own cache."""

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


def record_pseudonyms(key: bytes, plain: pa.Array) -> pa.Array:
    """The ids that records have inside: AES-CMAC of each text (NIST SP 800-38B), NULL of none.

    All texts of one length are enciphered together, block by block, so that an id takes a third of
    the time a hash of the engine's takes (docs/decisions/0018). Texts begin with their domain:
    `libra_case|…`.

    Args:
        key: of the scope `records`.
        plain: texts.

    Returns:
        As many texts of `PSEUDONYM_LENGTH` hexadecimal characters.
    """
    import numpy as np
    import pyarrow as pa

    told = plain.drop_null() if plain.null_count else plain
    _, ends, held = told.buffers()
    spans = np.frombuffer(ends or b"\0" * 4, np.int32)[told.offset : told.offset + len(told) + 1]
    lengths = np.diff(spans)
    texts = np.frombuffer(held or b"", np.uint8)
    tags = np.empty(len(lengths), f"V{_BLOCK}")
    for length in np.flatnonzero(np.bincount(lengths)):
        alike = np.flatnonzero(lengths == length)
        for at in range(0, len(alike), _TEXTS_AT_ONCE):
            rows = alike[at : at + _TEXTS_AT_ONCE]
            tags[rows] = _cmac(key, texts, spans[rows], int(length))
    # Arrow's own memory is used again from one row group to the next.
    digits = pa.allocate_buffer(len(tags) * PSEUDONYM_LENGTH)
    written = np.frombuffer(digits, f"V{PSEUDONYM_LENGTH}")
    for at in range(0, len(tags), _TEXTS_AT_ONCE):
        some = tags[at : at + _TEXTS_AT_ONCE]
        shown = binascii.hexlify(some.view(np.uint8).data)
        written[at : at + len(some)] = np.frombuffer(shown, written.dtype)
    ends = np.arange(0, (len(tags) + 1) * PSEUDONYM_LENGTH, PSEUDONYM_LENGTH, dtype=np.int32)
    made = pa.StringArray.from_buffers(len(tags), pa.py_buffer(ends), digits)
    if not plain.null_count:
        return made
    known = plain.is_valid().to_numpy(zero_copy_only=False)
    return made.take(pa.array(np.cumsum(known) - 1, mask=~known))


def _cmac(
    key: bytes, held: NDArray[np.uint8], begins: NDArray[np.int32], length: int
) -> NDArray[np.void]:
    """AES-CMAC of texts of one length, each block of all of them together.

    Args:
        key: 16 bytes.
        held: bytes of all texts.
        begins: where each text begins, in order.
        length: of each text.
    """
    import numpy as np

    # The block function alone: CMAC is what chains the blocks.
    cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def enciphered(blocks: NDArray[np.uint64]) -> NDArray[np.uint64]:
        made = cipher.encryptor().update(blocks.view(np.uint8).data)
        return np.frombuffer(made, np.uint64).reshape(blocks.shape)

    subkey = _doubled(int.from_bytes(enciphered(np.zeros(2, np.uint64)).tobytes(), "big"))
    width = max(1, -(-length // _BLOCK)) * _BLOCK
    own, ending = bytes([255]) * length, b""
    if length < width:
        subkey = _doubled(subkey)
        ending = bytes(length) + b"\x80"
    if begins[-1] + width > len(held):
        # Behind the last text of all stands what its last block takes along.
        held = np.concatenate([held[begins[0] :], np.zeros(_BLOCK, np.uint8)])
        begins = begins - begins[0]
    # Eight bytes at a time, which is half a block: rows of 16 single bytes would take six times.
    windows = np.lib.stride_tricks.sliding_window_view(held, width)
    words = windows[begins].view(np.uint64)
    mask = np.frombuffer(own.ljust(width, b"\0"), np.uint64)
    mark = np.frombuffer(ending.ljust(width, b"\0"), np.uint64).copy()
    mark[-2:] ^= np.frombuffer(subkey.to_bytes(_BLOCK, "big"), np.uint64)
    for at in (-2, -1):
        words[:, at] &= mask[at]
        words[:, at] ^= mark[at]
    state = np.zeros((len(begins), 2), np.uint64)
    for block in range(0, words.shape[1], 2):
        mixed = np.empty_like(state)
        for half in (0, 1):
            np.bitwise_xor(state[:, half], words[:, block + half], out=mixed[:, half])
        state = enciphered(mixed)
    return state.view(f"V{_BLOCK}").reshape(-1)


def _doubled(subkey: int) -> int:
    """Twice a subkey in the field of CMAC, of 128 bits."""
    return (subkey << 1) % (1 << 128) ^ (0x87 if subkey >> 127 else 0)


def define_record_pseudonym(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Give a connection `pseudonym(text)`, the id that records have inside; for few of them.

    Whoever makes many has `record_pseudonyms`: the engine hands over 2,048 at a time. What was
    defined before is replaced.
    """
    with suppress(duckdb.InvalidInputException):
        connection.remove_function("pseudonym")
    connection.create_function(
        "pseudonym",
        lambda plain: record_pseudonyms(key, plain.combine_chunks()),
        ["varchar"],
        "varchar",
        type=PythonUDFType.ARROW,
    )
