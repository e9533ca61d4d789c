"""Where the candidate's weights are: the tuned model's, or those that the project starts from."""

from weighbridge.models.endpoint import EndpointAddress
from weighbridge.project.stage import MERGED, TUNED, Work
from weighbridge.project.tuning import tuned_weights
from weighbridge.sources.weights import WeightsLocation, find_weights


def candidate_of(work: Work) -> WeightsLocation | EndpointAddress:
    """Return what is weighed: merged, or adapter on base, or the base where nothing was tuned."""
    location, tuned = work.plan.base, work.results.get(TUNED)
    if tuned is None:
        return location
    assert isinstance(location, WeightsLocation)
    merged = work.results.get(MERGED)
    return tuned_weights(location, tuned) if merged is None else find_weights(str(merged.path))
