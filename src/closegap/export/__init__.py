"""Models written for programs that know nothing of closegap."""
