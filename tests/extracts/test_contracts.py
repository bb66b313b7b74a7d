"""Contracts: what they say is what is read; each mistake names its file and field."""

import shutil
import subprocess
import sys

import pytest
import yaml

from datafirst_platform.extracts.contracts import (
    CONTRACTS,
    SEEDS,
    ContractError,
    code_list,
    contracts,
    load,
    sources,
)
from datafirst_platform.settings import PROJECT_ROOT


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(CONTRACTS, tmp_path / "contracts")
    return tmp_path / "contracts"


def mistaken(folder, change, table="libra_cases"):
    """The message a changed contract gives."""
    path = folder / f"{table}.yaml"
    told = yaml.safe_load(path.read_text())
    change(told)
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    with pytest.raises(ContractError) as caught:
        load(folder, SEEDS)
    return str(caught.value)


def column(told, name):
    return next(each for each in told["schema"][0]["properties"] if each["name"] == name)


def custom(given, prop):
    return next(each for each in given["customProperties"] if each["property"] == prop)


def test_the_contracts_hold():
    assert list(sources()) == [
        "caseman",
        "csc",
        "delius",
        "familyman",
        "libra",
        "nomis",
        "npd",
        "oasys",
        "pnc",
        "xhibit",
    ]
    assert [each.table for each in sources()["libra"]] == ["libra_cases", "libra_offences"]
    offences = contracts()["libra_offences"]
    assert offences.parent == "libra_cases"
    assert offences.parent_key == ("case_id", "defendant_id")
    assert not offences.links
    assert offences.identities_schema == ()


def test_content_names_no_identifier():
    for contract in contracts().values():
        held = {each.name for each in contract.content_schema}
        hidden = {
            each.name
            for each in contract.columns
            if each.treatment in {"identify", "pseudonymise", "parent"}
        }
        assert not held & hidden


def test_parts_of_a_schema_follow_the_contract():
    names = [each.name for each in contracts()["libra_offences"].content_schema]
    assert names[:3] == ["record_key", "libra_cases_key", "offence_seq"]
    assert names[-1] == "age_at_offence"
    types = {each.name: each.type for each in contracts()["libra_cases"].content_schema}
    assert types["case_key"] == "VARCHAR"
    assert types["receipt_date"] == "DATE"
    assert all(each.description for each in contracts()["libra_cases"].content_schema)


@pytest.mark.alone
def test_loading_is_quick():
    """Under half a second, or, on a slow machine, little beside the parsing of the same files."""
    program = (
        "import time, yaml; from datafirst_platform.extracts import contracts as read;"
        "files = sorted(read.CONTRACTS.glob('*.yaml'));"
        "began = time.process_time();"
        "[yaml.load(file.read_text(), Loader=yaml.CSafeLoader) for file in files];"
        "parsed = time.process_time(); read.contracts();"
        "print(time.process_time() - parsed, parsed - began)"
    )
    runs = [
        subprocess.check_output([sys.executable, "-c", program], cwd=PROJECT_ROOT).split()
        for _ in range(2)
    ]
    assert any(float(took) < max(0.5, 5 * float(plain)) for took, plain in runs)


def test_a_code_list_is_its_first_column():
    assert code_list("sex_libra") == ("M", "F", "NS")
    with pytest.raises(ContractError, match="no code list 'colours'"):
        code_list("colours")


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("sex", lambda c: custom(c, "treatment").update(value="hide"), "treatment: 'hide'"),
        ("sex", lambda c: custom(c, "codes").update(value="colours"), "no code list 'colours'"),
        ("sex", lambda c: custom(c, "links_as").update(value="shoe"), "links_as: 'shoe'"),
        ("sex", lambda c: c.update(classification="secret"), "classification: 'secret'"),
        ("sex", lambda c: c.update(logicalType="blob"), "logicalType: 'blob'"),
        ("sex", lambda c: c.update(colour="red"), "unknown field"),
        ("sex", lambda c: c["customProperties"].append({"property": "x", "value": 1}), "'x'"),
        ("sex", lambda c: c.pop("description"), "description: must be a text"),
        ("case_id", lambda c: c.update(required=False), "key column must be required"),
        ("case_id", lambda c: c.update(primaryKeyPosition=2), "positions must count from 1"),
        ("case_id", lambda c: c["logicalTypeOptions"].update(pattern="["), "regular expression"),
        ("case_id", lambda c: c["logicalTypeOptions"].update(format="x"), "does not suit"),
        ("case_id", lambda c: custom(c, "domain").update(value=""), "must be a text"),
        ("receipt_date", lambda c: c["logicalTypeOptions"].update(format="MM/dd/yy"), "MM/dd/yy"),
        ("receipt_date", lambda c: c["logicalTypeOptions"].update(minimum="soon"), "yyyy-MM-dd"),
        ("last_name", lambda c: custom(c, "treatment").update(value="keep"), "direct identifier"),
        ("urn", lambda c: custom(c, "treatment").update(value="keep"), "linkage key"),
    ],
)
def test_a_mistaken_column_is_named(folder, field, change, message):
    told = mistaken(folder, lambda contract: change(column(contract, field)))
    assert told.startswith("libra_cases.yaml: ")
    assert message in told
    assert field in told or "primaryKey" in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(favourite=1), "favourite"),
        (lambda c: c["schema"][0]["properties"].append(c["schema"][0]["properties"][2]), "twice"),
        (lambda c: c["schema"][0].update(name="other"), "schema.name"),
        (lambda c: custom(c, "supply").update(value="increment"), "supply"),
        (lambda c: custom(c, "derivations")["value"][0].update(of="shoe"), "has no 'shoe'"),
        (lambda c: custom(c, "derivations")["value"][1].update(on="shoe"), "has no 'shoe'"),
        (lambda c: custom(c, "derivations")["value"][0].update(of="postcode"), "not a date"),
        (lambda c: custom(c, "derivations")["value"][0].update(rule="guess"), "rule: 'guess'"),
        (lambda c: custom(c, "derivations")["value"][0].update(name="sex"), "name is taken"),
        (lambda c: custom(c, "coverage_from").update(value="x"), "coverage_from"),
    ],
)
def test_a_mistaken_contract_is_named(folder, change, message):
    told = mistaken(folder, change)
    assert told.startswith("libra_cases.yaml: ")
    assert message in told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(to=["libra_cases.case_id"] * 2), "libra_cases"),
        (lambda r: r.update(to=["a.case_id", "a.defendant_id"]), "no contract 'a'"),
        (lambda r: r.update({"from": ["libra_offences.shoe"] * 2}), "no column 'shoe'"),
        (lambda r: r.update(to=["libra_cases.case_id"]), "must pair columns"),
        (
            lambda r: r.update(to=["xhibit_offences.case_id", "xhibit_offences.defendant_id"]),
            "must be a table of libra",
        ),
        (
            lambda r: r.update(to=["libra_cases.defendant_id", "libra_cases.case_id"]),
            "in its order",
        ),
    ],
)
def test_a_mistaken_parent_is_named(folder, change, message):
    def changed(contract):
        custom(contract, "derivations")["value"].clear()
        change(contract["schema"][0]["relationships"][0])

    told = mistaken(folder, changed, table="libra_offences")
    assert told.startswith("libra_offences.yaml: ")
    assert message in told


def test_a_table_that_descends_from_itself_is_refused(folder):
    def under_its_own_child(contract):
        for name in ("case_id", "defendant_id"):
            given = column(contract, name)
            given["customProperties"] = [{"property": "treatment", "value": "parent"}] + [
                each for each in given["customProperties"] if each["property"] == "evidence"
            ]
        contract["schema"][0]["relationships"] = [
            {
                "type": "foreignKey",
                "from": ["libra_cases.case_id", "libra_cases.defendant_id"],
                "to": ["libra_offences.case_id", "libra_offences.defendant_id"],
            }
        ]

    told = mistaken(folder, under_its_own_child)
    assert told == "libra_cases.yaml: relationships: libra_cases is its own ancestor."


def test_parents_come_before_children_however_deep():
    for each in sources().values():
        listed = [contract.table for contract in each]
        for contract in each:
            assert contract.parent in [None, *listed[: listed.index(contract.table)]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: custom(c, "links_by").update(value="PNC"), "has a column and fields"),
        (lambda c: custom(c, "links_by")["value"].pop("column"), "has a column and fields"),
        (lambda c: custom(c, "links_by")["value"].update(fields={}), "must name a linkage field"),
        (lambda c: custom(c, "links_by")["value"].update(column="shoe"), "must be a coded column"),
        (
            lambda c: custom(c, "links_by")["value"].update(column="root_offender_id"),
            "must be a coded column",
        ),
        (
            lambda c: custom(c, "links_by")["value"]["fields"].update(ZZZ="pnc"),
            "identifier_types_nomis has no 'ZZZ'",
        ),
        (lambda c: custom(c, "links_by")["value"]["fields"].update(PNC="shoe"), "'shoe'"),
        (
            lambda c: custom(c, "links_by")["value"]["fields"].update(PNC="source_person"),
            "'source_person'",
        ),
        (
            lambda c: c["customProperties"].append({"property": "links_as", "value": "pnc"}),
            "links_as and links_by exclude each other",
        ),
    ],
)
def test_a_mistaken_links_by_is_named(folder, change, message):
    told = mistaken(folder, lambda c: change(column(c, "identifier")), table="nomis_identifiers")
    assert told.startswith("nomis_identifiers.yaml: ")
    assert message in told


def test_what_a_column_feeds_may_follow_from_another():
    identifiers = contracts()["nomis_identifiers"]
    assert identifiers.column("identifier").feeds == {"pnc", "cro", "noms"}
    assert identifiers.links


def test_a_sources_own_person_is_a_pseudonym_or_refused(folder):
    def as_supplied(contract):
        given = column(contract, "root_offender_id")
        custom(given, "treatment")["value"] = "identify"
        given["customProperties"].remove(custom(given, "domain"))

    told = mistaken(folder, as_supplied, table="nomis_offenders")
    assert "root_offender_id: links_as: source_person needs the treatment 'pseudonymise'" in told


@pytest.mark.parametrize(
    ("field", "change", "message"),
    [
        ("child_roles", lambda c: c.pop("logicalTypeOptions"), "closed codes or a pattern"),
        ("application_types", lambda c: open_list(c), "closed codes or a pattern"),
        ("case_number", lambda c: several(c), "treatment 'keep' or 'pseudonymise'"),
        ("event", lambda c: several(c), "has one value"),
        ("child_roles", lambda c: custom(c, "multiple").update(value="yes"), "true or false"),
    ],
)
def test_only_what_can_be_held_against_a_form_has_several_entries(folder, field, change, message):
    told = mistaken(
        folder, lambda contract: change(column(contract, field)), table="familyman_events"
    )
    assert told.startswith(f"familyman_events.yaml: {field}: ")
    assert message in told


def several(given):
    given["customProperties"].append({"property": "multiple", "value": True})


def open_list(given):
    given["customProperties"].append({"property": "codes_open", "value": True})


def test_what_is_no_yaml_or_says_a_thing_twice_is_refused(folder):
    path = folder / "libra_cases.yaml"
    path.write_text("a: [1\n")
    with pytest.raises(ContractError, match=r"libra_cases\.yaml: line"):
        load(folder, SEEDS)
    path.write_text("kind: DataContract\nkind: DataContract\n")
    with pytest.raises(ContractError, match="'kind' stands twice"):
        load(folder, SEEDS)


def test_a_changed_code_list_changes_the_digest(folder, tmp_path):
    seeds = tmp_path / "seeds"
    shutil.copytree(SEEDS, seeds)
    before = load(folder, seeds)["libra_cases"].digest
    with (seeds / "sex_libra.csv").open("a") as file:
        file.write("X,Other,unknown\n")
    code_list.cache_clear()
    assert load(folder, seeds)["libra_cases"].digest != before
