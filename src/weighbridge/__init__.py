"""Weighbridge: weigh an open model against the one you pay for, and say with evidence what you saw.

The folder list is the glossary; the README's tree explains each folder in one clause.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
