"""`areplicate models search`: Replicate's own search."""

from __future__ import annotations

import anyio
import click
from rich.console import Console
from rich.table import Table

from ..errors import APIError
from ..replicate.protocol.models import FoundModel
from ..router import AsyncRouter


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 50), help="The most models.")
@click.option("--api-base", help="Where the API is, such as http://127.0.0.1:4100/v1.")
def search(words: tuple[str, ...], limit: int, api_base: str | None) -> None:
    """Search Replicate's models for WORDS. This needs a key."""
    query = " ".join(words)

    async def found() -> list[FoundModel]:
        async with AsyncRouter(api_base=api_base) as router:
            return await router.search_models(query, limit)

    try:
        models = anyio.run(found)
    except APIError as error:
        raise click.ClickException(str(error)) from error
    if not models:
        raise click.ClickException(f"Replicate finds no model for {query!r}.")
    table = Table("model", "runs", "what it is", box=None)
    for model in models:
        table.add_row(f"{model.owner}/{model.name}", f"{model.run_count or 0:,}", model.description or "")
    Console().print(table)
