"""What a model's tokens cost: by the project file, or else by `genai-prices`.

The package carries a dated list; nothing is fetched. Prices for a batch, a service tier, audio or
images are left out: requests are sent one by one, and are text.
"""

from datetime import datetime

from weighbridge.catalog.api_prices import list_name, rates_of
from weighbridge.models.endpoint.address import EndpointAddress
from weighbridge.records import Price


def find_price(address: EndpointAddress, when: datetime) -> Price | None:
    """Return a model's price at a moment; None if it is unknown.

    Args:
        address: The model. Only the price of its own provider counts: the same model costs
            something else elsewhere.
        when: Prices change; the one that holds then is taken.
    """
    if address.price is not None:
        return address.price
    from genai_prices.data_snapshot import get_snapshot

    try:
        provider, model = get_snapshot().find_provider_model(
            address.model, None, None, address.base_url
        )
    except LookupError:
        return None
    listed = model.get_prices(when)
    if listed.input_mtok is None or listed.output_mtok is None:
        return None
    return Price(rates_of(listed), f"{list_name()}: {provider.id}/{model.id}")
