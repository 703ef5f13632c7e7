#include "tests/test.h"

#include "tests/unit/dns_zone.h"
#include "tests/unit/prefix.h"

static uint8_t question_octets[DNS_QUESTION_MAX];
static struct slice question;
static struct dns_answer answer;

static void ask(const char *name, enum dns_type type)
{
	size_t n;

	assert_int_equal(dns_message_question(0x1234, slice_str(name), type, question_octets, &n), ERR_OK);
	question = slice_of(question_octets, n);
}

static enum dns_found read_rows(const struct row *rows)
{
	struct buf m = {0};
	struct slice guarded;
	enum dns_found found;

	zone_answer(rows, question, &m);
	guarded = guard_copy(buf_slice(&m));
	found = dns_message_read(guarded, question, &answer);
	guard_free(guarded);
	buf_free(&m);
	return found;
}

static void names_that_can_be_asked_for(void **state)
{
	static const char *const good[] = {"a", "example.com", "example.com.", "_sip._udp.x-1.test", "127.0.0.1"};
	static const char *const bad[] = {"", ".", "a..b", ".a", "a b.test", "a\n", "\xc3\xa9.test", "a..", "[::1]"};
	char longest[300];
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_int_equal(dns_message_question(1, slice_str(good[i]), DNS_A, question_octets, &n), ERR_OK);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(dns_message_question(1, slice_str(bad[i]), DNS_A, question_octets, &n), ERR_SYNTAX);
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 63; i < 253; i += 64)
		longest[i] = '.';
	assert_int_equal(dns_message_question(1, slice_of(longest, 253), DNS_A, question_octets, &n), ERR_OK);
	assert_int_equal(n, 12 + 255 + 4);
	assert_int_equal(dns_message_question(1, slice_of(longest, 254), DNS_A, question_octets, &n), ERR_SYNTAX);
	longest[63] = 'a';
	assert_int_equal(dns_message_question(1, slice_of(longest, 200), DNS_A, question_octets, &n), ERR_SYNTAX);
	ask("Ab.test", DNS_SRV);
	assert_memory_equal(question.p, "\x12\x34\x01\0\0\1\0\0\0\0\0\0\2ab\4test\0\0\x21\0\1", question.n);
}

static void records(void **state)
{
	static const struct row rows[] = {
		ROW_NAPTR("example.com", 300, 50, 60, "S", "sip+d2t", "_SIP._tcp.Example.net"),
		ROW_NAPTR("example.com", 200, 1, 2, "", "a-service-with-a-long-name", ""),
		ROW_SRV("_sip._udp.example.com", 7, 10, 20, 5070, "sip1.example.com"),
		ROW_SRV("_sip._udp.example.com", 9, 11, 21, 5071, ""),
		ROW_A("h.test", 0xffffffff, "192.0.2.1"),
		ROW_AAAA("h.test", 5, "2001:db8::1"),
		ROW_END,
	};

	(void)state;
	ask("example.com", DNS_NAPTR);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.ttl_s, 200);
	assert_int_equal(answer.records[0].rank, 50);
	assert_int_equal(answer.records[0].weight, 60);
	assert_int_equal(answer.records[0].flag, 's');
	assert_string_equal(answer.records[0].service, "SIP+D2T");
	assert_string_equal(answer.records[0].name, "_sip._tcp.example.net");
	assert_int_equal(answer.records[1].flag, 0);
	assert_string_equal(answer.records[1].service, "");
	assert_string_equal(answer.records[1].name, "");
	ask("_sip._udp.EXAMPLE.com", DNS_SRV);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_int_equal(answer.records[0].port, 5070);
	assert_string_equal(answer.records[0].name, "sip1.example.com");
	assert_string_equal(answer.records[1].name, "");
	ask("h.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_memory_equal(answer.records[0].address, "\xc0\0\2\1", 4);
	assert_int_equal(answer.ttl_s, 0); /* RFC 2181 8 */
	ask("h.test", DNS_AAAA);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_memory_equal(answer.records[0].address, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
}

static void aliases(void **state)
{
	static const struct row rows[] = {
		ROW_CNAME("a.test", 50, "b.test"),      ROW_CNAME("b.test", 40, "c.test"),
		ROW_A("c.test", 60, "10.0.0.1"),        ROW_A("c.test", 70, "10.0.0.2"),
		ROW_CNAME("far.test", 40, "x.test"),    ROW_CNAME("loop.test", 9, "pool.test"),
		ROW_CNAME("pool.test", 9, "loop.test"), ROW_CNAME("self.test", 9, "self.test"),
		ROW_A("d.test", 1, "10.6.6.6"),         ROW_END,
	};

	(void)state;
	ask("a.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_int_equal(answer.count, 2);
	assert_int_equal(answer.ttl_s, 40);
	ask("far.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_ALIAS);
	assert_string_equal(answer.alias, "x.test");
	assert_int_equal(answer.ttl_s, 40);
	ask("loop.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_NOTHING);
	ask("self.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_NOTHING);
}

static void nothing(void **state)
{
	static const struct row rows[] = {ROW_SOA("test", 600, "25"), ROW_A("h.test", 5, "10.0.0.1"),
					  ROW_CNAME("far.test", 40, "x.test"), ROW_END};
	static const struct row bare[] = {ROW_A("h.test", 5, "10.0.0.1"), ROW_END};

	(void)state;
	ask("h.test", DNS_AAAA);
	assert_int_equal(read_rows(rows), DNS_NOTHING);
	assert_int_equal(answer.ttl_s, 25);
	assert_int_equal(read_rows(bare), DNS_NOTHING);
	assert_int_equal(answer.ttl_s, 0);
	ask("no.test", DNS_A);
	assert_int_equal(read_rows(rows), DNS_NOTHING);
}

/* Records of other names, whoever put them there, are not looked at. */
static void planted_records(void **state)
{
	static const struct row own = ROW_A("h.test", 60, "10.0.0.1"), evil = ROW_A("h2.test", 60, "10.6.6.6");
	const struct row *const rows[] = {&evil, &own};
	struct buf m = {0};

	(void)state;
	ask("h.test", DNS_A);
	zone_message(&m, question, 0, rows, 2, NULL);
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_RECORDS);
	assert_int_equal(answer.count, 1);
	assert_memory_equal(answer.records[0].address, "\x0a\0\0\1", 4);
	buf_clear(&m);
	zone_message(&m, question, 0, rows, 1, NULL);
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_NOTHING);
	buf_free(&m);
}

static void answers_to_other_questions(void **state)
{
	static const struct row row = ROW_A("h.test", 60, "10.0.0.1");
	const struct row *const rows[] = {&row};
	uint8_t other_octets[DNS_QUESTION_MAX];
	struct slice other;
	struct buf m = {0};
	size_t n;

	(void)state;
	ask("h.test", DNS_A);
	assert_int_equal(dns_message_read(question, question, &answer),
			 DNS_OTHER); /* no answer: the QR bit is missing */
	zone_message(&m, question, 0, rows, 1, NULL);
	m.p[1] ^= 1;
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_OTHER);
	m.p[1] ^= 1;
	m.p[5] = 0;
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_OTHER);
	m.p[5] = 1;
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_RECORDS);
	assert_int_equal(dns_message_question(0x1234, S("i.test"), DNS_A, other_octets, &n), ERR_OK);
	other = slice_of(other_octets, n);
	assert_int_equal(dns_message_read(buf_slice(&m), other, &answer), DNS_OTHER);
	assert_int_equal(dns_message_question(0x1234, S("h.test"), DNS_AAAA, other_octets, &n), ERR_OK);
	assert_int_equal(dns_message_read(buf_slice(&m), other, &answer), DNS_OTHER);
	buf_free(&m);
}

static void codes(void **state)
{
	static const struct {
		unsigned flags;
		enum dns_found found;
	} rows[] = {{0, DNS_NOTHING}, {1, DNS_FAILED},        {2, DNS_FAILED},       {3, DNS_NOTHING},
		    {5, DNS_FAILED},  {0x200, DNS_TRUNCATED}, {0x202, DNS_TRUNCATED}};
	struct buf m = {0};

	(void)state;
	ask("h.test", DNS_A);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_clear(&m);
		zone_message(&m, question, rows[i].flags, NULL, 0, NULL);
		assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), rows[i].found);
	}
	buf_free(&m);
}

static void check_prefix(struct slice in)
{
	enum dns_found found = dns_message_read(in, question, &answer);

	assert_true(found == DNS_OTHER || found == DNS_BROKEN || found == DNS_RECORDS || found == DNS_NOTHING);
}

static void every_prefix(void **state)
{
	static const struct row rows[] = {ROW_CNAME("a.test", 50, "example.com"),
					  ROW_NAPTR("example.com", 300, 1, 2, "s", "SIP+D2T", "_sip._tcp.example.net"),
					  ROW_NAPTR("example.com", 300, 1, 2, "s", "SIP+D2U", "_sip._udp.example.net"),
					  {0}};
	struct buf m = {0};

	(void)state;
	ask("a.test", DNS_NAPTR);
	zone_answer(rows, question, &m);
	each_prefix(buf_slice(&m), check_prefix);
	assert_int_equal(answer.count, 2);
	buf_free(&m);
}

/* One record of raw data behind a question for h.test. */
static enum dns_found read_raw(enum dns_type type, const char *head, struct slice data)
{
	struct buf m = {0};
	struct slice guarded;
	enum dns_found found;

	ask("h.test", type);
	zone_message(&m, question, 0, NULL, 0, NULL);
	m.p[7] = 1;
	buf_add(&m, head == NULL ? S("\xc0\x0c") : slice_str(head));
	zone_u16(&m, (unsigned)type);
	zone_u16(&m, 1);
	zone_u32(&m, 60);
	zone_u16(&m, (unsigned)data.n);
	buf_add(&m, data);
	guarded = guard_copy(buf_slice(&m));
	found = dns_message_read(guarded, question, &answer);
	guard_free(guarded);
	buf_free(&m);
	return found;
}

static void hostile_records(void **state)
{
	static const struct {
		enum dns_type type;
		struct slice data;
		enum dns_found found;
	} rows[] = {
		{DNS_A, {"\1\2\3", 3}, DNS_NOTHING},
		{DNS_A, {"\1\2\3\4\5", 5}, DNS_NOTHING},
		{DNS_AAAA, {"\1\2\3\4", 4}, DNS_NOTHING},
		{DNS_SRV, {"\0\1\0\1\x13", 5}, DNS_NOTHING},
		{DNS_SRV, {"\0\1\0\1\x13\xc4\0", 7}, DNS_RECORDS},       /* "." */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\xc0\x0c", 8}, DNS_RECORDS}, /* compressed, as some servers do */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\xc0\x2a", 8}, DNS_NOTHING}, /* to itself */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\xc0\xff", 8}, DNS_NOTHING}, /* ahead, out of the message */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\x3f", 7}, DNS_NOTHING},     /* a label that is cut */
		{DNS_SRV,
		 {"\0\1\0\1\x13\xc4\x41"
		  "a\0",
		  9},
		 DNS_NOTHING},                                           /* RFC 6891 5: an extended label */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\3a.b\0", 11}, DNS_NOTHING}, /* a dot inside a label */
		{DNS_SRV, {"\0\1\0\1\x13\xc4\2a\n\0", 10}, DNS_NOTHING},
		{DNS_SRV, {"\0\1\0\1\x13\xc4\1a\0x", 10}, DNS_NOTHING}, /* something behind the name */
		{DNS_NAPTR, {"\0\1\0\1\1s\x08SIPS+D2T\0\xff", 17}, DNS_NOTHING},
		{DNS_NAPTR, {"\0\1\0\1\1s\x08SIPS+D2T\xff", 16}, DNS_NOTHING},
		{DNS_NAPTR, {"\0\1\0\1\xffs", 6}, DNS_NOTHING},
		{DNS_NAPTR, {"\0\1\0\1\1s\x08SIPS+D2T\0\0", 17}, DNS_RECORDS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (read_raw(rows[i].type, NULL, rows[i].data) != rows[i].found)
			fail_msg("row %zu", i);
	assert_int_equal(read_raw(DNS_A, "\xc0\x18", S("\1\2\3\4")), DNS_BROKEN); /* the owner points at itself */
	assert_int_equal(read_raw(DNS_A, "\xc0", S("\1\2\3\4")), DNS_BROKEN);
}

/* Compression loops and chains of pointers end; a record for each of 65535 that are announced is not needed. */
static void bounds(void **state)
{
	struct buf m = {0};
	const struct row row = ROW_A("h.test", 60, "10.0.0.1");
	const struct row *rows[600];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		rows[i] = &row;
	ask("h.test", DNS_A);
	zone_message(&m, question, 0, rows, 600, NULL);
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_RECORDS);
	assert_int_equal(answer.count, DNS_RECORDS_MAX);
	m.p[6] = m.p[7] = (char)0xff;
	assert_int_equal(dns_message_read(buf_slice(&m), question, &answer), DNS_RECORDS);
	buf_free(&m);
}

/* A hundred SRV records, the best ones last. */
static void the_best_of_many(void **state)
{
	static struct row rows[101];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		rows[i] = (struct row)ROW_SRV("s.test", 60, (uint16_t)(100 - i), 0, 5060, "h.test");
	ask("s.test", DNS_SRV);
	assert_int_equal(read_rows(rows), DNS_RECORDS);
	assert_int_equal(answer.count, DNS_RECORDS_MAX);
	for (unsigned i = 0; i < answer.count; i++)
		assert_in_range(answer.records[i].rank, 1, DNS_RECORDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_can_be_asked_for),
		cmocka_unit_test(records),
		cmocka_unit_test(aliases),
		cmocka_unit_test(nothing),
		cmocka_unit_test(planted_records),
		cmocka_unit_test(answers_to_other_questions),
		cmocka_unit_test(codes),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(hostile_records),
		cmocka_unit_test(bounds),
		cmocka_unit_test(the_best_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
