"""Files of signals, one format a file."""
