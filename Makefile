.PHONY: demo test killers other-killers faults schemas bench-purge lint chart cluster monitoring image supply up down prerequisites

# Not STACK: that names an instance, and make would hand its own on. Offsets stay below 3600: from port 32768 on, an outgoing
# connection of anybody may hold a number that a service is about to listen on.
stack := deploy/local/stack
# Another one, which nobody shares, with the newest Keycloak: for the tests that kill services.
newest := STACK_FSYNC=off POSTGRES_VERSION=15 KEYCLOAK_VERSION=26
faults := STACK=faults STACK_PORT_OFFSET=3000 $(newest)
# And one with PostgreSQL and Keycloak alone, of many versions.
schemas := STACK=schemas STACK_PORT_OFFSET=3500 STACK_FSYNC=off

# Debian packages that the build needs, installed only when they are missing.
prerequisites:
	$(stack) prerequisites

up: prerequisites
	$(stack) up

# Ends what `demo` and `up` started. The data stays; `deploy/local/stack reset` forgets it.
down:
	deploy/local/demo/down
	$(stack) down

# Two thousand users, deleted and otherwise, worked off before your eyes. May be repeated: every run makes its own users.
demo: prerequisites
	cargo build --release --workspace
	$(stack) up
	@deploy/local/demo/down
	@$(or $(CARGO_TARGET_DIR),target)/release/demo

# All of it, also where one program is enough: for that alone the dependencies would be compiled once more, with fewer features.
build := cargo build --workspace --all-targets

# Everything: unit, property and command line tests, and those against the real stack; last those that kill its services. Starts what
# it needs and stops it. Fetching waits for others, so it goes beside the build; `up` does again what it could not do.
test: prerequisites
	{ $(stack) prerequisites --browser; $(stack) fetch; } & $(faults) $(stack) fetch & \
	$(build); built=$$?; wait; exit $$built
	STACK_FSYNC=off $(stack) up
	status=0; \
	cargo test --workspace --no-fail-fast -- --test-threads=4 --skip faults:: --skip speed:: || status=$$?; \
	cargo test --test it --no-fail-fast -- --test-threads=1 speed:: || status=$$?; \
	$(stack) down; \
	if $(faults) $(stack) up; then \
		$(faults) cargo test --test it --no-fail-fast -- --test-threads=4 keycloak:: smoke:: || status=$$?; \
		$(faults) cargo test --test it --no-fail-fast -- --test-threads=4 faults:: --skip faults::alone:: || status=$$?; \
		$(both) killers other-killers || status=$$?; \
		$(faults) $(alone) $(limits) || status=$$?; \
	else status=1; fi; \
	$(faults) $(stack) reset; \
	exit $$status

# Who kills a service needs a stack alone, and mostly waits: so there are two of these, side by side. What measures speed comes after.
other := STACK=faults2 STACK_PORT_OFFSET=1900 $(newest)
alone := cargo test --test it --no-fail-fast -- --test-threads=1
others := $(addprefix faults::alone::,cassandra:: made::)
limits := faults::alone::limits::
# Not $(MAKE) in the recipe itself: `make -n` would run it.
both := $(MAKE) -k -j2 --output-sync=target
killers:
	$(faults) $(alone) faults::alone:: $(addprefix --skip ,$(others) $(limits))
other-killers:
	$(other) $(stack) up
	status=0; $(other) $(alone) $(others) || status=$$?; $(other) $(stack) reset; exit $$status

# The fault suite in full, well over an hour; its short forms are part of `test`. What it finds becomes docs/faults.md.
# FAULTS_SEED=n plays it in another order.
faults: prerequisites
	cargo build --workspace --all-targets
	rm -f $(or $(CARGO_TARGET_DIR),target)/tmp/faults.jsonl
	status=0; \
	FAULTS=whole $(faults) cargo test --test it --no-fail-fast -- --test-threads=1 faults:: || status=$$?; \
	$(faults) $(stack) reset; \
	cargo run --package local-stack --bin faults-report || status=$$?; \
	exit $$status

# Keycloak's schemas from 9 to the newest, on PostgreSQL 11, 15 and 17; `deploy/local/schemas 9.0.3/11` plays one of them. What
# it finds becomes docs/schemas.md.
schemas: prerequisites
	$(schemas) deploy/local/schemas

# The purge against a bare client with the same statements, 600,000 users, about ten minutes on a PostgreSQL and a Keycloak of its own;
# BENCH_USERS=n makes it shorter.
bench := STACK=bench STACK_PORT_OFFSET=2500
bench-purge: prerequisites
	cargo bench --bench purge --no-run
	$(bench) $(stack) up postgres keycloak
	$(bench) cargo bench --bench purge; status=$$?; $(bench) $(stack) reset; exit $$status

# What a reviewer should not have to say: form, lints, and documentation whose links lead somewhere.
lint: prerequisites
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

# The chart against everything that can be known without a cluster, and against the program. The first time it builds helm.
chart: prerequisites
	$(build)
	USER_PURGE_SYNC=$(or $(CARGO_TARGET_DIR),target)/debug/user-purge-sync helm/check

# The chart in a real cluster, on loopback and without containers, six minutes. The first time it builds Kubernetes, in about five more.
cluster: prerequisites
	$(build)
	USER_PURGE_SYNC=$(or $(CARGO_TARGET_DIR),target)/debug/user-purge-sync helm/cluster

# Alerts, dashboard and runbook, against each other and against what a worker says; Grafana's types come from npm.
monitoring:
	deploy/monitoring/check --types

# The image, built and run as Kubernetes would; OFFICIAL=1 on the base that Dockerfile names, which needs a registry of images.
image:
	deploy/image/check $(if $(OFFICIAL),--official)

# Licences, sources, the bill of materials (target/supply), the workflows; ADVISORIES=1 asks the public database of known holes.
supply:
	deploy/supply/check $(if $(ADVISORIES),--advisories)
