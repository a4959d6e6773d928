#include "httpd/validate/deliver.h"

void deliver_fail_for_good(struct delivery *delivery, const char *why)
{
	delivery->good = false;
	delivery->final = true;
	buf_clear(&delivery->text);
	buf_add_text(&delivery->text, why);
}

void deliver_run(const struct deliverer *deliverer, const struct message_deliver *ask, struct buf *answer)
{
	struct delivery delivery = { .text = BUF_INIT };
	if (ask->kind == DELIVER_MAIL)
		mail_send(deliverer, ask, &delivery);
	else
		webhook_send(deliverer, ask, &delivery);
	if (delivery.text.len > MESSAGE_TEXT_MAX)
		delivery.text.len = MESSAGE_TEXT_MAX;
	const struct message_delivered out = { delivery.good, delivery.final, buf_bytes(&delivery.text) };
	message_delivered_write(&out, answer);
	buf_free(&delivery.text);
}

void deliver_refuse(const char *why, struct buf *answer)
{
	const struct message_delivered out = { .text = bytes_of(why) };
	message_delivered_write(&out, answer);
}
