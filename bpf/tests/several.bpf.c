// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Several programs, sections and variables in one object; one program that no verifier accepts. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 verdict = XDP_PASS;
volatile char greeting[16];
static volatile __u64 runs;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counts SEC(".maps");

static __always_inline void count(__u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(&counts, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
	runs += 1;
}

SEC("pass")
int first(struct xdp_md *packet)
{
	count(0);
	return verdict;
}

SEC("xdp")
int second(struct xdp_md *packet)
{
	count(1);
	return greeting[0] ? XDP_DROP : XDP_PASS;
}

SEC("xdp/refused")
int refused(struct xdp_md *packet)
{
	return *(int *)(long)packet->data;
}

SEC("kprobe/do_nanosleep")
int probe(void *context)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
