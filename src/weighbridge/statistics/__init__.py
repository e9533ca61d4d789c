"""Aggregates by name, intervals, paired tests, audits of judges: functions of scored samples."""

from weighbridge.statistics.aggregates import AGGREGATES, estimate, group_means, pass_at_k
from weighbridge.statistics.intervals import clustered_standard_error, mean_interval, wilson
from weighbridge.statistics.paired import check_margin, compare
from weighbridge.statistics.protocol_offset import across_protocols, protocol_offset

__all__ = [
    "AGGREGATES",
    "across_protocols",
    "check_margin",
    "clustered_standard_error",
    "compare",
    "estimate",
    "group_means",
    "mean_interval",
    "pass_at_k",
    "protocol_offset",
    "wilson",
]
