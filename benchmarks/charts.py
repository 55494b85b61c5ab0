"""How each client gets through a cold boot, read at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rcParams  # type: ignore[import-not-found,unused-ignore]
from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

from .report import NAMES, counted

# with a salt, the same figure is the same file each time:
rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "areplicate", "font.size": 9})
COLOURS = {
    "aiohttp": "0.6",
    "areplicate": "tab:green",
    "litellm": "tab:red",
    "replicate1": "tab:blue",
    "replicate2": "tab:cyan",
}


def draw_boot(results: dict[str, Any], path: Path) -> None:
    """How far each client gets through a cold boot, whole and streamed."""
    boot = results["size"]["boot_seconds"]
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    labels = []
    rows = [(client, kind) for client in results["figures"]["boot"] for kind in ("whole", "streamed")]
    for row, (client, kind) in enumerate(reversed(rows)):
        of = results["figures"]["boot"][client][0][kind]
        seconds = of.get("seconds", 0.0)
        right = of.get("outcome") == "right"
        axes.barh(row, seconds, color=COLOURS[client], alpha=1.0 if right else 0.35, height=0.7)
        caption = f"answer, {counted(of['requests'], 'request')}" if right else "no answer"
        axes.text(
            seconds + boot / 90, row, caption, va="center", fontsize=8, color="black" if right else "tab:red"
        )
        labels.append(f"{NAMES[client]}{', streamed' if kind == 'streamed' else ''}")
    axes.axvline(boot, color="black", linestyle=":", linewidth=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlim=(0, 1.4 * max(boot, axes.dataLim.xmax)), xlabel="seconds")
    axes.set_title(f"A cold boot of {boot:g} s (dotted)")
    figure.savefig(path, metadata={"Date": None})
