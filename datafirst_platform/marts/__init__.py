"""Marts: research-ready tables, built and tested by dbt.

What belongs here: the door to `dbt_project/`: what it holds (`project.py`), one run of it from
published inputs to published marts with the tests' verdict (`build.py`), and which supplied column
each mart column comes from (`lineage.py`). What does not: SQL, descriptions and tests of a mart,
which are dbt's; expectations (`quality/`); and identifiers, which dbt never sees.
"""
