"""An index in a folder: vectors in files that faiss compares, all else in SQLite."""
