"""One claim a file. Each module exports CHECK or CHECKS and is discovered."""
