"""What the commands of the command line do, one module each; `pyiqa_pixelperfect.cli` parses and calls them.

Each loads torch and everything else it needs when it is imported, which the command line does only for the command
that was asked for.
"""
