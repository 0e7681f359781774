// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts packets and bytes under the verdict it gives, plus 1: TC_ACT_PIPE, or what the loader sets. */
#include "traffic.h"

#include <linux/pkt_cls.h>

const volatile __u32 verdict = TC_ACT_PIPE;

SEC("tc")
int tc_counter(struct __sk_buff *packet)
{
	account(verdict + 1, packet->len); // TC_ACT_UNSPEC is -1
	return verdict;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
