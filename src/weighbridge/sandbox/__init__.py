"""Jailed execution of model-written code. There is no level at which it runs unjailed."""

from weighbridge.sandbox.calibration import run_calibrated
from weighbridge.sandbox.function import FunctionTest, check_function
from weighbridge.sandbox.jail import Level, Probe, probe
from weighbridge.sandbox.limits import Execution, Limits
from weighbridge.sandbox.parsing import Source, look_at
from weighbridge.sandbox.program import run_python

__all__ = [
    "Execution",
    "FunctionTest",
    "Level",
    "Limits",
    "Probe",
    "Source",
    "check_function",
    "look_at",
    "probe",
    "run_calibrated",
    "run_python",
]
