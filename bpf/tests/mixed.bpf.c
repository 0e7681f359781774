// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs of three types that count into the same variables. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__u64 xdp;
	__u64 tc;
	__u64 tracepoint;
} runs;

SEC("xdp")
int on_xdp(struct xdp_md *packet)
{
	__sync_fetch_and_add(&runs.xdp, 1);
	return XDP_PASS;
}

SEC("tc")
int on_tc(struct __sk_buff *packet)
{
	__sync_fetch_and_add(&runs.tc, 1);
	return TC_ACT_PIPE;
}

SEC("tracepoint/syscalls/sys_enter_getpriority")
int on_tracepoint(void *context)
{
	__sync_fetch_and_add(&runs.tracepoint, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
