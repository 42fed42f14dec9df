"""What has to survive: attacks on the command line of closegap, each of which repeats from a seed."""
