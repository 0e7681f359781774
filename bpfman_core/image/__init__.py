"""Bytecode images: how they are named, stored, checked and read."""
