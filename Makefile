# Chancery: the one entry. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
STATE ?= ./var
PORT ?= 8443
HTTP_PORT ?= 8080
FUZZ_SECONDS ?= 10
CC = gcc
FUZZ_CC ?= clang
VERSION := 0.1.0

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# ---- flags ----

packages := libcrypto libssl libmicrohttpd gnutls libconfuse jansson libidn2 libpsl libp11 p11-kit-1 libsystemd libcurl
# Asked once, when first needed: `make deps` must work where pkg-config is not there yet.
package_cflags = $(eval package_cflags := $(shell pkg-config --cflags $(packages)))$(package_cflags)
package_libs = $(eval package_libs := $(shell pkg-config --libs $(packages)) -llmdb -lpthread -ldl)$(package_libs)
cunit_libs = $(eval cunit_libs := $(shell pkg-config --libs cunit))$(cunit_libs)

warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wwrite-strings -Wundef
hardened := -fstack-protector-strong -fPIE
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
hardened += -fcf-protection -fstack-clash-protection
endif
link_hardened := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

language := -std=gnu11 -D_GNU_SOURCE -I. -DCHANCERY_VERSION='"$(VERSION)"'
# SAN=1: address and undefined-behaviour sanitizers, and a clock that tests may shift.
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all
ifeq ($(SAN),1)
mode := -O1 -g -fno-omit-frame-pointer $(sanitizers) -DCHANCERY_TEST_CLOCK
link_mode := $(sanitizers)
else
mode := -O2 -g -D_FORTIFY_SOURCE=2
link_mode :=
endif
compile = $(CC) $(language) $(package_cflags) $(warnings) $(mode) $(hardened) $(CFLAGS)
link = $(CC) $(mode) $(hardened) $(link_hardened) $(LDFLAGS)

# ---- sources ----

folders := base hsm store ca-core httpd tools
sources_of = $(wildcard $(1)/*.c $(1)/*/*.c)
objects_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
mains := tools/chanceryd.c tools/chancery.c
programs := $(foreach main,$(wildcard $(mains)),$(BUILD)/bin/$(notdir $(main:.c=)))
library = $(BUILD)/lib/lib$(1).a
# In link order: whoever uses comes before what is used.
libraries := $(foreach folder,tools httpd ca-core hsm store base,$(call library,$(folder)))

unit_folders := $(patsubst tests/unit/%,%,$(sort $(patsubst %/,%,$(dir $(wildcard tests/unit/*/test_*.c)))))
bench_programs := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
fuzz_names := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

product_sources := $(foreach folder,$(folders),$(call sources_of,$(folder)))
test_sources := $(wildcard tests/unit/*.c tests/unit/*/*.c tests/fuzz/*.c tests/bench/*.c)
sources := $(product_sources) $(test_sources)

# ---- building ----

.PHONY: all FORCE
all: $(programs) compile_commands.json ## build the programs into build/bin (the default)

# Rewritten only when it changes, so that other flags mean another build.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(compile) | $(link))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(compile) | $(link))' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(compile) -MMD -MP -c $< -o $@

define library_rules
$(call library,$(1)): $(call objects_of,$(filter-out $(mains),$(call sources_of,$(1))))
	@mkdir -p $$(@D)
	@echo "  AR    $$@"
	@rm -f $$@
	@ar rcs $$@ $$^

.PHONY: lib-$(1)
lib-$(1): $(call library,$(1))
endef
$(foreach folder,$(folders),$(eval $(call library_rules,$(folder))))

$(BUILD)/bin/%: $(BUILD)/obj/tools/%.o $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $< $(libraries) $(package_libs) -o $@

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $< $(libraries) $(package_libs) -o $@

# ---- unit tests: one program a folder, its suites listed by file name ----

# The libraries that a folder's tests link: its own and those below it.
below_base := base
below_hsm := hsm base
below_store := store base
below_ca-core := ca-core hsm store base
below_httpd := httpd ca-core hsm store base
below_tools := tools httpd ca-core hsm store base
unit_libraries = $(foreach folder,$(below_$(1)),$(call library,$(folder)))

define unit_rules
unit_sources_$(1) := $(wildcard tests/unit/$(1)/*.c)

$(BUILD)/tests/list_$(1).c: $$(filter tests/unit/$(1)/test_%,$$(unit_sources_$(1))) Makefile
	@mkdir -p $$(@D)
	@{ echo '#include "tests/unit/unit.h"'; \
	for suite in $$(patsubst test_%.c,%,$$(notdir $$(filter %.c,$$^))); do \
		echo "void suite_$$$$suite(void);"; done; \
	echo 'const char unit_folder_name[] = "$(1)";'; \
	echo 'const struct unit_suite unit_suites[] = {'; \
	for suite in $$(patsubst test_%.c,%,$$(notdir $$(filter %.c,$$^))); do \
		echo "	{ \"$$$$suite\", suite_$$$$suite },"; done; \
	echo '	{ NULL, NULL }'; echo '};'; } > $$@

$(BUILD)/tests/list_$(1).o: $(BUILD)/tests/list_$(1).c tests/unit/unit.h $(BUILD)/flags
	@$$(compile) -c $$< -o $$@

$(BUILD)/tests/unit-$(1): $$(call objects_of,$$(unit_sources_$(1)) tests/unit/main.c) \
		$(BUILD)/tests/list_$(1).o $(call unit_libraries,$(1))
	@mkdir -p $$(@D)
	@echo "  LINK  $$@"
	@$$(link) $$^ $$(package_libs) $$(cunit_libs) -o $$@

.PHONY: unit-$(1)
unit-$(1): $(BUILD)/tests/unit-$(1)
	$(BUILD)/tests/unit-$(1) $(TESTS)
endef
$(foreach folder,$(unit_folders),$(eval $(call unit_rules,$(folder))))

.PHONY: unit-build unit
unit-build: $(foreach folder,$(unit_folders),$(BUILD)/tests/unit-$(folder))
unit: $(foreach folder,$(unit_folders),unit-$(folder)) ## build and run all unit tests of this build (TESTS=name picks)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(sources))

compile_commands.json: $(sources) Makefile
	@{ echo '['; first=; for source in $(sources); do \
		printf '%s{"directory": "%s", "file": "%s", "command": "%s"}' "$$first" "$(CURDIR)" "$$source" \
			'$(subst ",\",$(subst ','\'',$(compile))) -c '"$$source"; first=$$',\n'; done; \
	printf '\n]\n'; } > $@

.PHONY: clean help
clean: ## remove what was built
	rm -rf $(BUILD) compile_commands.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
