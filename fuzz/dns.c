#include <string.h>

#include "fuzz/fuzz.h"
#include "sip/locate/dns_message.h"

/*
 * An answer of a name server. The first octet chooses the type that was asked for, of "a.example"; then come flags and
 * the three counts of the head, and what stands behind the question. Before that the octets are read as they are.
 */

static void check_name(const char *name)
{
	size_t n = strnlen(name, DNS_NAME_MAX);

	CHECK(n < DNS_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		CHECK((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '-' ||
		      name[i] == '_' || (name[i] == '.' && i > 0 && i + 1 < n && name[i - 1] != '.'));
}

static void check_answer(enum dns_found found, const struct dns_answer *a)
{
	switch (found) {
	case DNS_RECORDS:
		CHECK(a->count > 0 && a->count <= DNS_RECORDS_MAX && a->ttl_s <= 0x7fffffff);
		for (unsigned i = 0; i < a->count; i++) {
			check_name(a->records[i].name);
			CHECK(memchr(a->records[i].service, '\0', sizeof(a->records[i].service)) != NULL);
			CHECK(a->records[i].flag < 'A' || a->records[i].flag > 'Z');
		}
		break;
	case DNS_ALIAS:
		check_name(a->alias);
		CHECK(a->alias[0] != '\0' && a->ttl_s <= 0x7fffffff);
		break;
	case DNS_NOTHING:
		CHECK(a->ttl_s <= 0x7fffffff);
		break;
	case DNS_SILENT:
		CHECK(false);
		break;
	case DNS_FAILED:
	case DNS_TRUNCATED:
	case DNS_BROKEN:
	case DNS_OTHER:
		break;
	}
}

static struct dns_answer answer;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR};
	uint8_t question[DNS_QUESTION_MAX];
	char *message;
	size_t n;

	if (size < 9)
		return 0;
	CHECK(dns_message_question(0x2a2a, S("a.example"), types[data[0] % 4], question, &n) == ERR_OK);
	memset(&answer, 0, sizeof(answer));
	check_answer(dns_message_read(input_octets(data, size), slice_of(question, n), &answer), &answer);
	message = malloc(n + size);
	CHECK(message != NULL);
	memcpy(message, question, n);
	memcpy(message + 2, data + 1, 2);
	message[2] |= (char)0x80;
	memcpy(message + 6, data + 3, 6);
	memcpy(message + n, data + 9, size - 9);
	/* The same octets in an allocation that ends with them. */
	message = realloc(message, n + size - 9);
	CHECK(message != NULL);
	memset(&answer, 0, sizeof(answer));
	check_answer(dns_message_read(slice_of(message, n + size - 9), slice_of(question, n), &answer), &answer);
	free(message);
	return 0;
}
