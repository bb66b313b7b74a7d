"""What Dagster shows of a step: one shape for every asset, and for every failure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from datafirst_platform.instance import one_writer
from datafirst_platform.safe_errors import PlatformError
from datafirst_platform.settings import Settings
from datafirst_platform.tables import TableVersion

Columns = Mapping[str, tuple[str, str]]
"""Column name to type and description."""


def team(owner: str) -> str:
    """An owner's name as Dagster wants it: `team:hm_courts_tribunals_service`."""
    return "team:" + re.sub(r"[^a-z0-9]+", "_", owner.partition("(")[0].lower()).strip("_")


def picture(svg: str, title: str = "chart") -> dg.MarkdownMetadataValue:
    """An SVG as Markdown that needs no file and no network."""
    encoded = base64.b64encode(svg.encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{encoded})")


def column_schema(columns: Columns) -> dg.TableSchema:
    """The schema Dagster shows: names, types, descriptions."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=column, type=kind, description=description or None)
            for column, (kind, description) in columns.items()
        ]
    )


def table_metadata(
    version: TableVersion, descriptions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Row count, column schema, storage path and inputs of a published table.

    A table in several files lies in a folder.
    """
    told = descriptions or {}
    lies_in = version.path if len(version.layers) == 1 else version.path.parent
    return {
        "dagster/row_count": version.rows,
        "dagster/column_schema": column_schema(
            {column: (kind, told.get(column, "")) for column, kind in version.columns}
        ),
        "dagster/uri": lies_in.as_uri(),
        "path": dg.MetadataValue.path(lies_in),
        "inputs": dg.MetadataValue.json(dict(version.inputs)),
    }


def materialized(
    version: TableVersion,
    extra: Mapping[str, Any] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> dg.MaterializeResult:
    """The materialisation of a published table, its data version the digest of its bytes.

    Args:
        version: the published table.
        extra: further metadata; counts and charts, never data.
        descriptions: column name to description.
    """
    return dg.MaterializeResult(
        asset_key=list(version.key),
        metadata={**table_metadata(version, descriptions), **(extra or {})},
        data_version=dg.DataVersion(version.version),
    )


@contextmanager
def step(settings: Settings) -> Iterator[None]:
    """Every step's body runs in here: one writer at a time, and failures that quote nothing.

    Raises:
        dagster.Failure: what a user can act on, as it was worded; anything unforeseen by class
            and place only, its message withheld because it may quote a record. Never retried.
    """
    failure: dg.Failure | None = None
    with one_writer(settings):
        try:
            yield
        except dg.Failure as known:
            failure = known
        except PlatformError as known:
            failure = dg.Failure(
                description=str(known),
                metadata={"exit_code": known.exit_code},
                allow_retries=False,
            )
        except Exception as unforeseen:  # noqa: BLE001 - the boundary: nothing may pass unread
            failure = dg.Failure(description=_withheld(unforeseen), allow_retries=False)
    if failure is not None:
        # Raised out here, so that it carries no context whose message Dagster would store.
        raise failure from None


def _withheld(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {place}; its message is withheld, it may quote a record."
