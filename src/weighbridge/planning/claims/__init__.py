"""The article's quantitative sentences, each as a function of a day.

- `article/`: one file a sentence; the folder is the list. Each defines `CLAIM`.
- `claim`: what such a file defines, and what its function returns.
- `serving_cost`: measured serving cost against a 70B's, for the rows of the article's table.
"""

from weighbridge.planning.claims.claim import Claim, Finding
from weighbridge.planning.claims.registry import check_claims, claim_names, find_claim

__all__ = ["Claim", "Finding", "check_claims", "claim_names", "find_claim"]
