"""A model as one GGUF file for llama.cpp, written by the tables that our reader reads by.

    keys      the configuration as GGUF's metadata
    tokens    the tokenizer as GGUF's metadata
    tensors   which of the model's tensors becomes which of the file's
    storing   what type each is stored in
    writing   the file, whole or not at all
    agreement what the file says, read back, against the model
    peer      llama.cpp's own tokenizer, logits and quantiser, in a process of their own

What GGUF can't express is refused by name before a byte is written; what was written is read back
and compared before it takes its name.
"""
