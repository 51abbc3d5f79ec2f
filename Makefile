.PHONY: lint

# What a reviewer should not have to say: form, lints, and documentation whose links lead somewhere.
lint:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet
