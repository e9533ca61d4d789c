"""One file per way of grading: it defines `KIND`, whose name is the file's stem."""
