"""What a program or a notebook calls: a function for each verb of the command line, one per file."""
