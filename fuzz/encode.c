#include "crypto/encode.h"
#include "fuzz/fuzz.h"

/* Base64, hexadecimal and PEM: what is written reads back; what is read has one written form. */

typedef void (*encode_fn)(struct buf *out, struct slice in);
typedef enum err (*decode_fn)(struct buf *out, struct slice in);

static void check_code(struct slice in, encode_fn encode, decode_fn decode)
{
	struct buf text = {0}, back = {0}, octets = {0};

	encode(&text, in);
	CHECK(decode(&back, buf_slice(&text)) == ERR_OK && slice_eq(buf_slice(&back), in));
	buf_clear(&text);
	buf_clear(&back);
	buf_addc(&octets, 'x');
	if (decode(&octets, in) == ERR_OK) {
		struct slice read = slice_sub(buf_slice(&octets), 1, octets.n);

		encode(&text, read);
		CHECK(decode(&back, buf_slice(&text)) == ERR_OK && slice_eq(buf_slice(&back), read));
	} else {
		CHECK(octets.n == 1);
	}
	buf_free(&text);
	buf_free(&back);
	buf_free(&octets);
}

static void check_pem(struct slice in)
{
	static const char *const labels[] = {"CERTIFICATE", "PRIVATE KEY", NULL};
	struct buf text = {0}, der = {0};
	const char *label = NULL;
	size_t pos = 0, last = 0;

	while (pem_read(in, labels, &pos, &label, &der) == ERR_OK) {
		CHECK(pos > last && pos <= in.n && (label == labels[0] || label == labels[1]));
		last = pos;
	}
	buf_clear(&der);
	pem_write(&text, "CERTIFICATE", in);
	pos = 0;
	if (in.n > 0) {
		CHECK(pem_read(buf_slice(&text), labels, &pos, &label, &der) == ERR_OK && label == labels[0]);
		CHECK(slice_eq(buf_slice(&der), in));
	}
	buf_free(&text);
	buf_free(&der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = input_octets(data, size);

	check_code(in, base64_encode, base64_decode);
	check_code(in, base64url_encode, base64url_decode);
	check_code(in, hex_encode, hex_decode);
	check_pem(in);
	return 0;
}
