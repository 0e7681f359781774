// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Members of an XDP chain that sign each packet. */
#include "trace.h"

#define SIGNER(number) \
	SEC("xdp") \
	int signer##number(struct xdp_md *packet) \
	{ \
		void *start = (void *)(long)packet->data; \
		void *end = (void *)(long)packet->data_end; \
		\
		return sign(start, end, number, XDP_PASS, XDP_ABORTED); \
	}

SIGNERS

char LICENSE[] SEC("license") = "Dual BSD/GPL";
