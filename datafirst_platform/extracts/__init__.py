"""From files as delivered to two tables that never meet again: identities and content.

Belongs here: what a supplier promises (contracts), what came (deliveries and receipts), strict
reading, quarantine, and the split at the door. Does not belong here: linking people (`linkage`),
recoding for research (`marts`, dbt), gates beyond a row's own contract (`quality`).
"""
