"""One package per feature, with the same six file names wherever they are needed."""
