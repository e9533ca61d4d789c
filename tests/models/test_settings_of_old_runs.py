"""Evidence that was sealed before settings were part of a model still verifies."""

from weighbridge.evidence.payloads.evaluation import PAYLOAD
from weighbridge.records import ModelRef


def test_a_model_without_settings_is_identified_as_before():
    old = ModelRef(name="m", source="directory:m", weights_digest="sha256:0")
    assert "settings_digest" not in old.identity
    assert "model.settings_digest" in PAYLOAD.at(1).document_keys.may_lack
