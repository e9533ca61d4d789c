"""Foreign text on a terminal: nothing obeyed, nothing hidden, nothing else changed."""

import json
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.records.printable import printable, printable_json, printable_line

SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
JOINERS = {0x200C, 0x200D}


def test_all_that_unicode_calls_control_or_format_is_spelt_out():
    for code in range(sys.maxunicode + 1):
        kind, char = unicodedata.category(chr(code)), chr(code)
        unseen = kind in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\t\n"
        if unseen and code not in SEEN:
            assert printable(f"a{char}b").isascii(), hex(code)
        elif kind not in ("Lo", "Cn") and code not in JOINERS:
            assert printable(f"a{char}b") == f"a{char}b", hex(code)


def test_sequences_that_terminals_obey_are_words():
    for sequence in (
        "\x1b[2J", "\x1b]0;title\x07", "\x1b]8;;https://x\x1b\\here\x1b]8;;\x1b\\",
        "\x1b]52;c;cm0gLXJmIC8=\x07", "\x9b2J", "\b\b\b",
        "\x9d0;x\x9c", "\x1bP+q\x1b\\", "\r\x1b[K",
    ):  # fmt: skip
        said = printable(sequence)
        assert said.isprintable() and said.isascii()


def test_joiners_stay_where_they_join():
    family, persian = "\U0001f468\u200d\U0001f469", "\u0645\u06cc\u200c\u062e"
    assert printable(family) == family and printable(persian) == persian
    assert printable("gpt\u200d-4 a\u200cb") == "gpt\\u200d-4 a\\u200cb"
    assert printable("\u200d") == "\\u200d"


def test_a_line_forges_no_other():
    assert printable_line("m\nverdict: REPLACE\r\n\tx") == r"m\nverdict: REPLACE\n\tx"


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_json_means_the_same(text):
    said = printable_json(json.dumps({"k": text}, ensure_ascii=False))
    assert json.loads(said) == json.loads(json.dumps({"k": text}))
    assert printable(said) == said
    said.encode()  # no half of a character is left
