#include "httpd/inventory.h"

#include "base/text.h"

#define SERIAL_MAX 20 /* RFC 5280 section 4.1.2.2 */
#define REASONS                                                                                            \
	"unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, " \
	"certificateHold, removeFromCRL, privilegeWithdrawn, aACompromise"

static const char *const reasons[] = {
	"unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
	"superseded",    "cessationOfOperation", "certificateHold", NULL,
	"removeFromCRL", "privilegeWithdrawn",   "aACompromise",
};
#define REASON_COUNT (sizeof(reasons) / sizeof(reasons[0]))

static const char *const statuses[] = { NULL, "valid", "revoked", "held" };
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

int inventory_serial(const struct request *r, struct buf *serial, struct error *err)
{
	struct bytes hex = r->parameters[0];
	bool lower = hex.len > 0;
	for (size_t i = 0; lower && i < hex.len; i++)
		lower = hex.data[i] < 'A' || hex.data[i] > 'F';
	struct error why = ERR_INIT;
	if (lower && text_parse_hex(hex, SERIAL_MAX, serial, &why) == 0 && serial->len > 0)
		return 0;
	(void)err_set(err, ERR_NOT_FOUND, "this is no serial number: lower-case hex of up to %d octets", SERIAL_MAX);
	auto_buf shown = BUF_INIT;
	buf_add_bytes(&shown, hex);
	return err_about(err, "serial", buf_text(&shown), NULL);
}

const char *inventory_reason_name(uint8_t reason)
{
	return reason < REASON_COUNT && reasons[reason] ? reasons[reason] : reasons[0];
}

int inventory_reason(struct bytes name, uint8_t *reason, struct error *err)
{
	for (size_t i = 0; i < REASON_COUNT; i++)
		if (reasons[i] && bytes_are(name, reasons[i])) {
			*reason = (uint8_t)i;
			return 0;
		}
	(void)err_set(err, ERR_BAD_REQUEST, "this is no reason of RFC 5280");
	auto_buf shown = BUF_INIT;
	buf_add_bytes(&shown, name);
	return err_about(err, "reason", buf_text(&shown), REASONS);
}

const char *inventory_status_name(uint8_t status)
{
	return status < STATUS_COUNT && statuses[status] ? statuses[status] : "unknown";
}

int inventory_status(struct bytes name, uint8_t *status, struct error *err)
{
	for (size_t i = 1; i < STATUS_COUNT; i++)
		if (bytes_are(name, statuses[i])) {
			*status = (uint8_t)i;
			return 0;
		}
	(void)err_set(err, ERR_BAD_REQUEST, "this is no status of a certificate");
	auto_buf shown = BUF_INIT;
	buf_add_bytes(&shown, name);
	return err_about(err, "status", buf_text(&shown), "valid, revoked, held");
}
