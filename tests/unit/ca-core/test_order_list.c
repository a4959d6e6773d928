/* Pages of orders: newest first, each sees what is his. */
#include <stdio.h>

#include "tests/unit/ca-core/order_fixture.h"

#define ORDERS 7

static void make_orders(struct order_fixture *o)
{
	char name[64];
	for (int i = 0; i < ORDERS; i++) {
		(void)snprintf(name, sizeof(name), "h%d.zone.test", i);
		struct message_order_create *m = order_request(o, "dv", name, NULL);
		m->draft = i % 2;
		order_create(o, m);
		order_later(o, 1);
	}
}

/* All pages of two rows: names of the first, newest first; how many there were. */
static size_t walk(struct order_fixture *o, const char *who, const char *status, bool mine, char *seen, size_t size)
{
	struct error err = ERR_INIT;
	const struct ca_actor actor = order_actor(who);
	auto_free struct message_orders *page = malloc(sizeof(*page));
	auto_buf out = BUF_INIT, cursor = BUF_INIT;
	size_t count = 0;
	REQUIRE(page != NULL);
	seen[0] = '\0';
	do {
		const struct message_order_list m = {
			.status = bytes_of(status), .mine = mine, .cursor = buf_bytes(&cursor), .limit = 2
		};
		buf_clear(&out);
		CHECK_OK(ca_order_list(o->f.ca, &actor, &m, &out, &err) == 0, &err);
		CHECK_OK(message_orders_read(buf_bytes(&out), page, &err) == 0, &err);
		CHECK(page->count <= 2);
		for (uint32_t i = 0; i < page->count; i++, count++)
			(void)snprintf(seen + strlen(seen), size - strlen(seen), "%.1s",
				       (const char *)page->rows[i].first_name.data + strlen("dns:h"));
		buf_clear(&cursor);
		buf_add_bytes(&cursor, page->next);
	} while (cursor.len);
	return count;
}

static void lists_go_on_where_the_page_before_ended(void)
{
	auto_order o;
	char seen[64];
	order_open(&o);
	make_orders(&o);
	CHECK_INT(walk(&o, "alice", "", false, seen, sizeof(seen)), ORDERS);
	CHECK_TEXT(seen, "6543210");
	CHECK_INT(walk(&o, "olga", "", false, seen, sizeof(seen)), ORDERS);
	CHECK_TEXT(seen, "6543210");
	CHECK_INT(walk(&o, "aud", "draft", false, seen, sizeof(seen)), 3);
	CHECK_TEXT(seen, "531");
	CHECK_INT(walk(&o, "alice", "pending-validation", true, seen, sizeof(seen)), 4);
	CHECK_TEXT(seen, "6420");
	CHECK_INT(walk(&o, "olga", "", true, seen, sizeof(seen)), 0);
	CHECK_INT(walk(&o, "bob", "", false, seen, sizeof(seen)), 0);
}

static void refuses_what_is_no_query(void)
{
	auto_order o;
	struct error err = ERR_INIT;
	auto_buf out = BUF_INIT;
	order_open(&o);
	const struct ca_actor olga = order_actor("olga");
	struct message_order_list m = { .status = bytes_of("asleep"), .limit = 10 };
	CHECK_FAILS(ca_order_list(o.f.ca, &olga, &m, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	m = (struct message_order_list){ .cursor = bytes_of("zz"), .limit = 10 };
	CHECK_FAILS(ca_order_list(o.f.ca, &olga, &m, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	m = (struct message_order_list){ .cursor = bytes_of("00"), .limit = 10 };
	CHECK_FAILS(ca_order_list(o.f.ca, &olga, &m, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	m = (struct message_order_list){ .limit = 501 };
	CHECK_FAILS(ca_order_list(o.f.ca, &olga, &m, &out, &err) == -1, &err, ERR_BAD_REQUEST);
	struct ca_actor token = order_actor("alice");
	token.may_read = false;
	m = (struct message_order_list){ .limit = 10 };
	CHECK_FAILS(ca_order_list(o.f.ca, &token, &m, &out, &err) == -1, &err, ERR_ROLE_REQUIRED);
}

SUITE(order_list)
{
	TEST(lists_go_on_where_the_page_before_ended);
	TEST(refuses_what_is_no_query);
}
