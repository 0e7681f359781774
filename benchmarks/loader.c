// SPDX-License-Identifier: Apache-2.0
/* Loads one XDP program of an object, attaches it and pins program, maps and link: with libbpf.
 * loader OBJECT PROGRAM IFINDEX DIRECTORY
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char *what)
{
	perror(what);
	return 1;
}

int main(int count, char **words)
{
	struct bpf_object *object;
	struct bpf_program *program, *each;
	struct bpf_link *link;
	char path[4096];

	if (count != 5)
		return 2;
	object = bpf_object__open_file(words[1], NULL);
	if (!object)
		return failed("open");
	bpf_object__for_each_program(each, object)
		bpf_program__set_autoload(each, false);
	program = bpf_object__find_program_by_name(object, words[2]);
	if (!program)
		return failed("find");
	bpf_program__set_autoload(program, true);
	if (bpf_object__load(object))
		return failed("load");
	snprintf(path, sizeof(path), "%s/maps", words[4]);
	if (bpf_object__pin_maps(object, path))
		return failed("pin maps");
	snprintf(path, sizeof(path), "%s/program", words[4]);
	if (bpf_program__pin(program, path))
		return failed("pin program");
	link = bpf_program__attach_xdp(program, atoi(words[3]));
	if (!link)
		return failed("attach");
	snprintf(path, sizeof(path), "%s/link", words[4]);
	if (bpf_link__pin(link, path))
		return failed("pin link");
	return 0;
}
