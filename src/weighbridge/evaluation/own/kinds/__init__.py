"""One file a way of judging: it defines `KIND`, whose name is the file's stem."""
