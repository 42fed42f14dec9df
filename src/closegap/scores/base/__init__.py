"""What the stages share. Every module beside this package is a stage."""
