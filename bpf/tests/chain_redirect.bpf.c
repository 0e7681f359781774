// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A member that sends the packet out of another interface, under a licence that is not the GPL. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u64 ifindex;

SEC("xdp")
int redirect(struct xdp_md *packet)
{
	return bpf_redirect(ifindex, 0);
}

char LICENSE[] SEC("license") = "Proprietary";
