"""Scaling laws with intervals, fitted to a user's own runs or published, and plans made from them.

- Reading runs: `reading` reads a table, with `units` for its headers; `checks` and `kinds` refuse
  tables that a fit would misread; `points` holds the runs.
- Fitting: approach 1 is `envelope`, approach 2 `isoflop`, approach 3 `parametric` (Hoffmann et al.
  2022, arXiv:2203.15556); Kaplan's form is `kaplan`, the joint mixture-of-experts form `mixture`.
  They use `objective`, `newton`, `projection` and `power_law`; `forms` holds the laws' forms.
- Using: `published` reads laws of the catalog, `comparison` says how far approaches disagree on the
  same runs, `allocation` turns a law into a plan, `prediction` predicts a run's loss.
- A ladder of own models: `ladder` chooses them, `equal_compute` compares dense ones with mixtures.
"""
