// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drops every packet and counts it. */
#include "hits.h"

SEC("xdp")
int drop(struct xdp_md *packet)
{
	hit();
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
