"""Every client side by side against one stand-in for Replicate: `python -m benchmarks [--quick]`.

Makes an environment for each client, runs each as a process of its own, in turn, and writes
benchmarks/results/: results.json (every round), results.md (a table) and a plot. `--quick` installs nothing
and checks only that all of it runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import bulk, gateway, report, warm_call
from .environments import INSTALLATIONS, Environment, found, make_all
from .machine import machine
from .models import all_models
from .stand import server
from .suite import QUICK, Rounds, Size, Suite
from .workers import in_turn

RESULTS = Path(__file__).parent / "results"
QUICK_CLIENTS = ["aiohttp", "areplicate", "replicate1"]
"""Those that the tests' requirements bring along."""
GATEWAYS = ((gateway.BARE, "areplicate"), ("litellm",))
"""Those whose CPU is compared take turns; one that needs twenty times as much between them would spoil their figures."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little of everything, with what is installed")
    parser.add_argument(
        "--clients", nargs="+", choices=INSTALLATIONS, help="all; with --quick, three of them"
    )
    parser.add_argument("--results", type=Path, help="where to write; --quick writes to a temporary folder")
    options = parser.parse_args()
    # Every client is measured as it is after an installation: with its bytecode.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.monotonic()
    size = QUICK if options.quick else Size()
    if options.quick:
        environments = found(options.clients or QUICK_CLIENTS)
    else:
        environments = make_all(options.clients or list(INSTALLATIONS))
    folder = options.results or (Path(tempfile.mkdtemp()) if options.quick else RESULTS)

    before = machine()
    figures = measure(environments, size)
    results = {
        "machine": before,
        "size": size._asdict(),
        "clients": {client: of.sizes() for client, of in environments.items()},
        "figures": figures,
        "warm_path": warm_call.in_processes(*size.warm_path),
        "job": bulk.measure(*size.job),
        "seconds": time.monotonic() - begun,
    }
    write(results, folder)
    if problems := report.gaps(results):
        sys.exit("The output is not complete:\n" + "\n".join(problems))
    print(f"Done in {results['seconds']:.0f} s: {folder}")


def measure(environments: dict[str, Environment], size: Size) -> dict[str, Rounds]:
    """Every figure of every client, round by round."""
    figures: dict[str, Rounds] = {}
    with server(
        all_models(size.boot_seconds), log_requests=True, stream_timeout=size.stream_timeout
    ) as local:
        suite = Suite(environments, local, size)
        for name, rounds in suite.figures():
            print(f"{name}: measured", flush=True)
            figures[name] = rounds
        figures.update(_of_gateways(environments, local.api_base, size))
    return figures


def _of_gateways(environments: dict[str, Environment], api_base: str, size: Size) -> dict[str, Rounds]:
    groups = [
        {client: environments[client] for client in group if client in environments} for group in GATEWAYS
    ]
    served = {client: environment for group in groups for client, environment in group.items()}
    rounds = in_turn(
        served,
        size.gateway_rounds,
        lambda client: gateway.measure(client, served[client], api_base, size.gateway_requests),
    )
    cpu: Rounds = {}
    for group in groups:
        cpu.update(gateway.measure_cpu(group, api_base, *size.gateway_cpu))
    return {"gateway": rounds, "gateway cpu": cpu}


def write(results: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(report.page(results), encoding="utf-8")
    if find_spec("matplotlib") is None:
        print("No plot: it needs areplicate[bench].")
        return
    from . import charts

    charts.draw_boot(results, folder / "cold_boot.svg")


if __name__ == "__main__":
    main()
