"""Jailed execution of model-written code. There is no level at which it runs unjailed."""

from weighbridge.sandbox.jail import Level, Probe, probe
from weighbridge.sandbox.run import Execution, Limits, run_python

__all__ = ["Execution", "Level", "Limits", "Probe", "probe", "run_python"]
