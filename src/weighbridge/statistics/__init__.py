"""Aggregates by name, intervals, paired tests: pure functions of scored samples."""

from weighbridge.statistics.aggregates import AGGREGATES, estimate, group_means
from weighbridge.statistics.intervals import clustered_standard_error, mean_interval, wilson
from weighbridge.statistics.paired import compare
from weighbridge.statistics.pass_at_k import pass_at_k

__all__ = [
    "AGGREGATES",
    "clustered_standard_error",
    "compare",
    "estimate",
    "group_means",
    "mean_interval",
    "pass_at_k",
    "wilson",
]
