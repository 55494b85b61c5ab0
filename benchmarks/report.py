"""The results as a page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
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

Round = dict[str, Any]


class Row(NamedTuple):
    """One line of the table: the median over rounds, and how many times the bare client's."""

    label: str
    figure: str
    read: Callable[[Round], float | None]
    digits: int
    compared: bool = True


def rows(results: dict[str, Any]) -> list[Row]:
    fanouts = [name for name in results["figures"] if name.startswith("fanout")]
    return [
        Row(
            "warm call of 0.2 s: overhead, ms",
            "warm",
            lambda of: 1e3 * (statistics.median(of["latencies"]) - 0.2),
            1,
            False,
        ),
        Row("the same: CPU a call, ms", "warm", lambda of: 1e3 * of["cpu_per_call"], 2),
        Row("HTTP requests a warm call", "warm", lambda of: of["requests_per_call"], 1, False),
        *(row for name in fanouts for row in _fan_out(name)),
        Row(
            "first streamed token (the model's comes at 50 ms), ms",
            "stream",
            lambda of: 1e3 * statistics.median(of["first"]),
            0,
            False,
        ),
        Row(
            "longest gap between tokens (the model: 50 ms), ms",
            "stream",
            lambda of: 1e3 * statistics.median(of["longest_gap"]),
            0,
            False,
        ),
        Row("50 streams at once: CPU a piece, us", "streams", lambda of: 1e6 * of["cpu_per_piece"], 0),
        Row("open streams: memory of each, KB", "open streams", lambda of: 1e3 * of["memory_per_stream"], 0),
        Row("import of what a call needs, CPU s", "import", lambda of: of["cpu"], 2),
    ]


def _fan_out(name: str) -> list[Row]:
    count = name.split()[1]

    return [
        Row(f"{count} calls of 0.5 s at once: wall, s", name, lambda of: of["wall"], 2),
        Row("the same: CPU a call, ms", name, lambda of: 1e3 * of["cpu_per_call"], 2),
        Row("the same: peak memory, MB", name, lambda of: of["memory_peak"], 0),
        Row(
            "the same: answers not right", name, lambda of: of["wrong"] + sum(of["errors"].values()), 0, False
        ),
    ]


def page(results: dict[str, Any]) -> Iterator[str]:
    """Lines of Markdown."""
    of = results["machine"]
    clients = list(results["clients"])
    yield "# Side by side"
    yield ""
    yield (
        f"{of['processor']}, {of['cores']} cores, {of['memory_gb']} GB; {of['system']}; Python {of['python']}; "
        f"{of['taken']}{_load(of)}; {results['seconds'] / 60:.0f} minutes. Each client in a process of its own on "
        f"{results['loop']}, in turn, against one stand-in for Replicate on the same machine. Medians over the "
        "rounds; in brackets how many times the bare client's, the median of the ratios round by round. CPU is "
        "the client's process alone, user and system. Made by `python -m benchmarks`; every round is in "
        "[results.json](results.json)."
    )
    yield ""
    yield (
        "| |"
        + "|".join(
            f" {INSTALLATIONS[client].package} {results['clients'][client]['version']} " for client in clients
        )
        + "|"
    )
    yield "| --- |" + " --: |" * len(clients)
    for row in rows(results):
        yield f"| {row.label} |" + "|".join(f" {_cell(results, row, client)} " for client in clients) + "|"
    seconds = results["size"]["boot_seconds"]
    silence = results["size"]["stream_timeout"]
    for kind, label in (
        ("whole", f"a cold boot of {seconds:g} s"),
        ("streamed", f"the same streamed, where streams time out after {silence:g} s"),
    ):
        boots = results["figures"]["boot"]
        yield f"| {label} |" + "|".join(f" {_boot(boots[client][0][kind])} " for client in clients) + "|"
    cancelled = results["size"]["cancelled"]
    left = results["figures"]["cancel"]
    yield (
        f"| left running of {cancelled} whose callers were cancelled |"
        + "|".join(f" {_get(left[client][0], 'left_running')} " for client in clients)
        + "|"
    )
    yield (
        "| installed with dependencies, MB |"
        + "|".join(f" {_size(results['clients'][client]['size'])} " for client in clients)
        + "|"
    )
    yield from _warm_path(results)
    yield from bulk.page(results["job"])
    yield from _ledger(results, clients)
    yield from _gateways(results)
    if failed := list(failures(results)):
        yield from ("", "## Rounds that failed, and are in no median", "", *failed)
    yield from ("", "## Settings", "")
    yield from (f"- {NAMES[client]}: {SETTINGS[client]}." for client in clients)


def gaps(results: dict[str, Any]) -> list[str]:
    """What is missing: figures that a client should have and has not."""
    table = rows(results)
    missing = [
        f"{row.figure}: {client}: {row.label}"
        for row in table
        for client in results["clients"]
        if median(results, row, client) is None
    ]
    return (
        missing
        + list(broken_promises(results))
        + [
            f"{figure}: {client}: {rounds[0]['failed']}"
            for figure, found in results["figures"].items()
            for client, rounds in found.items()
            if rounds and all("failed" in of for of in rounds)
        ]
    )


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
    found = [_read(row, of) for of in results["figures"][row.figure].get(client, ())]
    values = [value for value in found if value is not None]
    return statistics.median(values) if values else None


def times_bare(results: dict[str, Any], row: Row, client: str) -> float | None:
    """How many times the bare client's: the median of the ratios, round by round."""
    figures = results["figures"][row.figure]
    if client == BARE or BARE not in figures:
        return None
    pairs = zip(figures[client], figures[BARE], strict=True)
    found = [(_read(row, ours), _read(row, bare)) for ours, bare in pairs]
    ratios = [ours / bare for ours, bare in found if ours is not None and bare]
    return statistics.median(ratios) if ratios else None


def counted(count: int, thing: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _read(row: Row, of: Round) -> float | None:
    return None if "failed" in of else row.read(of)


def _cell(results: dict[str, Any], row: Row, client: str) -> str:
    value = median(results, row, client)
    if value is None:
        return "failed"
    ratio = times_bare(results, row, client) if row.compared else None
    return f"{value:.{row.digits}f}" + (f" ({ratio:.1f})" if ratio is not None else "")


def _load(machine: dict[str, Any]) -> str:
    return f"; load average before {machine['load']:.1f}" if "load" in machine else ""


def _get(of: Round, key: str) -> str:
    return str(of.get(key, "failed"))


def _size(size: float | None) -> str:
    return "-" if size is None else f"{size:.0f}"


def _boot(of: Round) -> str:
    if "late" in of:
        return f"{of['late']:.2f} s late, {counted(of['requests'], 'request')}"
    return f"**{of['outcome']}** after {of['seconds']:.0f} s" if "outcome" in of else "failed"


def _warm_path(results: dict[str, Any]) -> Iterator[str]:
    ours, bare = (results["warm_path"][key] for key in ("ours", "bare"))
    calls, rounds, processes = results["size"]["warm_path"]
    yield from ("", "## The CPU of a warm call", "")
    yield (
        f"A model that answers at once, one call after another: "
        f"{1e6 * statistics.median(ours):.0f} us a call against the bare client's "
        f"{1e6 * statistics.median(bare):.0f}, {ratio(ours, bare):.2f} times as much (medians over {rounds} "
        f"rounds of {calls} calls in each of {processes} processes, `python -m benchmarks.warm_call`)."
    )


def _ledger(results: dict[str, Any], clients: list[str]) -> Iterator[str]:
    columns = ("asked", "right", "wrong", "errors", "created", "left_running", "wall")
    yield from ("", "## A fault campaign", "")
    yield (
        f"{FAULTS.create_error:.0%} of creations are answered 502, {FAULTS.create_reset:.0%} are reset before and "
        f"{FAULTS.create_lost:.0%} after the prediction was made, and {FAULTS.get_error:.0%} of looks at "
        "predictions fail. Each client with the retries that it has by default."
    )
    yield ""
    yield "| | asked | right | wrong | errors | predictions created | left running | wall, s |"
    yield "| --- |" + " --: |" * len(columns)
    for client in clients:
        of = results["figures"]["faults"][client][0]
        if "failed" in of:
            yield f"| {NAMES[client]} | failed |" + " |" * (len(columns) - 1)
            continue
        cells = {**of, "errors": sum(of["errors"].values()), "wall": f"{of['wall']:.1f}"}
        yield f"| {NAMES[client]} |" + "|".join(f" {cells[column]} " for column in columns) + "|"


def _gateways(results: dict[str, Any]) -> Iterator[str]:
    served: dict[str, list[Round]] = results["figures"]["gateway"]
    rows = (
        ("start until it answers, s", "start", 1, 1),
        ("memory after the load, MB", "memory", 1, 0),
        ("CPU a request, ms", "cpu_per_request", 1e3, 2),
        ("first streamed token (the model's comes at 50 ms), ms", "first_token", 1e3, 0),
        ("100 in flight, model of 0.2 s: p50, ms", "p50", 1e3, 0),
        ("the same: p99, ms", "p99", 1e3, 0),
    )
    yield from ("", "## Gateways, one process each", "")
    yield "| |" + "|".join(f" {NAMES[client]} " for client in served) + "|"
    yield "| --- |" + " --: |" * len(served)
    for label, key, scale, digits in rows:
        cells = []
        for rounds in served.values():
            found = [of[key] for of in rounds if key in of]
            cells.append(f"{scale * statistics.median(found):.{digits}f}" if found else "failed")
        yield f"| {label} |" + "|".join(f" {cell} " for cell in cells) + "|"
    ours, bare = (served.get(client, []) for client in ("areplicate", BARE))
    pairs = [
        (a["cpu_per_request"], b["cpu_per_request"])
        for a, b in zip(ours, bare, strict=False)
        if "failed" not in a and "failed" not in b
    ]
    if pairs:
        yield f"| areplicate's CPU over the bare proxy's | {ratio(*zip(*pairs, strict=True)):.2f} |"
    further = [_size(results["clients"][client]["size_further"]) for client in served]
    yield "| installed with what the gateway needs, MB |" + "|".join(f" {cell} " for cell in further) + "|"
