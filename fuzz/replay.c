#include <stdio.h>

#include "core/buf.h"
#include "fuzz/fuzz.h"
#include "tests/unit/guard.h"

/*
 * A target without a fuzzer: every file named is given to it twice, since what a first run leaves behind may change a
 * second, with a page behind its octets that may not be touched.
 */

#define INPUT_MAX (1 << 20)

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct buf octets = {0};
		struct slice input;

		if (buf_read_file(&octets, argv[i], INPUT_MAX) != ERR_OK) {
			fprintf(stderr, "%s cannot be read\n", argv[i]);
			return 1;
		}
		input = guard_copy(buf_slice(&octets));
		for (int run = 0; run < 2; run++)
			LLVMFuzzerTestOneInput((const uint8_t *)input.p, input.n);
		guard_free(input);
		buf_free(&octets);
	}
	printf("%d inputs\n", argc - 1);
	return argc > 1 ? 0 : 1;
}
