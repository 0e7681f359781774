/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Signing a packet: after the Ethernet header, how many members did, and who, in order. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
#define SIGNATURES 15

struct trace {
	__u8 count;
	__u8 signers[SIGNATURES];
};

static __always_inline int sign(void *start, void *end, __u8 signer, int signed_, int refused)
{
	struct trace *trace = start + ETHERNET;
	__u8 *free;

	if ((void *)(trace + 1) > end || trace->count >= SIGNATURES)
		return refused;
	free = trace->signers + (trace->count & SIGNATURES);
	if ((void *)(free + 1) > end)
		return refused;
	*free = signer;
	trace->count += 1;
	return signed_;
}

#define SIGNERS SIGNER(0) SIGNER(1) SIGNER(2) SIGNER(3) SIGNER(4) SIGNER(5)
