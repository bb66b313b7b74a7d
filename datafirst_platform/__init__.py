"""Data First Platform: from justice records as delivered to research-ready releases.

Rooms run in the order of the data: `extracts`, `linkage`, `marts`, `quality`, `releases`;
`synthetic` makes the supply that stands in for real records. Each room has plain-Python modules
that know nothing of Dagster, and `assets.py`, their thin Dagster face. The files beside the rooms
are what every room shares; they import no room.
"""
