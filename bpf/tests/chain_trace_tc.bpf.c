// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Members of a TC chain that sign each packet. */
#include "trace.h"

#include <linux/pkt_cls.h>

#define SIGNER(number) \
	SEC("tc") \
	int signer##number(struct __sk_buff *packet) \
	{ \
		void *start = (void *)(long)packet->data; \
		void *end = (void *)(long)packet->data_end; \
		\
		return sign(start, end, number, TC_ACT_PIPE, TC_ACT_SHOT); \
	}

SIGNERS

char LICENSE[] SEC("license") = "Dual BSD/GPL";
