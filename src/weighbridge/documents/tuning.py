"""A tuned model: what `tune` prints."""

from dataclasses import dataclass

from weighbridge.documents.artefacts import DivergenceDocument
from weighbridge.documents.form import Printed
from weighbridge.records import SafetyRate


@dataclass(frozen=True, kw_only=True)
class RowsDocument:
    """Lengths of a data set, and what the overflow policy did to it.

    Attributes:
        rows: Rows that remain.
        shortest_tokens: Length of the shortest of them.
        median_tokens: Median length.
        p95_tokens: 95 % of the rows are no longer than this.
        longest_tokens: Length of the longest.
        total_tokens: Sum of the lengths.
        trained_tokens: Targets among them.
        limit_tokens: The longest that was allowed.
        dropped: Rows left out because they were longer.
        truncated: Rows whose beginning was cut off because they were longer.
        duplicates: Rows that repeat an earlier one token for token; they are learnt again.
        conversations: Conversations in the data.
        split: Those that became several rows, because the chat template writes an earlier answer
            otherwise than it writes the last one.
        left_out: Answers before a last one that are not learnt, because the chat template can't
            write them as the last turn.
        off_prompt: Answers that the chat template writes after another beginning than its own
            prompt has.
        quoted: Conversations whose words hold control tokens of the model, which stay text.
        read_only: Answers that the data says are read and not learnt.
        all_learnt: Rows of which every token is learnt, for there is no prompt.
        plain: Texts without turns, of which every token is learnt.
    """

    rows: int
    shortest_tokens: int
    median_tokens: int
    p95_tokens: int
    longest_tokens: int
    total_tokens: int
    trained_tokens: int
    limit_tokens: int
    dropped: int
    truncated: int
    duplicates: int
    conversations: int
    split: int
    left_out: int
    off_prompt: int
    quoted: int
    read_only: int
    all_learnt: int
    plain: int


@dataclass(frozen=True, kw_only=True)
class MixedDocument:
    """Rows of other data that were mixed into what was learnt from.

    Attributes:
        name: What they are: safety, or the data's name.
        data: As it was named; empty where it is turned off.
        digest: Of its files; null where it is turned off.
        share: That was asked for, of each kind; 0 where it is turned off.
        rows: How many were drawn, over all kinds.
        kinds: How many of each kind, where there are several.
        of_rows: All rows that were learnt from.
        rows_digest: Of what was drawn, in order; null where nothing was.
        licence: Of the data; empty where none is known.
    """

    name: str
    data: str
    digest: str | None
    share: float
    rows: int
    kinds: dict[str, int]
    of_rows: int
    rows_digest: str | None
    licence: str


@dataclass(frozen=True, kw_only=True)
class RewardsDocument:
    """Implicit rewards of pairs of answers, as TRL reports them.

    DPO's reward is beta times how much likelier an answer is than under the untrained model;
    ORPO's is beta times an answer's mean log-probability a token.

    Attributes:
        chosen: Mean reward of the preferred answers.
        rejected: Mean reward of the others.
        accuracy: Share of the pairs in which the preferred answer's is the higher one by more than
            rounding.
        margin: Mean of the preferred answer's less the other's.
    """

    chosen: float
    rejected: float
    accuracy: float
    margin: float


@dataclass(frozen=True, kw_only=True)
class CheckDocument:
    """A check of the self-test that passed.

    Attributes:
        name: What was checked.
        figure: The difference that was measured; null where there was none to measure.
        allowed: The largest that passes; null where any does.
        of: What the figure is, or what was done.
        seconds: What the check took.
    """

    name: str
    figure: float | None
    allowed: float | None
    of: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class ExpertLayerDocument:
    """The routed experts of one layer after a run.

    Attributes:
        layer: Its number.
        experts: How many there are.
        used: To how many a token was sent while training.
        unused: The others' indices.
        trained: How many have become others.
        quantised: How many were held in four bits meanwhile.
        exported: To how many the saved result changes something.
        router: Whether the router stayed as it was: frozen or trained.
    """

    layer: int
    experts: int
    used: int
    unused: tuple[int, ...]
    trained: int
    quantised: int
    exported: int
    router: str


@dataclass(frozen=True, kw_only=True)
class SelfTestDocument:
    """What was tried out before a run began; a check that fails ends it.

    Attributes:
        checks: In the order in which they were made.
        seconds: All of it.
    """

    checks: tuple[CheckDocument, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TuningDocument:
    """A finished tuning run.

    Attributes:
        method: How it was tuned, such as lora or full.
        objective: What was learnt, such as sft.
        adapter: Folder in peft's format; null where every parameter was tuned.
        adapter_digest: SHA-256 of its `adapter_model.safetensors`; null likewise.
        model: The tuned model's folder, where every parameter was tuned; else null.
        model_digest: SHA-256 of its weights; null likewise.
        trainable_parameters: How many were tuned.
        trained_tokens: Targets learnt from, over all steps.
        tokens: Positions computed, padding left out, over all steps.
        tokens_per_second: `tokens` per second of training steps.
        loss_first: Of the first step: nats per learnt token, or the mean loss of a pair.
        loss_last: Of the last step.
        validation_loss_first: Before the first step; null without validation rows.
        validation_loss_last: After the last; null likewise.
        rewards_first: Of the first step's pairs; null where conversations are learnt.
        rewards_last: Of the last step's pairs; null likewise.
        validation_rewards_first: Of the validation pairs before the first step; null likewise.
        validation_rewards_last: After the last; null likewise.
        peak_memory_bytes: Peak resident memory of the process while tuning.
        predicted_memory_bytes: What was forecast for it.
        seconds: Time in training steps, interrupted attempts included.
        predicted_seconds: What was forecast for it, validation left out.
        steps: Optimizer steps made.
        kept_step: The step whose weights came out, where early stopping kept an earlier one than
            the last; else null.
        arrangement: How the rows of a forward pass were laid out: padded, packed or tree.
        computed_tokens: Positions that all forward passes computed, padding included and shared
            beginnings once; 0 where the run is from before rows could be packed.
        padded_tokens: How many they would have with padded rows; 0 likewise.
        data: The rows that were learnt from.
        mixed: What of these rows was mixed in from other data, or turned off.
        validation_data: The validation rows; null without any.
        data_licence: Of what was learnt from, as stated or as its card on the Hub has it; null
            where neither says.
        template_date: The day that the chat template writes into every row; null where it writes
            none.
        notes: What must be known of how the adapter was attached.
        self_test: What was tried out before the run began; null where nothing was.
        experts: What became of a mixture's experts, by layer; none of a dense model, or of one
            whose experts are layers of their own.
        merged: With `--merge`: the folder of merged weights; else null.
        merged_before: Whether an earlier run of the same command had merged them.
        merged_max_logit_difference: Largest difference of one logit between adapter and merged
            weights; null where nothing was merged.
        merged_digest: SHA-256 over the merged folder's files and their names, the last step of its
            `weighbridge_lineage.json`; null where nothing was merged.
        merged_divergence: How far the merged folder, loaded again, is from adapter on base; null
            where nothing was merged, or copied.
    """

    method: str
    objective: str
    adapter: str | None
    adapter_digest: str | None
    model: str | None
    model_digest: str | None
    trainable_parameters: int
    trained_tokens: int
    tokens: int
    tokens_per_second: float
    loss_first: float
    loss_last: float
    validation_loss_first: float | None
    validation_loss_last: float | None
    rewards_first: RewardsDocument | None
    rewards_last: RewardsDocument | None
    validation_rewards_first: RewardsDocument | None
    validation_rewards_last: RewardsDocument | None
    peak_memory_bytes: int
    predicted_memory_bytes: int
    seconds: float
    predicted_seconds: float
    steps: int
    kept_step: int | None
    arrangement: str
    computed_tokens: int
    padded_tokens: int
    data: RowsDocument
    mixed: tuple[MixedDocument, ...]
    validation_data: RowsDocument | None
    data_licence: str | None
    template_date: str | None
    notes: tuple[str, ...]
    self_test: SelfTestDocument | None
    experts: tuple[ExpertLayerDocument, ...]
    merged: str | None
    merged_before: bool
    merged_max_logit_difference: float | None
    merged_digest: str | None
    merged_divergence: DivergenceDocument | None


@dataclass(frozen=True, kw_only=True)
class ResumeDifferenceDocument:
    """Where a killed run first differs from an undisturbed one.

    Attributes:
        step: After which step.
        tensor: Which tensor: of what is trained, of the optimizer, or of the result.
    """

    step: int
    tensor: str


@dataclass(frozen=True, kw_only=True)
class ResumeDocument:
    """Whether a killed run ends with the bits of an undisturbed one, on this machine.

    Attributes:
        same: Whether all bits are the same.
        steps: Optimizer steps of either run.
        kills: Moments at which one was killed, in words.
        checkpoints: Checkpoints compared.
        tensors: Tensors compared, over all checkpoints and the result.
        difference: The first; null where there is none.
        seconds: All of it.
    """

    same: bool
    steps: int
    kills: tuple[str, ...]
    checkpoints: int
    tensors: int
    difference: ResumeDifferenceDocument | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TriedRateDocument:
    """A learning rate that was tried.

    Attributes:
        learning_rate: At its peak.
        loss: On the measured rows after the last step, nats per learnt token; null where it
            diverged.
        change: The loss less the one at the start; null likewise.
        standard_error: Of `change`, over rows; null likewise.
        diverged_at: The step at which the loss was no number, or had doubled; else null.
    """

    learning_rate: float
    loss: float | None
    change: float | None
    standard_error: float | None
    diverged_at: int | None


@dataclass(frozen=True, kw_only=True)
class RateSweepDocument:
    """Short runs from one start, one for each learning rate.

    Attributes:
        recommended: The rate to take.
        tells: Whether the curve is why; if not, it is the method's own rate, or the one given.
        why: In a sentence.
        middle: The rate that the sweep was laid around.
        steps: Of each run.
        rows_per_step: That each step learns from.
        measured_rows: Rows that the loss is measured on.
        unseen: Whether the runs learn from none of these.
        loss_start: The loss before the first step.
        tried: In rising order.
        seconds: All of it.
        chart: The picture; null where none was asked for.
    """

    recommended: float
    tells: bool
    why: str
    middle: float
    steps: int
    rows_per_step: int
    measured_rows: int
    unseen: bool
    loss_start: float
    tried: tuple[TriedRateDocument, ...]
    seconds: float
    chart: str | None


@dataclass(frozen=True, kw_only=True)
class FrontierPointDocument:
    """A share of safety examples, tuned and measured.

    Attributes:
        share: Of refusals, as asked for.
        mixed: The safety examples that were mixed in.
        folder: Of the tuning run.
        runs: Ids of the tuned model's runs over harmful requests and over benign look-alikes.
        rates: Of unwanted answers to both, against the base.
        best: Whether no other share has lower rates on both sides.
    """

    share: float
    mixed: MixedDocument
    folder: str
    runs: tuple[str, ...]
    rates: tuple[SafetyRate, ...]
    best: bool


@dataclass(frozen=True, kw_only=True)
class FrontierDocument:
    """What several shares of safety examples cost and bring.

    Attributes:
        base: Ids of the base's runs over both kinds of request.
        points: By share.
        judge: Who judged, and how well that judge agrees with people.
        notes: What was read over or fell short.
        chart: The picture; null where none was asked for.
    """

    base: tuple[str, ...]
    points: tuple[FrontierPointDocument, ...]
    judge: str
    notes: tuple[str, ...]
    chart: str | None


@dataclass(frozen=True, kw_only=True)
class MasksDocument:
    """What of the first rows is learnt.

    Attributes:
        masks: One text a row, what is learnt marked in it.
    """

    masks: tuple[str, ...]


PRINTED = (
    Printed("tune", TuningDocument),
    Printed("tune --show-mask", MasksDocument, "with a number of rows"),
    Printed("tune --find-lr", RateSweepDocument),
    Printed("tune --verify-resume", ResumeDocument),
    Printed("tune --safety-frontier", FrontierDocument),
)
