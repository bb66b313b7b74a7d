"""Synthetic supply: made-up deliveries for development, demonstration and tests.

What belongs here: a population with lives, what the sources record of it, faults on demand, and
the truth of who is who, which only the evaluation of a linkage reads. What does not: anything the
platform needs to take real deliveries; no other room imports this one.

Nothing here comes from a real person. Names and post towns are real words in made-up weights. The
mapping of postcode sectors to areas (`extracts/code_lists/postcode_sectors.csv`) is made up too:
codes have the right shape, but do not lie where the sectors do. Everything is a pure function of
seed, number of people and edition.
"""

from datafirst_platform.synthetic.deliveries import DeliveryMade, FileMade, make_supply
from datafirst_platform.synthetic.faults import FAULTS, FaultApplied, apply_fault

__all__ = ["FAULTS", "DeliveryMade", "FaultApplied", "FileMade", "apply_fault", "make_supply"]
