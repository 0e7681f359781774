// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lets every packet through and counts it. */
#include "hits.h"

SEC("xdp")
int pass(struct xdp_md *packet)
{
	hit();
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
