/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One per-CPU counter: how often the program ran. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

static __always_inline void hit(void)
{
	__u32 slot = 0;
	__u64 *count = bpf_map_lookup_elem(&hits, &slot);

	if (count)
		*count += 1;
}
