"""Marts, research-ready tables, and insights, statistics of them: built and tested by dbt.

What belongs here: the door to `dbt_project/`: what it holds (`project.py`), one run of it from
published inputs to published tables with the tests' verdict (`build.py`), and which column each
column comes from (`lineage.py`). What does not: SQL, descriptions and tests of a model,
which are dbt's; expectations (`quality/`); and identifiers, which dbt never sees.
"""
