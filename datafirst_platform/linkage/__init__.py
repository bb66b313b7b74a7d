"""Linkage: which records are of one person, estimated.

What belongs here: the only code that opens `identities`; the settings of each linkage
(`models/<dataset>.yaml`, with the trained parameters beside them as JSON; comparisons and blocking
rules are defined once, in `library/`), standardisation of identifiers, blocking, scoring with
Splink, clusters, the case-level link, ordered passes, training, and the quality of the links
against reference labels, in all and by group of people.

What does not: content of the records, but for the ethnic group by which quality is measured; marts;
and any identifier in what is published. Tables that leave this room hold record keys, person ids,
match weights and the numbers of passes, nothing else.
"""
