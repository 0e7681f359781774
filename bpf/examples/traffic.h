/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets and bytes, per CPU and per verdict. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define VERDICTS 16

struct traffic {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, struct traffic);
} traffic SEC(".maps");

static __always_inline void account(__u32 verdict, __u64 bytes)
{
	struct traffic *seen = bpf_map_lookup_elem(&traffic, &verdict);

	if (seen) {
		seen->packets += 1;
		seen->bytes += bytes;
	}
}
