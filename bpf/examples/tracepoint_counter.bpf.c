// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts calls of kill(2). */
#include "hits.h"

SEC("tracepoint/syscalls/sys_enter_kill")
int tracepoint_counter(void *context)
{
	hit();
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
