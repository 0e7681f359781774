"""Uprobe programs for bpfman: they run when user programs reach or leave a function."""
