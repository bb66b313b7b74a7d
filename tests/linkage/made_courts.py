"""A magistrates' court's records of people whose truth is known, with what content says of them."""

from datetime import date

from made_identities import pnc

PEOPLE = 60
FORENAMES = ("ROWAN", "ISOLDE", "TARQUIN", "MARGUERITE", "OLUWASEUN", "BRONWEN")
SURNAMES = ("ZYXQUORWEN", "TREVANION", "OYELARAN", "FEATHERSTONE", "QUILLINAN")
ETHNICITIES = ("W1", "W1", "W1", "A1", "B2")
AREAS = ("E01000069", "E01000111")


def records():
    """Who is on record, and when: of three people the first is there once.

    Of every tenth person a name is misspelt, in a way that links; one man is alone of his group.
    """
    return [
        record(number, time) for number in range(PEOPLE) for time in range((1, 3, 4)[number % 3])
    ]


def record(number, time):
    """A person's record of one case. Everybody moves in between, so that no two are equal."""
    surname = SURNAMES[number // len(FORENAMES) % len(SURNAMES)]
    return {
        "person": number,
        "forename": FORENAMES[number % len(FORENAMES)],
        "surname": surname + "E" if number % 10 == 1 and time == 1 else surname,
        "born": date(1950 + number, 1 + number % 12, 2 + number % 27),
        "sex": "F" if number % 2 else "M",
        "ethnicity": "M9" if number == 0 else ETHNICITIES[number % len(ETHNICITIES)],
        "postcode": f"B{time + 1} {number % 9}A{'ABDE'[time]}",
        "pnc": pnc(1990, 1000 + number) if time % 2 == 0 and number % 2 else None,
        "lsoa": AREAS[number % 2],
        "case": f"{number:03}{time}",
    }


def identities(made):
    """As `libra_cases` supplies who they are."""
    return [
        {
            "defendant_type": "P",
            "first_name": each["forename"],
            "last_name": each["surname"],
            "date_of_birth": each["born"],
            "sex": each["sex"],
            "address_line_1": f"{each['person']} JXQTHORN WAY",
            "postcode": each["postcode"],
            "pnc_id": each["pnc"],
        }
        for each in made
    ]


def content(made):
    """As `libra_cases` supplies what happened."""
    return [
        {
            "defendant_type": "P",
            "sex": each["sex"],
            "ethnicity_self_defined": each["ethnicity"],
            "birth_year": each["born"].year,
            "lsoa_residence": each["lsoa"],
        }
        for each in made
    ]
