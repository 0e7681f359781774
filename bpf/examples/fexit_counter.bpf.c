// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts returns from the kernel function do_unlinkat, or the one the loader names. */
#include "hits.h"

SEC("fexit/do_unlinkat")
int fexit_counter(void *context)
{
	hit();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
