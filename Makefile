# One target per thing people do. `make demo` and `make test` work on a fresh clone: they set up what they need.
.PHONY: demo test check bundle nightly setup setup-tests

demo: setup bundle ## Set up, then run real models in every browser found and print the table.
	cargo run --quiet --package tabpool -- bench

test: setup-tests bundle ## Set up, then run every suite; the last line counts them all.
	.ci/suites

check: ## Before each commit: format, lints, layout and unit tests. Seconds when warm.
	.ci/suites lint native

bundle: ## Build www/pkg; `make bundle BUNDLE=--ship` builds what ships.
	cargo bundle $(BUNDLE)

nightly: ## A hundred times the simulated jobs of `make test`.
	TABPOOL_SIM_EFFORT=100 cargo test --release --package tabpool-pool --test simulation chaos

setup: ## Install browsers, drivers and models (idempotent).
	.ci/setup

setup-tests:
	.ci/setup --tests
