#include "core/mem.h"
#include "sip/message/msg.h"
#include "tests/bench/client.h"

/* parse SECONDS FILE...: how long the parser takes for one of these messages, and for one octet of them. */

int main(int argc, char **argv)
{
	struct buf *files = mem_calloc((size_t)argc, sizeof(*files));
	unsigned long messages = 0, octets = 0;
	double begin, seconds;
	unsigned count = 0;

	if (argc < 3)
		return 2;
	seconds = strtod(argv[1], NULL);
	for (int i = 2; i < argc; i++) {
		struct sip_msg *m;
		const char *why;

		if (buf_read_file(&files[count], argv[i], 1 << 20) != ERR_OK)
			die(argv[i]);
		/* Of what is no message most is not read. */
		if (msg_parse(buf_slice(&files[count]), &m, &why) != ERR_OK) {
			buf_free(&files[count]);
			continue;
		}
		msg_unref(m);
		count++;
	}
	begin = now_s();
	while (now_s() - begin < seconds) {
		for (unsigned i = 0; i < count; i++) {
			struct sip_msg *m;
			const char *why;

			if (msg_parse(buf_slice(&files[i]), &m, &why) != ERR_OK)
				die("msg_parse");
			msg_unref(m);
			octets += files[i].n;
		}
		messages += count;
	}
	seconds = now_s() - begin;
	printf("messages %u\nns-per-message %.0f\nns-per-octet %.2f\n", count, 1e9 * seconds / (double)messages,
	       1e9 * seconds / (double)octets);
	return 0;
}
