"""XDP programs for bpfman: many on one interface, in the order of their priorities."""
