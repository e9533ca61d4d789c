"""A user's own benchmark: a TOML of ten lines over a JSONL, CSV or Parquet file, no code.

    name = "tickets"              # letters, digits, _ and -
    data = "test.jsonl"           # beside this file
    prompt = "Classify: {text}"   # columns in braces; or: messages = "messages"
    target = "label"              # the column with the right answer
    scorer = "exact"              # how it is judged; may be left out where other keys tell

The ways of judging are the files of `kinds/`. With `messages`, a row's column holds chat turns;
where they end in an assistant's and no `target` is named, that turn is the right answer, so a
fine-tuning file serves as it is.
"""

from weighbridge.evaluation.own.reading import read_own_benchmark

__all__ = ["read_own_benchmark"]
