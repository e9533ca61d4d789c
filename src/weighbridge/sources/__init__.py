"""Where a model or a data set is found, without torch: aliases, folders, GGUF headers, the Hub."""
