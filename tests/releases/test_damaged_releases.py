"""A published release that is no longer what it was is neither called standing nor pinned."""

import pytest

from datafirst_platform.marts.project import release_specs
from datafirst_platform.releases import bundle
from datafirst_platform.releases.candidate import build_release

EDITION = "2025"
SPECS = {spec.name: spec for spec in release_specs()}


def add_a_byte(file):
    file.chmod(0o644)
    with file.open("ab") as opened:
        opened.write(b"\n")


def test_an_altered_release_neither_stands_nor_is_pinned(installation):
    crown = bundle.find(installation, f"crown/{EDITION}")
    assert build_release(installation, EDITION, SPECS["crown"]) == crown
    add_a_byte(crown.path / "data" / "crown_cases.csv")
    told = r"crown/2025\.1 is not as it was published: file data/crown_cases\.csv .*backup"
    for name in ("crown", "criminal_courts_linking"):
        with pytest.raises(bundle.ReleaseDamaged, match=told):
            build_release(installation, EDITION, SPECS[name])
    assert not list(installation.releases.glob("*/.stage-*"))


def test_a_release_without_its_manifest_stops_what_needs_it(installation):
    crown = bundle.find(installation, f"crown/{EDITION}")
    (crown.path / bundle.MANIFEST).unlink()
    for name in ("crown", "criminal_courts_linking"):
        with pytest.raises(bundle.ReleaseDamaged, match=r"crown/2025\.1 is damaged: .*backup"):
            build_release(installation, EDITION, SPECS[name])
    prison = bundle.find(installation, f"prison/{EDITION}")
    assert build_release(installation, EDITION, SPECS["prison"]) == prison


def test_folders_that_a_removed_release_left_are_no_release(installation):
    prison = bundle.find(installation, f"prison/{EDITION}")
    for file in prison.path.rglob("*"):
        if file.is_file():
            file.unlink()
    assert not bundle.releases(installation, "prison")
    assert not bundle.damaged(installation, "prison")
    assert build_release(installation, EDITION, SPECS["prison"]).digest == prison.digest
