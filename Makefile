# Chancery: the one entry. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
STATE ?= ./var
PORT ?= 8443
HTTP_PORT ?= 8080
FUZZ_SECONDS ?= 10
JOBS ?= 2
CC = gcc
VERSION := 0.1.0

comma := ,
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# ---- flags ----

packages := libcrypto libssl libmicrohttpd gnutls libconfuse jansson libidn2 libpsl libp11 p11-kit-1 libsystemd libcurl \
	libcares libgfshare
# Asked once, when first needed: `make deps` must work where pkg-config is not there yet.
package_cflags = $(eval package_cflags := $(shell pkg-config --cflags $(packages)))$(package_cflags)
package_libs = $(eval package_libs := $(shell pkg-config --libs $(packages)) -llmdb -lunbound -lpthread -ldl)$(package_libs)
cunit_libs = $(eval cunit_libs := $(shell pkg-config --libs cunit))$(cunit_libs)

warnings := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wwrite-strings -Wundef
# Texts of fixed size are cut on purpose (base/err.h); snprintf keeps within them.
warnings += -Wno-format-truncation
hardened := -fstack-protector-strong -fPIE
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
hardened += -fcf-protection -fstack-clash-protection
endif
link_hardened := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed

language := -std=gnu11 -D_GNU_SOURCE -I. -DCHANCERY_VERSION='"$(VERSION)"'
# SAN=1: address and undefined-behaviour sanitizers, and a clock that tests may shift.
# FUZZ=1: the same by clang with libFuzzer's coverage; warnings are gcc's affair.
sanitizers := -fsanitize=address,undefined -fno-sanitize-recover=all
ifeq ($(FUZZ),1)
CC = clang
warnings := -w
mode := -O1 -g -fno-omit-frame-pointer $(sanitizers) -fsanitize=fuzzer-no-link -DCHANCERY_TEST_CLOCK
link_mode := -fsanitize=fuzzer
else ifeq ($(SAN),1)
mode := -O1 -g -fno-omit-frame-pointer $(sanitizers) -DCHANCERY_TEST_CLOCK
else
mode := -O2 -g -D_FORTIFY_SOURCE=2
endif
compile = $(CC) $(language) $(package_cflags) $(warnings) $(mode) $(hardened) $(CFLAGS)
link = $(CC) $(mode) $(link_mode) $(hardened) $(link_hardened) $(LDFLAGS)

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
fuzz_programs := $(foreach name,$(fuzz_names),$(BUILD)/fuzz_$(name))
replay_programs := $(foreach name,$(fuzz_names),$(BUILD)/tests/replay-$(name))

# The OpenSSL provider as a module, of position-independent objects of its own. libp11 stays out of it, and the probe.
provider_module := $(BUILD)/lib/ossl-modules/chancery.so
provider_objects = $(patsubst %.c,$(BUILD)/pic/%.o,$(filter-out hsm/admin.c hsm/probe%.c,$(call sources_of,base) $(call sources_of,hsm)))

# A PKCS#11 module that makes another one fail, for the end-to-end tests (tests/modules/faulty.h).
fault_module := $(BUILD)/tests/modules/faulty.so
fault_objects := $(patsubst %.c,$(BUILD)/pic/%.o,$(wildcard tests/modules/*.c))

product_sources := $(foreach folder,$(folders),$(call sources_of,$(folder)))
test_sources := $(wildcard tests/unit/*.c tests/unit/*/*.c tests/fuzz/*.c tests/bench/*.c tests/bench/*/*.c tests/modules/*.c)
sources := $(product_sources) $(test_sources)
headers := $(wildcard $(foreach folder,$(folders),$(folder)/*.h $(folder)/*/*.h) tests/*/*.h tests/*/*/*.h)

# ---- building ----

.PHONY: all FORCE
all: $(programs) $(provider_module) $(BUILD)/compile_commands.json ## build the programs into build/bin, the OpenSSL provider into build/lib (the default)

# Rewritten only when it changes, so that other flags mean another build.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(compile) | $(link))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(compile) | $(link))' > $@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(compile) -MMD -MP -c $< -o $@

# A library is made anew also when one of its sources has gone: the list is kept beside it.
define library_rules
$(BUILD)/lib/$(1).list: FORCE
	@mkdir -p $$(@D)
	@echo '$(sort $(call sources_of,$(1)))' | cmp -s - $$@ || echo '$(sort $(call sources_of,$(1)))' > $$@

$(call library,$(1)): $(call objects_of,$(filter-out $(mains),$(call sources_of,$(1)))) $(BUILD)/lib/$(1).list
	@echo "  AR    $$@"
	@rm -f $$@
	@ar rcs $$@ $$(filter %.o,$$^)

.PHONY: lib-$(1)
lib-$(1): $(call library,$(1))
endef
$(foreach folder,$(folders),$(eval $(call library_rules,$(folder))))

$(BUILD)/bin/%: $(BUILD)/obj/tools/%.o $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $< $(libraries) $(package_libs) -o $@

$(BUILD)/pic/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  CC    $< (PIC)"
	@$(compile) -fPIC -fvisibility=hidden -MMD -MP -c $< -o $@

# The sanitizers' own symbols come with the program that loads it.
$(provider_module): $(provider_objects) hsm/provider.map
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(mode) -shared $(filter-out -pie,$(link_hardened)) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
		-Wl,--version-script=hsm/provider.map $(LDFLAGS) $(provider_objects) -lcrypto -lpthread -ldl -o $@

# Only programs of the same build load it, so it may have their sanitizers, and be watched by them as well.
# It stays in the process when it is unloaded: what it has counted must not begin anew.
$(fault_module): $(fault_objects)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(mode) -shared $(filter-out -pie,$(link_hardened)) $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
		-Wl,-z,nodelete $(LDFLAGS) $^ -lcrypto -lpthread -ldl -o $@

# ---- unit tests: one program a folder, its suites listed by file name ----

# The libraries that a folder's tests link: its own and those below it.
below_base := base
below_hsm := hsm base
below_store := store base
below_ca-core := ca-core hsm store base
below_httpd := httpd ca-core hsm store base
below_validate := httpd ca-core hsm store base
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

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(sources)) $(provider_objects:.o=.d) $(fault_objects:.o=.d)

# For editors and clang-tidy; at the root it is a link to that of the plain build.
$(BUILD)/compile_commands.json: $(sources) Makefile $(BUILD)/flags
	@{ echo '['; first=; for source in $(sources); do \
		printf '%s{"directory": "%s", "file": "%s", "command": "%s"}' "$$first" "$(CURDIR)" "$$source" \
			'$(subst ",\",$(subst ','\'',$(compile))) -c '"$$source"; first=$$',\n'; done; \
	printf '\n]\n'; } > $@
	@if [ '$(BUILD)' = build ]; then ln -sf build/compile_commands.json compile_commands.json; fi

# ---- fuzzing: each tests/fuzz/fuzz_NAME.c a target, seeds in tests/data/fuzz/NAME ----

.PHONY: fuzz fuzz-build fuzz-programs replay-build
fuzz: fuzz-build ## run each fuzz target for FUZZ_SECONDS (10)
	@status=0; for name in $(fuzz_names); do \
		mkdir -p $(BUILD)/fuzz/corpus/$$name $(BUILD)/fuzz/found; \
		if $(BUILD)/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/found/$$name- \
			$(BUILD)/fuzz/corpus/$$name tests/data/fuzz/$$name >$(BUILD)/fuzz/$$name.log 2>&1 </dev/null; then \
			runs=$$(sed -n 's/^stat::number_of_executed_units: *//p' $(BUILD)/fuzz/$$name.log); \
			echo "ok   fuzz $$name: $$runs inputs"; \
		else \
			tail -n 60 $(BUILD)/fuzz/$$name.log; echo "FAIL fuzz $$name"; status=1; \
		fi; \
	done; exit $$status

fuzz-build:
	@$(MAKE) --no-print-directory FUZZ=1 BUILD=$(BUILD)/fuzz fuzz-programs

fuzz-programs: $(fuzz_programs)

$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $< $(libraries) $(package_libs) -o $@

# The same target functions over their seeds, as part of `make test`.
replay-build: $(replay_programs)

$(BUILD)/tests/replay-%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $(filter %.o,$^) $(libraries) $(package_libs) -o $@

# ---- measuring ----

.PHONY: bench bench-build
bench-build: $(bench_programs)
bench: all bench-build ## measure, and print a table of ratios within one run
	@python3 tests/bench/run.py --build $(BUILD)
	@python3 tests/bench/orders.py --build $(BUILD)

# What they share; of an archive each links what it uses.
bench_support := $(BUILD)/bench/support.a
$(bench_support): $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/bench/support/*.c))
	@mkdir -p $(@D)
	@echo "  AR    $@"
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(bench_support) $(libraries)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) $< $(bench_support) $(libraries) $(package_libs) -o $@

# ---- testing ----

.PHONY: test test-build check check-format check-tidy check-cppcheck check-rules
test: test-deps ## run every test, plain and under ASan+UBSan, and the checks
	@$(MAKE) --no-print-directory -j$(JOBS) test-build
	@$(MAKE) --no-print-directory -j$(JOBS) SAN=1 BUILD=$(BUILD)/san test-build
	@BUILD=$(BUILD) MAKE='$(MAKE)' tests/run.sh

test-build: all unit-build replay-build $(fault_module)

.PHONY: e2e
e2e: all $(fault_module) ## the end-to-end tests of this build (TESTS=pattern picks)
	@python3 tests/e2e/run.py --build $(BUILD) -v $(if $(TESTS),-k '$(TESTS)')

check: check-format check-rules check-cppcheck check-tidy ## formatting, house rules, cppcheck, clang-tidy

check-format:
	@clang-format --dry-run -Werror $(sources) $(headers)
	@echo "ok   check format"

check-rules:
	@tests/check_rules.sh
	@echo "ok   check rules"

check-cppcheck:
	@mkdir -p $(BUILD)/cppcheck
	@cppcheck --enable=warning,performance,portability --error-exitcode=1 --inline-suppr --quiet -j $(JOBS) \
		--std=c11 --library=posix --suppressions-list=tests/cppcheck.txt --cppcheck-build-dir=$(BUILD)/cppcheck \
		-D_GNU_SOURCE -DCHANCERY_VERSION='"$(VERSION)"' -I. $(sources)
	@echo "ok   check cppcheck"

tidy_stamps := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(sources))
check-tidy: $(BUILD)/compile_commands.json
	@$(MAKE) --no-print-directory -j$(JOBS) -k check-tidy-files
	@echo "ok   check tidy"

.PHONY: check-tidy-files
check-tidy-files: $(tidy_stamps)

# Behind the object file, which is newer than every header that it includes.
$(BUILD)/tidy/%.ok: $(BUILD)/obj/%.o .clang-tidy
	@mkdir -p $(@D)
	@echo "  TIDY  $*.c"
	@clang-tidy --quiet -p $(BUILD) $*.c 2> >(grep -v -e 'warnings\? generated' -e '^Suppressed' -e '^Use -header' >&2)
	@touch $@

# ---- what building, running and testing need ----

deps_packages := gcc make pkg-config libc6-dev libssl-dev libp11-dev libp11-kit-dev softhsm2 libmicrohttpd-dev \
	liblmdb-dev libconfuse-dev libjansson-dev libidn2-dev libpsl-dev libgnutls28-dev libcurl4-openssl-dev \
	libc-ares-dev libunbound-dev libgfshare-dev dns-root-data libsystemd-dev openssl ca-certificates curl
test_packages := libcunit1-dev clang clang-format clang-tidy cppcheck libclang-rt-14-dev gnutls-bin nginx-light \
	haproxy knot knot-dnssecutils python3-aiosmtpd golang-cfssl libnss3-tools p11-kit p11-kit-modules python3 \
	lmdb-utils util-linux procps
# Any Java and any Node will do; Debian's where there is none.
test_packages += $(if $(shell command -v keytool),,openjdk-17-jre-headless) $(if $(shell command -v node),,nodejs)

.PHONY: deps test-deps
deps: ## install the packages that building and running need (nothing where they are there)
	@tools/packages.sh $(deps_packages)

test-deps: deps ## install the packages that the tests need besides
	@tools/packages.sh $(test_packages)

# ---- running and installing ----

.PHONY: run install
run: deps ## build and start a CA under STATE (./var) on PORT (8443) and HTTP_PORT (8080)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@STATE='$(STATE)' PORT='$(PORT)' HTTP_PORT='$(HTTP_PORT)' BUILD='$(BUILD)' exec tools/run.sh

install: all ## install below PREFIX (/usr/local), staged below DESTDIR
	@BUILD='$(BUILD)' PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install.sh

.PHONY: clean help
clean: ## remove what was built
	rm -rf $(BUILD) compile_commands.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
