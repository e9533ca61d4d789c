"""Any OpenAI-compatible server as a model, through the `openai` client and without torch.

address.py      what a person calls an endpoint: `openai:gpt-4o`, a URL, a project file's table
prices.py       what its tokens cost
wording.py      the request in the words that this server accepts, learnt once
replies.py      what can come back: an answer, a reason to ask again or for less, or one to stop
bodies.py       a reply with status 200: an answer, or what only looks like one
messages.py     a message's texts, in whatever field they stand
finish.py       the table of finish reasons that are understood
alternatives.py the likeliest first tokens, by their texts
errors.py       an error as servers write it: its words, its code, the status it stands for
failures.py     what an error means for a request
limits.py       what a request asked too much of: context, answer, rate
shortening.py   a request beyond a limit, made shorter
pacing.py       how long to wait, how often to ask again, how many requests at a time
text.py         servers' texts made fit to be kept and shown
spending.py     the cap: the worst case is set aside before a request is sent
answers.py      answers on disk before they are used, so that none is asked or paid for twice
transport.py    HTTP without redirects, bodies bounded as sent and as unpacked
sending.py      one request sent once, and what comes back read
asking.py       one request until it has an answer, asked again where that can help
model.py        all of it behind the protocol that every model has
"""

from weighbridge.models.endpoint.address import EndpointAddress, is_endpoint, read_address
from weighbridge.models.endpoint.model import Endpoint, open_endpoint
from weighbridge.models.endpoint.pacing import Patience
from weighbridge.models.endpoint.prices import find_price
from weighbridge.models.endpoint.spending import SpendingBudget

__all__ = [
    "Endpoint",
    "EndpointAddress",
    "Patience",
    "SpendingBudget",
    "find_price",
    "is_endpoint",
    "open_endpoint",
    "read_address",
]
