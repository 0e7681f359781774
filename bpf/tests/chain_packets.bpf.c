// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Members of a chain that change the packet, and one that records what the last change left. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ETHERNET 14
#define MARK 0x6b72616d

struct tag {
	__u32 mark;
	__u32 more;
};

struct {
	__u64 length;
	__u64 mark;
} seen;

static __always_inline int put_mark(void *at, void *end)
{
	struct tag *tag = at;

	if ((void *)(tag + 1) > end)
		return XDP_ABORTED;
	tag->mark = MARK;
	return XDP_PASS;
}

static __always_inline int record(void *at, void *end, __u64 length)
{
	struct tag *tag = at;

	if ((void *)(tag + 1) > end)
		return XDP_ABORTED;
	seen.mark = tag->mark;
	seen.length = length;
	return XDP_PASS;
}

SEC("xdp")
int rewrite(struct xdp_md *packet)
{
	void *start = (void *)(long)packet->data;

	return put_mark(start + ETHERNET, (void *)(long)packet->data_end);
}

SEC("xdp")
int read_payload(struct xdp_md *packet)
{
	void *start = (void *)(long)packet->data, *end = (void *)(long)packet->data_end;

	return record(start + ETHERNET, end, end - start);
}

SEC("xdp")
int shrink(struct xdp_md *packet)
{
	return bpf_xdp_adjust_tail(packet, -20) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int push(struct xdp_md *packet)
{
	if (bpf_xdp_adjust_head(packet, -(int)sizeof(struct tag)))
		return XDP_ABORTED;
	return put_mark((void *)(long)packet->data, (void *)(long)packet->data_end);
}

SEC("xdp")
int pop(struct xdp_md *packet)
{
	void *start = (void *)(long)packet->data, *end = (void *)(long)packet->data_end;

	if (record(start, end, end - start) != XDP_PASS)
		return XDP_ABORTED;
	return bpf_xdp_adjust_head(packet, sizeof(struct tag)) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int write_meta(struct xdp_md *packet)
{
	if (bpf_xdp_adjust_meta(packet, -(int)sizeof(struct tag)))
		return XDP_ABORTED;
	return put_mark((void *)(long)packet->data_meta, (void *)(long)packet->data);
}

SEC("xdp")
int read_meta(struct xdp_md *packet)
{
	void *start = (void *)(long)packet->data_meta, *end = (void *)(long)packet->data;

	return record(start, end, end - start);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
