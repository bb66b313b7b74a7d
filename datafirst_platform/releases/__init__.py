"""Candidates, bundles and their catalogue: what leaves the platform.

What belongs here: re-keying on exit, the release folder and its manifest, the variable catalogue,
the checker that works on a folder alone, revision numbers. What does not: how a table is made
(`marts/`) and whether it is good enough (`quality/`): a candidate asks for those verdicts, it
never gives one.
"""
