#include <string.h>

#include "core/mem.h"
#include "core/siphash.h"
#include "crypto/hash.h"
#include "fuzz/fuzz.h"
#include "store/binding_record.h"
#include "store/credential.h"
#include "store/journal.h"
#include "store/subscription.h"
#include "store/user.h"

/*
 * Records of the store. The first octet says which: c(redential), u(ser), j(ournal line), s(ubscription), b(inding). A
 * capital: the right checksum is put behind the rest, so that what is behind the check is reached, too.
 */

static const uint8_t master[SEAL_KEY]; /* of the seeds */

static void add_sha256(struct buf *b, const char *mark, size_t digits, const char *end)
{
	struct slice all = buf_slice(b);
	char hex[2 * HASH_MAX + 1];

	hash_hex(HASH_SHA256, &all, 1, hex);
	buf_addf(b, "%s%.*s%s", mark, (int)digits, hex, end);
}

static void add_siphash(struct buf *b)
{
	uint64_t sum = siphash(0, 0, buf_slice(b));

	buf_addc(b, ' ');
	buf_addx(b, sum);
}

static void check_credential(struct slice text)
{
	struct buf cert = {0}, key = {0};
	struct credential c, again;

	if (credential_record_read(master, text, &c, NULL, NULL) == ERR_OK) {
		CHECK(c.aor != NULL && memchr(c.etag, '\0', sizeof(c.etag)) != NULL);
		if (credential_record_read(master, text, &again, &cert, &key) == ERR_OK) {
			CHECK(strcmp(again.aor, c.aor) == 0 && again.generation == c.generation);
			CHECK(again.has_key == c.has_key && (c.has_key || key.n == 0));
			mem_free(again.aor);
		}
		mem_free(c.aor);
	}
	buf_free(&cert);
	buf_wipe(&key);
}

static void check_user(struct slice line)
{
	const struct ha1 h = {.md5 = ""};
	struct user_line l;
	struct users *u;

	if (!users_line(line, &l))
		return;
	CHECK(inside(l.aor, line));
	CHECK(l.box.p != NULL ? inside(l.box, line) : inside(l.md5, line) && inside(l.sha256, line));
	u = users_new(S("example.com"));
	users_set(u, l.aor, &h);
	CHECK(users_count(u) == 1);
	users_free(u);
}

static void check_journal(struct slice line)
{
	struct slice key, value;

	if (journal_line(line, &key, &value))
		CHECK(inside(key, line) && inside(value, line) && slice_chr(key, ' ') == key.n);
}

static void check_subscription(struct slice line)
{
	struct buf scratch = {0}, scratch2 = {0}, text = {0}, text2 = {0};
	struct subscription r, back;

	if (subscription_read(line, &scratch, &r) == ERR_OK) {
		CHECK(inside(r.aor, buf_slice(&scratch)) && inside(r.peer, buf_slice(&scratch)));
		subscription_write(&r, &text);
		CHECK(subscription_read(buf_slice(&text), &scratch2, &back) == ERR_OK);
		CHECK(slice_eq(r.target, back.target) && slice_eq(r.routes, back.routes) && r.expires == back.expires);
		subscription_write(&back, &text2);
		CHECK(slice_eq(buf_slice(&text), buf_slice(&text2)));
	}
	buf_free(&scratch);
	buf_free(&scratch2);
	buf_free(&text);
	buf_free(&text2);
}

static void check_binding(struct slice line)
{
	struct buf scratch = {0}, scratch2 = {0}, text = {0}, text2 = {0};
	struct binding_record r, back;
	uint64_t until, until2;
	bool brief, brief2;

	if (binding_record_read(line, &scratch, &r, &until, &brief) == ERR_OK) {
		CHECK(brief || (inside(r.aor, buf_slice(&scratch)) && inside(r.flow, buf_slice(&scratch))));
		CHECK(r.q <= 1000);
		binding_record_write(&r, until, brief, &text);
		CHECK(binding_record_read(buf_slice(&text), &scratch2, &back, &until2, &brief2) == ERR_OK);
		CHECK(until == until2 && brief == brief2 && slice_eq(r.uri, back.uri) && r.cseq == back.cseq);
		binding_record_write(&back, until2, brief2, &text2);
		CHECK(slice_eq(buf_slice(&text), buf_slice(&text2)));
	}
	buf_free(&scratch);
	buf_free(&scratch2);
	buf_free(&text);
	buf_free(&text2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = input_octets(data, size);
	struct buf text = {0};
	char kind = all.n > 0 ? all.p[0] : 0;

	buf_add(&text, slice_sub(all, 1, all.n));
	if (kind == 'C')
		add_sha256(&text, "checksum: ", 64, "\n");
	if (kind == 'U')
		add_sha256(&text, " ", 16, "");
	if (kind == 'J')
		add_siphash(&text);
	switch (ascii_lower(kind)) {
	case 'c':
		check_credential(buf_slice(&text));
		break;
	case 'u':
		check_user(buf_slice(&text));
		break;
	case 'j':
		check_journal(buf_slice(&text));
		break;
	case 's':
		check_subscription(buf_slice(&text));
		break;
	case 'b':
		check_binding(buf_slice(&text));
		break;
	default:
		break;
	}
	buf_free(&text);
	return 0;
}
