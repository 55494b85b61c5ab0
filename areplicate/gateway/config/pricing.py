"""What an entry of `model_list` costs: as it says itself, or as Replicate has published."""

from __future__ import annotations

from ...replicate.endpoints import DeploymentEndpoint
from ...schema_lookup.endpoint import endpoint_of
from .place import Place
from .prices import Price, PriceList
from .settings import Prices


def given_price(given: Prices, prices: PriceList, at: Place) -> Price:
    """The price that the configuration says."""
    second = given.input_cost_per_second
    if given.hardware is not None:
        if given.hardware not in prices.hardware:
            why = f"{given.hardware!r} is not known: use one of {', '.join(prices.hardware)}."
            raise (at / "hardware").wrong(why)
        second = prices.hardware[given.hardware] if second is None else second
    return Price(given.input_cost_per_token or 0.0, given.output_cost_per_token or 0.0, second or 0.0)


def warn_of_price(model: str, price: Price | None, at: Place) -> None:
    """Warns of a cost that cannot be counted, or not in full."""
    if "*" in model:
        return
    if price is None:
        at.warn(
            f"The price of {model} is not known: its cost is not counted, and keys with a budget may not use it. Give "
            "its price in model_info: input_cost_per_token and output_cost_per_token, input_cost_per_second, or "
            "hardware."
        )
    elif isinstance(endpoint_of(model), DeploymentEndpoint):
        at.warn(
            f"{model} is a deployment. Replicate also bills its set-up and idle time, and the cost counted here is "
            "only that of the time for which its predictions run."
        )


def doubt(model: str, price: Price | None, is_listed: bool, is_official: bool) -> str | None:
    """What is wrong with a price, now that Replicate has said whether the model is official; None if nothing is."""
    if is_listed and price is not None and not is_official:
        return (
            f"{model} is not an official model (any more): it is billed by the second, and its published price for "
            "tokens does not hold. Say in model_info on which hardware it runs."
        )
    if is_official and not is_listed and price is not None and price.second:
        return f"{model} is an official model, billed by the token: the price by the second in model_info may be wrong."
    return None
