/* chancery ceremony rehearse, run, verify. */
#include "tools/cmd_ceremony.h"

#include <stdio.h>

#include "base/text.h"
#include "tools/ceremony_run.h"
#include "tools/ceremony_verify.h"
#include "tools/output.h"

#define HASH_LEN 32

static void say_hash(const char *what, const uint8_t hash[HASH_LEN])
{
	auto_buf groups = BUF_INIT;
	ca_transcript_groups(hash, 4, &groups);
	(void)printf("%s\n\n%s", what, buf_text(&groups));
}

static json_t *hash_json(const uint8_t hash[HASH_LEN])
{
	char hex[2 * HASH_LEN + 1];
	return json_string(text_hex(BYTES(hash, HASH_LEN), hex));
}

int ceremony_rehearse_command(struct invocation *in)
{
	struct ceremony_run_options options = { .clock = clock_system() };
	uint8_t closing[HASH_LEN];
	const struct option_spec specs[] = {
		{ "out", OPTION_TEXT, &options.out, "DIR", "a new folder for what it fixes" }, OPTIONS_END
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (!options.out)
		return refuse_usage(in, "--out DIR is needed: a new folder");
	options.plan = in->operands[0];
	if (ceremony_run(&options, closing, &in->error))
		return refuse(in);
	if (in->common.json)
		output_json(json_pack("{s:s, s:o}", "rehearsal", options.out, "closing", hash_json(closing)));
	else
		(void)printf("The plan was rehearsed; serial numbers and times are fixed in %s.\n"
			     "What its keys have signed is worth nothing: they were thrown away.\n"
			     "Next: chancery ceremony run %s --rehearsal %s --out DIR\n",
			     options.out, options.plan, options.out);
	return 0;
}

int ceremony_run_command(struct invocation *in)
{
	struct option_list attest = { .count = 0 };
	struct ceremony_run_options options = { .clock = clock_system(), .attest = &attest };
	uint8_t closing[HASH_LEN];
	const struct option_spec specs[] = {
		{ "rehearsal", OPTION_TEXT, &options.rehearsal, "DIR", "folder of the rehearsal" },
		{ "out", OPTION_TEXT, &options.out, "DIR", "a new folder for transcript and certificates" },
		{ "resume", OPTION_FLAG, &options.resume, NULL, "go on with a run that was interrupted" },
		{ "attest", OPTION_LIST, &attest, "NAME=KEY", "the key (file or pkcs11: URI) of a person who attests" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if (!options.out || !options.rehearsal)
		return refuse_usage(in, "--rehearsal DIR and --out DIR are needed");
	options.plan = in->operands[0];
	if (ceremony_run(&options, closing, &in->error))
		return refuse(in);
	if (in->common.json) {
		output_json(json_pack("{s:s, s:o}", "directory", options.out, "closing", hash_json(closing)));
		return 0;
	}
	(void)printf("The ceremony is closed; everything is in %s.\n", options.out);
	say_hash("The closing hash:", closing);
	return 0;
}

static void say_verified(const struct invocation *in, const struct ceremony_verified *v)
{
	const uint8_t *hash = ca_transcript_last(&v->transcript)->hash;
	if (in->common.json) {
		output_json(json_pack("{s:s, s:s, s:b, s:i, s:i, s:o}", "directory", in->operands[0], "title",
				      v->plan->title, "anchored", (int)v->anchored, "lines", (int)v->transcript.count,
				      "steps", (int)v->plan->step_count, "closing", hash_json(hash)));
		return;
	}
	(void)printf("%s: %zu steps, %zu lines, all as they should be.\n", v->plan->title, v->plan->step_count,
		     v->transcript.count);
	if (v->anchored) {
		(void)printf("Verified: the transcript is the one with this closing hash.\n");
		return;
	}
	(void)printf("Consistent, not anchored: nothing here contradicts anything else, but whoever wrote the\n"
		     "directory could have made it so. Give the hash that was written on paper with --closing.\n");
	say_hash("The closing hash found here:", hash);
}

int ceremony_verify_command(struct invocation *in)
{
	const char *closing = NULL;
	uint8_t hash[HASH_LEN];
	auto_ceremony_verified verified = CEREMONY_VERIFIED_INIT;
	const struct option_spec specs[] = {
		{ "closing", OPTION_TEXT, &closing, "HASH", "the closing hash, as it was written on paper" },
		OPTIONS_END,
	};
	if (options_read(in, specs, 1, 1))
		return in->status;
	if ((closing && ceremony_closing_parse(closing, hash, &in->error)) ||
	    ceremony_verify(in->operands[0], closing ? hash : NULL, &verified, &in->error))
		return refuse(in);
	say_verified(in, &verified);
	return 0;
}

const char ceremony_rehearse_detail[] =
	"Does every step of the plan with keys that are thrown away afterwards, in a SoftHSM2 directory of its own. "
	"It\n"
	"draws the serial numbers and fixes every time; the run signs what was rehearsed, byte for byte, but for the\n"
	"public keys that the run makes.\n";
const char ceremony_run_detail[] =
	"Does the steps of the plan, at a terminal, with the tokens that the plan names. Before each signature it "
	"shows\n"
	"what will be signed; the operator types the first four digits of its hash. A run that was interrupted, by\n"
	"whatever, goes on where it ended with --resume and the same arguments. It ends with the closing hash: read "
	"it\n"
	"aloud, and write it on paper.\n";
const char ceremony_verify_detail[] = "Needs the directory and the closing hash, nothing else: no token, no network. "
				      "Exit status 4 at the first thing\n"
				      "that is wrong, naming the line of the transcript. Without --closing it can only "
				      "say that the directory does not\n"
				      "contradict itself.\n";
