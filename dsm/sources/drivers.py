"""Where the code of ADBC drivers lies, and what is said of one that is not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dsm.model.names import close_matches
from dsm.sources.failures import DriverMissing
from dsm.sources.source import KNOWN_DRIVERS

# Databases whose drivers the makers of ADBC publish as Python packages; `dbc` has others, too.
PACKAGED = ("bigquery", "flightsql", "snowflake")


def plain_name(driver: str) -> str:
    """Returns `postgresql` for `postgresql` and for `adbc_driver_postgresql`."""
    return driver.replace("-", "_").removeprefix("adbc_driver_")


def library(driver: str) -> dict[str, str]:
    """Returns where a driver's code lies, as the driver manager takes it. Raises DriverMissing."""
    name = plain_name(driver)
    try:
        import_module("adbc_driver_manager")
        module: Any = import_module(f"adbc_driver_{name}")
        if name == "duckdb":
            return {"driver": module.driver_path(), "entrypoint": "duckdb_adbc_init"}
        return {"driver": module._driver_path()}
    except ImportError as error:
        missing = error.name or ""
    if name in KNOWN_DRIVERS or missing == "adbc_driver_manager":
        hint = "pip install 'dsm-datasets[sources]'"
        raise DriverMissing(f"the driver for {name} is not installed", hint=hint)
    # The driver manager knows those that are installed without a Python package.
    return {"driver": driver}


def how_to_install(driver: str) -> str:
    """Returns what to do about a driver that is not found."""
    short = plain_name(driver).replace("_", "-")
    if short in PACKAGED:
        return f"pip install adbc-driver-{short}"
    near = [known for known in KNOWN_DRIVERS if known.startswith(short) or short.startswith(known)]
    near = near or list(close_matches(short, KNOWN_DRIVERS, 1))
    if near:
        return f"did you mean {near[0]}? Then remove the source and add it with --driver {near[0]}"
    # A Python package of that name may be missing, or a stranger's.
    return f"dbc install {short}, or the package of its makers"
