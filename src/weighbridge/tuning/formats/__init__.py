"""One file a data format: it defines `FORMAT`, whose name is the file's stem."""
