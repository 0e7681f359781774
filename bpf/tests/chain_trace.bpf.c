// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Members that sign each packet: after the Ethernet header, how many did, and who, in order. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
#define SIGNATURES 15

struct trace {
	__u8 count;
	__u8 signers[SIGNATURES];
};

static __always_inline int sign(struct xdp_md *packet, __u8 signer)
{
	void *end = (void *)(long)packet->data_end;
	struct trace *trace = (void *)(long)packet->data + ETHERNET;
	__u8 *free;

	if ((void *)(trace + 1) > end || trace->count >= SIGNATURES)
		return XDP_ABORTED;
	free = trace->signers + (trace->count & SIGNATURES);
	if ((void *)(free + 1) > end)
		return XDP_ABORTED;
	*free = signer;
	trace->count += 1;
	return XDP_PASS;
}

#define SIGNER(number) \
	SEC("xdp") \
	int signer##number(struct xdp_md *packet) \
	{ \
		return sign(packet, number); \
	}

SIGNER(0)
SIGNER(1)
SIGNER(2)
SIGNER(3)
SIGNER(4)
SIGNER(5)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
