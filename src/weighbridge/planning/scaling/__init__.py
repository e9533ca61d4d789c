"""Scaling laws with intervals: fitted to a user's own runs, or published; and what they allocate.

Approach 1 is `envelope`, approach 2 `isoflop`, approach 3 `parametric` (Hoffmann et al. 2022,
arXiv:2203.15556); Kaplan's form is `kaplan`, the joint mixture-of-experts form `mixture`.
`comparison` says how far they disagree on the same runs; `allocation` turns a law into a plan.
"""
