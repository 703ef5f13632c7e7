#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "sip/config.h"

/* A configuration file. What is taken must survive being dumped and read again. */

static bool load(struct slice text, struct config *out, struct buf *why)
{
	int fd = memfd_create("config", 0);
	char path[64];
	bool ok;

	CHECK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	ok = config_load(path, NULL, out, why);
	close(fd);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why = {0}, dump = {0}, again = {0}, path = {0};
	struct config c, back;
	struct slice item;

	if (!load(input_octets(data, size), &c, &why)) {
		CHECK(why.n > 0);
		goto out;
	}
	CHECK(why.n == 0);
	config_dump(&c, &dump);
	CHECK(load(buf_slice(&dump), &back, &why));
	config_dump(&back, &again);
	CHECK(slice_eq(buf_slice(&dump), buf_slice(&again)));
	for (struct slice rest = slice_list(slice_str(c.listen_udp)); slice_item(&rest, &item);)
		CHECK(item.n > 0 && inside(item, slice_str(c.listen_udp)));
	config_path(&c, c.store, &path);
	CHECK(slice_ends(buf_slice(&path), slice_str(c.store)));
	config_free(&c);
	config_free(&back);
out:
	buf_free(&why);
	buf_free(&dump);
	buf_free(&again);
	buf_free(&path);
	return 0;
}
