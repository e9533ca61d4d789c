"""One file a sentence of the article: it defines `CLAIM`, whose name is the file's stem."""
