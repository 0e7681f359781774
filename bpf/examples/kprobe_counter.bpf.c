// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts calls of the kernel function it is attached to. */
#include "hits.h"

SEC("kprobe")
int kprobe_counter(void *context)
{
	hit();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
