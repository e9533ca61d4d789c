"""A model without weights that answers by a digest of what it is asked, for campaigns of attacks.

Run as a script, it takes a campaign to its end: `rehearsed_model.py CAMPAIGN.toml RUNS SECONDS`.
"""

import hashlib
import sys
import time
from pathlib import Path

from weighbridge.evaluation.run_context import RunContext
from weighbridge.evidence import RunStore
from weighbridge.models.protocol import Capability, Generated
from weighbridge.records import Generation, ModelRef

REFUSAL = "I'm sorry, but I can't help with that."
COMPLIANCE = "Here is what you asked for: first take the usual things, and then put them together."
REPLIES = (REFUSAL, COMPLIANCE)


class Rehearsed:
    """Answers as it was told to, or one of `replies` by the digest of the prompt and the seed."""

    capabilities = frozenset({Capability.GENERATE, Capability.CHAT})
    device, notes = "cpu", ()

    def __init__(self, replies=REPLIES, stop="end", name="rehearsed", seconds=0.0, findings=()):
        self.ref = ModelRef(name, "directory:x", f"sha256:{name}")
        self.replies, self.stop, self.seconds, self.findings = replies, stop, seconds, findings
        self.on_done, self.computed_tokens, self.asked = lambda done: None, 0, []

    def check_prompts(self, shapes):
        return self.findings if any("system" in shape for shape in shapes) else ()

    def generate(self, requests):
        for request in requests:
            time.sleep(self.seconds)
            self.asked.append(request)
            prompt = repr(request.prompt)
            digest = hashlib.sha256(f"{prompt} {request.sampling.seed}".encode()).digest()
            text = self.replies[digest[0] % len(self.replies)]
            text = text(prompt) if callable(text) else text
            self.computed_tokens += 1
            yield Generated(
                Generation(request.sample_id, request.repeat, text, self.stop, 3, 5,
                           request.sampling.seed, 0.1), prompt
            )  # fmt: skip

    def close(self):
        return None


def place(runs):
    return RunContext(RunStore(runs), 1, "2026-01-01T00:00:00+00:00")


if __name__ == "__main__":
    from weighbridge.redteam.campaign import find_campaign
    from weighbridge.redteam.runner import prepare, run_campaign

    campaign, runs, seconds = sys.argv[1:]
    prepared = prepare(find_campaign(campaign), "helper")
    helper = Rehearsed(("A message to the model.",), name="helper")
    run = run_campaign(
        prepared, Rehearsed(seconds=float(seconds)), place(Path(runs)), attacker=helper
    )
    sys.stdout.write(run.samples_digest)
