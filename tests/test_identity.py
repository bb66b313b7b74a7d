import hashlib

import duckdb
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from datafirst_platform.identity import (
    PSEUDONYM_LENGTH,
    TableKey,
    define_pseudonym,
    define_record_pseudonym,
    master_key,
    record_pseudonyms,
    scope_key,
    table_folder,
)
from datafirst_platform.safe_errors import NotReady, PlatformError


@given(key=st.binary(min_size=32, max_size=32), plain=st.text(max_size=200))
def test_pseudonym_is_keyed_sha256_cut_in_half(key, plain):
    plain = plain.replace("\0", "")
    with duckdb.connect() as connection:
        define_pseudonym(connection, key)
        made = connection.execute("select pseudonym(?)", [plain]).fetchall()[0][0]

    assert made == hashlib.sha256(key + plain.encode()).hexdigest()[:PSEUDONYM_LENGTH]


def cmac(key, plain):
    made = CMAC(AES(key))
    made.update(plain.encode())
    return made.finalize().hex()


@given(
    key=st.binary(min_size=16, max_size=16),
    plain=st.lists(st.none() | st.text(max_size=70), max_size=30),
    start=st.integers(0, 5),
)
def test_pseudonyms_of_records_are_aes_cmac(key, plain, start):
    texts = pa.array(plain, pa.string()).slice(start)

    made = record_pseudonyms(key, texts)
    made.validate(full=True)
    assert made.to_pylist() == [
        None if each is None else cmac(key, each) for each in texts.to_pylist()
    ]
    assert {len(each) for each in made.drop_null().to_pylist()} <= {PSEUDONYM_LENGTH}


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33, 48])
def test_pseudonyms_of_records_at_the_ends_of_blocks(length):
    texts = ["x" * length, "é" * (length // 2)]
    expected = [cmac(b"k" * 16, each) for each in texts]
    assert record_pseudonyms(b"k" * 16, pa.array(texts)).to_pylist() == expected


def test_pseudonyms_of_more_texts_than_are_enciphered_at_once():
    texts = [f"libra_cases|C{number}|D{number % 7}" for number in range(20_000)]
    made = record_pseudonyms(b"k" * 16, pa.array([*texts, None]))
    assert made.to_pylist() == [*(cmac(b"k" * 16, each) for each in texts), None]


def test_the_engine_makes_the_same_pseudonyms_of_records():
    with duckdb.connect() as connection:
        define_record_pseudonym(connection, b"o" * 16)
        define_record_pseudonym(connection, b"k" * 16)
        found = connection.execute(
            "select case when range > 0 then 'id|' || range end as plain, pseudonym(plain) as made"
            " from range(5000)"
        ).fetchall()
    assert all(made == (None if plain is None else cmac(b"k" * 16, plain)) for plain, made in found)


def test_pseudonym_of_nothing_is_nothing():
    with duckdb.connect() as connection:
        define_pseudonym(connection, b"k" * 32)
        assert connection.execute("select pseudonym(null)").fetchall() == [(None,)]


def test_two_scopes_cannot_be_joined(settings):
    assert scope_key(settings, "release/2025") != scope_key(settings, "release/2026")
    assert scope_key(settings, "release/2025") == scope_key(settings, "release/2025")


def test_a_lost_key_is_not_replaced_in_silence(settings):
    first = master_key(settings)
    assert master_key(settings) == first

    (settings.secure / "identities").mkdir()
    (settings.keys / "master.key").unlink()
    with pytest.raises(NotReady, match="Restore the key"):
        master_key(settings)


def test_a_spoiled_key_is_refused_without_quoting_it(settings):
    (settings.keys / "master.key").write_text("not-a-key-at-all")
    with pytest.raises(PlatformError, match="64 hexadecimal") as refusal:
        master_key(settings)
    assert "not-a-key-at-all" not in str(refusal.value)


def test_tables_with_identifiers_lie_in_the_secure_zone(settings):
    assert (
        settings.secure
        in table_folder(settings, TableKey.of("identities", "libra_cases"), "2025").parents
    )
    assert (
        settings.warehouse
        in table_folder(settings, TableKey.of("extracts", "libra_cases"), "2025").parents
    )


@pytest.mark.parametrize(
    ("stage", "table"), [("elsewhere", "t"), ("marts", "Not Snake"), ("marts", "../x")]
)
def test_names_outside_the_law_are_refused(stage, table):
    with pytest.raises(ValueError, match="names no table"):
        TableKey.of(stage, table)


def test_enough_of_the_hash_is_cut_off():
    """The pseudonym is safe only while at least half of the 256 bits stays hidden."""
    assert PSEUDONYM_LENGTH * 4 <= 128
