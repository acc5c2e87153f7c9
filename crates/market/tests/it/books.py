"""Reads books with beancount, checks them, and says what every account comes to and what was said of each transaction."""

import collections
import decimal
import json
import sys

from beancount import loader
from beancount.core import data

entries, errors, _ = loader.load_file(sys.argv[1])
balances = collections.defaultdict(decimal.Decimal)
said = []
for entry in entries:
    if isinstance(entry, data.Open):
        balances[entry.account] += 0
    if isinstance(entry, data.Transaction):
        said.append([entry.payee, entry.narration, sorted(entry.links), entry.meta.get("id"), entry.meta.get("order")])
        for posting in entry.postings:
            balances[posting.account] += posting.units.number
json.dump(
    {
        "errors": [error.message for error in errors],
        "balances": {account: str(balance) for account, balance in balances.items()},
        "said": said,
    },
    sys.stdout,
)
