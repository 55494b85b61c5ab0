"""Three plots that are read at a glance."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from .plots import new_figure, save
from .report import NAMES, counted

COLOURS = {
    "aiohttp": "0.6",
    "areplicate": "tab:green",
    "litellm": "tab:red",
    "replicate1": "tab:blue",
    "replicate2": "tab:cyan",
}


def draw_all(results: dict[str, Any], folder: Path) -> None:
    draw_overhead(results, folder / "overhead.svg")
    draw_boot(results, folder / "cold_boot.svg")
    draw_cpu(results, folder / "cpu.svg")


def draw_overhead(results: dict[str, Any], path: Path) -> None:
    """Milliseconds that a client adds to the model's time, warm."""
    overhead = {
        client: 1e3 * (statistics.median(seconds for of in rounds for seconds in of["latencies"]) - 0.2)
        for client, rounds in _done(results["figures"]["warm"]).items()
    }
    _bars(overhead, "ms added to a warm call of 200 ms", "{:.1f} ms", path)


def draw_cpu(results: dict[str, Any], path: Path) -> None:
    """CPU of a call in the largest fan-out."""
    name = max(
        (name for name in results["figures"] if name.startswith("fanout")), key=lambda n: int(n.split()[1])
    )
    cpu = {
        client: 1e3 * statistics.median(of["cpu_per_call"] for of in rounds)
        for client, rounds in _done(results["figures"][name]).items()
    }
    _bars(cpu, f"ms of CPU a call, {name.split()[1]} calls at once", "{:.2f} ms", path)


def draw_boot(results: dict[str, Any], path: Path) -> None:
    """How far each client gets through a cold boot, whole and streamed."""
    boot = results["size"]["boot_seconds"]
    figure, axes = new_figure(height=3.2)
    labels = []
    rows = [(client, kind) for client in results["figures"]["boot"] for kind in ("whole", "streamed")]
    for row, (client, kind) in enumerate(reversed(rows)):
        of = results["figures"]["boot"][client][0][kind]
        seconds = of.get("seconds", 0.0)
        right = of.get("outcome") == "right"
        axes.barh(row, seconds, color=COLOURS[client], alpha=1.0 if right else 0.35, height=0.7)
        told = f"answer, {counted(of['requests'], 'request')}" if right else "no answer"
        axes.text(
            seconds + boot / 90, row, told, va="center", fontsize=8, color="black" if right else "tab:red"
        )
        labels.append(f"{NAMES[client]}{', streamed' if kind == 'streamed' else ''}")
    axes.axvline(boot, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlim=(0, 1.4 * max(boot, axes.dataLim.xmax)), xlabel="seconds")
    axes.set_title(f"A cold boot of {boot:g} s (dotted)")
    save(figure, path)


def _bars(values: dict[str, float], title: str, form: str, path: Path) -> None:
    figure, axes = new_figure(height=2.2)
    clients = list(reversed(values))
    bars = axes.barh(
        [NAMES[client] for client in clients],
        [values[client] for client in clients],
        color=[COLOURS[client] for client in clients],
    )
    axes.bar_label(bars, [form.format(values[client]) for client in clients], padding=3)
    axes.margins(x=0.15)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title(title)
    save(figure, path)


def _done(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The rounds that did not fail, of the clients that have any."""
    done = {client: [of for of in each if "failed" not in of] for client, each in rounds.items()}
    return {client: each for client, each in done.items() if each}
