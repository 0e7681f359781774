// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts packets and bytes under the verdict it gives: XDP_PASS, or what the loader sets. */
#include "traffic.h"

const volatile __u32 verdict = XDP_PASS;

SEC("xdp")
int xdp_counter(struct xdp_md *packet)
{
	account(verdict, packet->data_end - packet->data);
	return verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
