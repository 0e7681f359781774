"""TC programs for bpfman: many on the ingress or egress of an interface, in order of priority."""
