"""Gates: whether a table may go on, decided by rules that are written down and never by hand.

What belongs here: what a rule is (`rules.py`), the rules that follow from how a table is made
(`derived.py`), those of `expectations/` and how both make a suite (`suites.py`), Great Expectations
on DuckDB (`validation.py`), verdicts, where they lie and whether they still stand (`verdicts.py`).
What does not: mending data (that is a mart's work), deciding what a supplier's
file must look like (contracts), and building a release.
"""
