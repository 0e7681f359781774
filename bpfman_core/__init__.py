"""bpfman: loads, attaches, orders, lists and unloads eBPF programs."""

__version__ = "0.1.0"
