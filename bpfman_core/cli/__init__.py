"""The command line: parses words, asks an `api.Api`, prints what it gives.

Each command's module is imported when the command is used.
"""
