"""Numbers with valid check letters, for made-up people."""

EDITION = "2025"
CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"


def pnc(year, serial):
    """A valid PNC in the long form."""
    return f"{year}/{serial:07d}{CHECK_LETTERS[(year % 100 * 10_000_000 + serial) % 23]}"


def cro(serial, year):
    """A valid CRO; `year` has two digits."""
    return f"{serial:06d}/{year:02d}{CHECK_LETTERS[(year * 1_000_000 + serial) % 23]}"
