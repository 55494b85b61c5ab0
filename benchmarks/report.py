"""The results as a page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from . import bulk
from .environments import INSTALLATIONS
from .stand import ratio
from .suite import FAULTS

NAMES = {
    "aiohttp": "bare aiohttp",
    "areplicate": "areplicate",
    "litellm": "LiteLLM",
    "replicate1": "replicate 1",
    "replicate2": "replicate 2 beta",
}
SETTINGS = {
    "aiohttp": "hand-written calls, unlimited pool; no retries, no limits, no cold boot beyond 60 s",
    "areplicate": "one `AsyncRouter` with `creations_per_minute=1e9, others_per_minute=1e9`, since the stand-in "
    "enforces no limit; else as it is",
    "litellm": "`acompletion`; its provider ignores `api_base`, so its URL builder is redirected in the process; "
    "unlimited pool; no download of prices and tokenizers; polls as it does by default",
    "replicate1": "`Client.async_run` and `async_stream`; calls queue for 100 turns in front of it, since its pool's "
    "time grows with the square of the requests that queue there",
    "replicate2": "`AsyncReplicate.run` on its aiohttp transport, unlimited pool, time-out 120 s; its streaming "
    "function with one shared client, where its own `use` makes one for each request",
}
BARE = "aiohttp"
FIRST_TOKEN = "first streamed token (the model's comes at 50 ms)"

Round = dict[str, Any]


class Row(NamedTuple):
    """One line of a table: the median over the rounds, and how many times the bare client's."""

    label: str
    figure: str
    read: Callable[[Round], float]
    digits: int = 0
    compared: bool = False


def rows(results: dict[str, Any]) -> list[Row]:
    fanouts = [name for name in results["figures"] if name.startswith("fanout")]
    return [
        Row(
            "warm call of 0.2 s: overhead, ms",
            "warm",
            lambda of: 1e3 * (statistics.median(of["latencies"]) - 0.2),
            1,
        ),
        Row("the same: CPU a call, ms", "warm", lambda of: 1e3 * of["cpu_per_call"], 2, True),
        Row("HTTP requests a warm call", "warm", lambda of: of["requests_per_call"], 1),
        *(row for name in fanouts for row in _fan_out(name)),
        Row(f"{FIRST_TOKEN}, ms", "stream", lambda of: 1e3 * statistics.median(of["first"])),
        Row(
            "longest gap between tokens (the model: 50 ms), ms",
            "stream",
            lambda of: 1e3 * statistics.median(of["longest_gap"]),
        ),
        Row("50 streams at once: CPU a piece, us", "streams", lambda of: 1e6 * of["cpu_per_piece"], 0, True),
        Row(
            "open streams: memory of each, KB",
            "open streams",
            lambda of: 1e3 * of["memory_per_stream"],
            0,
            True,
        ),
        Row("import of what a call needs, CPU s", "import", lambda of: of["cpu"], 2, True),
    ]


def _fan_out(name: str) -> list[Row]:
    return [
        Row(f"{name.split()[1]} calls of 0.5 s at once: wall, s", name, lambda of: of["wall"], 2, True),
        Row("the same: CPU a call, ms", name, lambda of: 1e3 * of["cpu_per_call"], 2, True),
        Row("the same: peak memory, MB", name, lambda of: of["memory_peak"], 0, True),
        Row("the same: answers not right", name, lambda of: of["wrong"] + sum(of["errors"].values())),
    ]


GATEWAY_ROWS = (
    Row("start until it answers, s", "gateway", lambda of: of["start"], 1),
    Row("memory after the load, MB", "gateway", lambda of: of["memory"]),
    Row("CPU a request, ms", "gateway cpu", lambda of: 1e3 * of["cpu_per_request"], 2, True),
    Row("CPU a stream, ms", "gateway cpu", lambda of: 1e3 * of["cpu_per_stream"], 2, True),
    Row(f"{FIRST_TOKEN}, ms", "gateway", lambda of: 1e3 * of["first_token"]),
    Row("100 in flight, model of 0.2 s: p50, ms", "gateway", lambda of: 1e3 * of["p50"]),
    Row("the same: p99, ms", "gateway", lambda of: 1e3 * of["p99"]),
)


def page(results: dict[str, Any]) -> str:
    """All of it, in Markdown."""
    sections = (_side_by_side(results), _warm_path(results), bulk.section(results["job"]), _ledger(results))
    lines = [line for section in (*sections, _gateways(results)) for line in (*section, "")]
    if failed := list(failures(results)):
        lines += ["## Rounds that failed, and are in no median", "", *failed, ""]
    lines += ["## Settings", ""]
    lines += [f"- {NAMES[client]}: {SETTINGS[client]}." for client in results["clients"]]
    return "\n".join(lines) + "\n"


def _side_by_side(results: dict[str, Any]) -> Iterator[str]:
    of, clients, figures = results["machine"], results["clients"], results["figures"]
    yield "# Side by side"
    yield ""
    yield (
        f"{of['processor']}, {of['cores']} cores, {of['memory_gb']} GB; {of['system']}; Python {of['python']}; "
        f"{of['taken']}; load average before {of['load']:.1f}; {results['seconds'] / 60:.0f} minutes. Each client in a "
        "process of its own on uvloop, in turn, against one stand-in for Replicate on the same machine. Medians over the "
        "rounds; in brackets how many times the bare client's, the median of the ratios round by round. CPU is "
        "the client's process alone, user and system. Made by `python -m benchmarks`; every round is in "
        "[results.json](results.json)."
    )
    yield ""
    size = results["size"]
    boots = {
        "whole": f"a cold boot of {size['boot_seconds']:g} s",
        "streamed": f"the same streamed, where streams time out after {size['stream_timeout']:g} s",
    }
    yield from _table(
        [f"{INSTALLATIONS[client].package} {about['version']}" for client, about in clients.items()],
        *(_row(results, row, clients) for row in rows(results)),
        *(
            (label, *(_boot(figures["boot"][client][0][kind]) for client in clients))
            for kind, label in boots.items()
        ),
        (
            f"left running of {size['cancelled']} whose callers were cancelled",
            *(figures["cancel"][client][0].get("left_running", "failed") for client in clients),
        ),
        ("installed with dependencies, MB", *(_size(about["size"]) for about in clients.values())),
    )


def gaps(results: dict[str, Any]) -> list[str]:
    """What is missing: figures that a client should have and has not, and promises that are not kept."""
    missing = [
        f"{figure}: {client}: {rounds[0]['failed']}"
        for figure, found in results["figures"].items()
        for client, rounds in found.items()
        if all("failed" in of for of in rounds)
    ]
    return [*missing, *broken_promises(results)]


def broken_promises(results: dict[str, Any]) -> Iterator[str]:
    """Where areplicate's own answers are not those that README promises, whatever the machine."""
    found = {name: rounds.get("areplicate", [{}])[0] for name, rounds in results["figures"].items()}
    boot, faults = found["boot"], found["faults"]
    for what, kept in (
        ("a warm call is one request", found["warm"].get("requests_per_call") == 1),
        ("an answer through a cold boot", all(boot[kind].get("outcome") == "right" for kind in boot)),
        ("nothing left running", found["cancel"].get("left_running") == 0),
        ("nothing is paid twice", faults.get("created", 1) <= faults.get("right", 0)),
    ):
        if not kept and "areplicate" in results["clients"]:
            yield f"areplicate does not keep its promise: {what}"


def failures(results: dict[str, Any]) -> Iterator[str]:
    """Lines of Markdown: the rounds that failed, which are in no median."""
    for figure, found in results["figures"].items():
        for client, rounds in found.items():
            failed = [of["failed"] for of in rounds if "failed" in of]
            if failed:
                yield (
                    f"- {figure}, {NAMES[client]}: {len(failed)} of {counted(len(rounds), 'round')}: {failed[0]}"
                )


def median(results: dict[str, Any], row: Row, client: str) -> float | None:
    """Over the rounds; None where the client has none."""
    values = [row.read(of) for of in results["figures"][row.figure].get(client, ()) if "failed" not in of]
    return statistics.median(values) if values else None


def times_bare(results: dict[str, Any], row: Row, client: str) -> float | None:
    """How many times the bare client's, of the rounds in which neither failed."""
    figures = results["figures"][row.figure]
    if client == BARE or BARE not in figures:
        return None
    whole = [
        (row.read(ours), row.read(bare))
        for ours, bare in zip(figures[client], figures[BARE], strict=True)
        if "failed" not in ours and "failed" not in bare
    ]
    comparable = [(ours, bare) for ours, bare in whole if bare]
    return ratio(*zip(*comparable, strict=True)) if comparable else None


def counted(count: int, thing: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _table(head: Iterable[object], *rows: Iterable[object]) -> Iterator[str]:
    """A table whose first column names its rows."""
    columns = list(head)
    for row in (("", *columns), ("---", *("--:" for _ in columns)), *rows):
        yield "|" + "|".join(f" {cell} " if cell != "" else " " for cell in row) + "|"


def _row(results: dict[str, Any], row: Row, clients: Iterable[str]) -> tuple[str, ...]:
    return (row.label, *(_cell(results, row, client) for client in clients))


def _cell(results: dict[str, Any], row: Row, client: str) -> str:
    value = median(results, row, client)
    if value is None:
        return "failed"
    times = times_bare(results, row, client) if row.compared else None
    return f"{value:.{row.digits}f}" + (f" ({times:.1f})" if times is not None else "")


def _size(size: float | None) -> str:
    return "-" if size is None else f"{size:.0f}"


def _boot(of: Round) -> str:
    if "late" in of:
        return f"{of['late']:.2f} s late, {counted(of['requests'], 'request')}"
    return f"**{of['outcome']}** after {of['seconds']:.0f} s" if "outcome" in of else "failed"


def _warm_path(results: dict[str, Any]) -> Iterator[str]:
    ours, bare = (results["warm_path"][key] for key in ("ours", "bare"))
    calls, rounds, processes = results["size"]["warm_path"]
    yield from ("## The CPU of a warm call", "")
    yield (
        f"A model that answers at once, one call after another: {1e6 * statistics.median(ours):.0f} us a call against the bare "
        f"client's {1e6 * statistics.median(bare):.0f}, {ratio(ours, bare):.2f} times as much (medians over {rounds} "
        f"rounds of {calls} calls in each of {processes} processes, `python -m benchmarks.warm_call`)."
    )


def _ledger(results: dict[str, Any]) -> Iterator[str]:
    yield from ("## A fault campaign", "")
    yield (
        f"{FAULTS.create_error:.0%} of creations are answered 502, {FAULTS.create_reset:.0%} are reset before and "
        f"{FAULTS.create_lost:.0%} after the prediction was made, and {FAULTS.get_error:.0%} of looks at "
        "predictions fail. Each client with the retries that it has by default."
    )
    yield ""
    yield from _table(
        ("asked", "right", "wrong", "errors", "predictions created", "left running", "wall, s"),
        *((NAMES[client], *_ledger_of(rounds[0])) for client, rounds in results["figures"]["faults"].items()),
    )


def _ledger_of(of: Round) -> tuple[object, ...]:
    if "failed" in of:
        return ("failed", *6 * [""])
    errors, wall = sum(of["errors"].values()), f"{of['wall']:.1f}"
    return of["asked"], of["right"], of["wrong"], errors, of["created"], of["left_running"], wall


def _gateways(results: dict[str, Any]) -> Iterator[str]:
    served = list(results["figures"]["gateway"])
    further = [_size(results["clients"][client]["size_further"]) for client in served]
    yield from ("## Gateways, one process each", "")
    yield from _table(
        (NAMES[client] for client in served),
        *(_row(results, row, served) for row in GATEWAY_ROWS),
        ("installed with what the gateway needs, MB", *further),
    )
