// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lets the next classifier decide and counts the packet. */
#include "hits.h"

#include <linux/pkt_cls.h>

SEC("tc")
int pass(struct __sk_buff *packet)
{
	hit();
	return TC_ACT_PIPE;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
