"""Fit to release: gates over sealed evidence, and a bundle that a stranger can verify offline.

Nothing here needs torch. What is measured is measured elsewhere; here it is only weighed.
"""
