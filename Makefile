.PHONY: prerequisites build up demo down

STACK := deploy/local/stack
BUILT := $(or $(CARGO_TARGET_DIR),target)/release

# Debian packages that the Rust build needs; installs only what is missing.
prerequisites:
	@$(STACK) prerequisites

build: prerequisites
	cargo build --release --workspace

# The real Kafka, Cassandra, PostgreSQL and Keycloak, on loopback.
up:
	@$(STACK) up

# Two thousand users, deleted and otherwise, worked off before your eyes. May be repeated; every run makes its own users.
demo: build up
	@deploy/local/demo/down
	@$(BUILT)/demo

# Ends what `demo` and `up` started. The data stays; `deploy/local/stack reset` forgets it.
down:
	@deploy/local/demo/down
	@$(STACK) down
