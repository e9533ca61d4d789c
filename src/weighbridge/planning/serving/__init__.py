"""Forecasts serving: what a model takes and how fast it is, calibrated on published measurements.

- `forecast` makes a plan; `trace` finds the batch that serves a log's requests within goals.
- The model: `precision`, `footprint` (bytes and operations), `layout` (how it is spread), `costs`
  (what a step takes on the hardware) and `batches` (how many sequences run at once).
- The calibration: `measurements` are read and `calibration` fits constants to them, which
  `efficiency` holds; `validation` measures errors where constants were not fitted.
"""
