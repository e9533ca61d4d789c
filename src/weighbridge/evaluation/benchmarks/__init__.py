"""One file per benchmark: it defines `BENCHMARK`, whose name is the file's stem."""
