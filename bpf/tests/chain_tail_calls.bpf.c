// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A member that makes tail calls of its own: to itself, as often as it is told. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__u64 wanted;
	__u64 made;
} calls;

int greedy(struct xdp_md *packet);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} itself SEC(".maps") = {
	.values = { (void *)&greedy },
};

SEC("xdp")
int greedy(struct xdp_md *packet)
{
	if (calls.made < calls.wanted) {
		calls.made += 1;
		bpf_tail_call(packet, &itself, 0);
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
