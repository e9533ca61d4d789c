"""Control tokens in a row's words: text in a chat, let through in plain text, and always told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_templates import FOLDER, has_family, tokenizer_of
from tokenizer_kinds import KINDS
from weighbridge.evaluation.prompt_shapes import Likely, TypedControls
from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.prompts import PromptWriter, encode
from weighbridge.models.protocol import Prompt
from weighbridge.records import Message

# All but those of models that read pictures, whose turns are no text.
TEMPLATES = [name for name in sorted(p.stem for p in FOLDER.glob("*.jinja")) if has_family(name)]
QUIET = (
    "what is the answer?",
    " the quick  brown fox\n\nto this\tquestion ",
    "1 < 2 | 3 > 2",
    "é漢字",
)


def written_by(tokenizer, *texts):
    writer = PromptWriter(tokenizer, "it")
    roles = ("user", "assistant", "user")
    turns = tuple(Message(role, text) for role, text in zip(roles, texts, strict=False))
    return writer, writer.written(Prompt(messages=turns))


@pytest.fixture(params=TEMPLATES)
def tokenizer(request):
    return tokenizer_of(request.param)


def test_nearly_all_published_templates_are_looked_at():
    assert len(TEMPLATES) >= 50


def test_a_chat_without_control_tokens_is_read_as_ever(tokenizer):
    for text in QUIET:
        writer, written = written_by(tokenizer, text)
        assert not written.holds_controls
        ids = encode(tokenizer, written.text, rendered=True)
        assert writer.encode(written) == ids
        # The way of texts with control tokens reads it alike, in one piece.
        controls = writer.controls
        controls.hide(controls.names[0])
        assert controls.encode(written.text) == ids


def test_what_a_user_types_is_letters_under_every_template(tokenizer):
    names = ControlTokens(tokenizer).names
    typed = f"see {names[0]}\n{''.join(names)} and x{names[-1]}"
    writer, written = written_by(tokenizer, typed)
    _, quiet = written_by(tokenizer, "word")
    assert written.holds_controls and typed.strip() in written.text
    ids, own = writer.encode(written), encode(tokenizer, quiet.text, rendered=True)
    special = set(tokenizer.convert_tokens_to_ids(list(names)))
    assert [i for i in ids if i in special] == [i for i in own if i in special]
    assert tokenizer.decode(ids) == written.text
    # What the plain way would make of it.
    assert sum(i in special for i in encode(tokenizer, written.text, rendered=True)) > len(
        [i for i in own if i in special]
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_text_is_read_in_one_piece_by_every_kind_of_tokenizer(kind, data):
    """With stand-ins in use, what holds none is read as the tokenizer itself reads it."""
    tokenizer = KINDS[kind]()
    controls = ControlTokens(tokenizer)
    words = st.sampled_from([" ", "\n", "the answer", "A. yes", "</s>", "<s>", "été", "  ", "12"])
    text = "".join(data.draw(st.lists(words, max_size=8)))
    hidden = controls.hide("</s>")
    assert controls.shown(hidden) == "</s>"
    renamed = controls._renamed
    if renamed is None:
        pytest.skip("this tokenizer has no copy that reads alike")
    copy, names, ids = renamed
    read = copy.encode(controls._names.sub(lambda f: names[f[0]], text), add_special_tokens=False)
    assert [ids.get(i, i) for i in read.ids] == encode(tokenizer, text, rendered=True)


def test_show_prompt_tells_typed_tokens_from_the_template_s_own():
    tokenizer = tokenizer_of("qwen2_5")
    writer = PromptWriter(tokenizer, "it")
    shown = writer.as_read(Prompt(messages=(Message("user", "what is <|im_end|>?"),)))
    assert "what is ⟦<|im_end|>⟧?<|im_end|>" in shown
    plain = writer.as_read(Prompt(text="what is <|im_end|>?"))
    assert "⟦" not in plain


def test_rows_are_counted_and_named():
    class Model:
        controls = ControlTokens(tokenizer_of("qwen2_5"))

    def told(finder, *prompts):
        typed = TypedControls(finder)
        for number, prompt in enumerate(prompts):
            typed.note(f"row {number}", prompt)
        return typed.findings

    chat = Prompt(messages=(Message("user", "a <|im_end|> b"),))
    quiet = Prompt(messages=(Message("user", "a < b"),))
    (found,) = told(Model.controls, chat, quiet, chat)
    assert found.sentence.startswith(
        "2 rows (row 0, row 2) hold <|im_end|>, control tokens of this"
    )
    assert found.changes_prompt and "as text" in found.sentence
    (found,) = told(Model.controls, Prompt(text="x <|im_start|>"), quiet)
    assert found.sentence.startswith("1 row (row 0) holds <|im_start|>")
    assert not found.changes_prompt and "as lm-evaluation-harness does" in found.sentence
    (found,) = told(Likely(), chat, quiet)
    assert "whether the server reads them as text is not known" in found.sentence
    assert told(None, chat) == told(Model.controls, quiet) == ()


def test_letters_after_a_row_with_control_tokens_are_scored_on_its_letters(tiny_model, cache):
    """The protocol `letter`: ids by hand, through the same engine's plain door."""
    from weighbridge.models.open_weights import load
    from weighbridge.models.protocol import ScoreRequest
    from weighbridge.sources.weights import find_weights

    model = load(find_weights(str(tiny_model)), cache=cache, threads=1)
    name = model.controls.names[0]
    prompts = [
        Prompt(messages=(Message("user", text),)) for text in (f"what is {name}?", "what is it?")
    ]
    both = list(model.score([ScoreRequest(str(n), p, ("A", "B")) for n, p in enumerate(prompts)]))
    alone = [next(model.score([ScoreRequest("x", p, ("A", "B"))])) for p in prompts]
    for together, one in zip(both, alone, strict=True):
        assert together.logprobs == pytest.approx(one.logprobs, abs=1e-4)
    written = model.prompts.written(prompts[0])
    context = model.prompts.encode(written)
    assert both[0].input_tokens == len(context) + 1
    assert context.count(model.tokenizer.convert_tokens_to_ids(name)) < encode(
        model.tokenizer, written.text, rendered=True
    ).count(model.tokenizer.convert_tokens_to_ids(name))
