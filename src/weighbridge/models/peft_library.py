"""What is used of peft, imported without bitsandbytes: see `bitsandbytes_library`.

Weights in four bits bring bitsandbytes with them, and only then peft sees it. Without it, peft's
import takes a second less, too.
"""

import transformers  # noqa: F401  # first, so that it sees what is installed

from weighbridge.models.bitsandbytes_library import require_own_code, unseen

with unseen():
    from peft import LoraConfig, PeftModel, PeftType, get_peft_model
    from peft.config import PromptLearningConfig
    from peft.import_utils import is_bnb_4bit_available, is_bnb_available
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import ParamWrapper
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import ModulesToSaveWrapper, get_peft_model_state_dict

    is_bnb_available()  # peft keeps these answers
    is_bnb_4bit_available()

require_own_code()

__all__ = [
    "PEFT_TYPE_TO_CONFIG_MAPPING",
    "BaseTunerLayer",
    "LoraConfig",
    "LoraLayer",
    "ModulesToSaveWrapper",
    "ParamWrapper",
    "PeftModel",
    "PeftType",
    "PromptLearningConfig",
    "get_peft_model",
    "get_peft_model_state_dict",
]
