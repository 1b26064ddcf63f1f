# make demo and make test are all a reader needs; `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONPATH := $(CURDIR)/collections:$(CURDIR)
PYTEST := python -m pytest
# Asks for the password of sudo only where one is needed. One given a minute ago does not count (-k): sudo remembers it for the
# terminal it was typed at, which Ansible's processes do not have.
ASK_SUDO = $(shell [ "$$(id -u)" = 0 ] || sudo -k -n true 2>/dev/null || echo --ask-become-pass)

.PHONY: help bootstrap bootstrap-dev host demo down test test-faults test-soak test-kubernetes check test-systemd test-fresh bench bench-kubernetes bench-inventory lint lint-python docs lock

help:  ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

bootstrap:
	@bin/bootstrap runtime

bootstrap-dev:
	@bin/bootstrap dev

host: bootstrap  # the machine's packages and, as root, the service user
	@ansible-playbook playbooks/host.yml $(ASK_SUDO)

demo: host  ## sets everything up on this machine and takes a customer through a whole life, for real
	@python -m demo

down:  ## stops and removes what `make demo` made
	@[ ! -x .venv/bin/ansible-playbook ] || ansible-playbook playbooks/teardown.yml -e teardown_confirm="$${SAASODOO_INSTANCE:-local}"

test: export KUBECONFIG =
test: bootstrap-dev host lint  ## all tests this machine can run, as root also in a cluster and on fresh machines, made (once) and started here; no long ones
	@[ "$$(id -u)" != 0 ] || { python -m tests.cluster && python -m tests.fresh; }
	@$(PYTEST) -n 2 --no-loadscope-reorder --durations=10 tests

test-faults: bootstrap-dev host  ## kill -9 of everything at every step of a move, there and back: the whole table, for over an hour
	@SAASODOO_FAULT_CELLS=$${SAASODOO_FAULT_CELLS:-all} $(PYTEST) tests/faults

test-soak: bootstrap-dev host  ## 20 tenants used, moved, rebooted, killed by a seed for half an hour: SAASODOO_SOAK_MINUTES, SAASODOO_SOAK_SEED
	@SAASODOO_SOAK_MINUTES=$${SAASODOO_SOAK_MINUTES:-30} $(PYTEST) -s tests/soak

test-kubernetes: bootstrap-dev  ## all that needs a cluster, the long ones too: KUBECONFIG's, or a real one of one node, built (once) and started here, as root
	@python -m tests.cluster && $(PYTEST) tests -m kubernetes

check: bootstrap-dev lint-python  ## before each commit, in two minutes: lint of what is changed, types, unit and convention tests
	@changed="$$(git diff --name-only --diff-filter=d HEAD -- '*.yml'; git ls-files --others --exclude-standard -- '*.yml')"; \
	  [ -z "$$changed" ] || ansible-lint --offline -q $$changed
	@$(PYTEST) -n 2 --no-loadscope-reorder tests/unit tests/conventions

test-systemd: bootstrap-dev  ## what only a machine whose process 1 is systemd can show, as root
	@$(PYTEST) tests -m systemd

test-fresh: bootstrap-dev  ## make demo, reboots and make down as a newcomer types them, on all kinds of fresh machines, started here as root
	@python -m tests.fresh && SAASODOO_FRESH=all $(PYTEST) tests/fresh

bench: bootstrap-dev host  ## all benchmarks; one alone: make bench-burst, bench-provision, bench-intake, bench-first-task, bench-converge, bench-migration, bench-neighbour, bench-inventory, bench-kubernetes
	@python -m tests.bench

bench-kubernetes: bootstrap-dev  # the objects of 10,000 tenants, as root; on a cluster instead of a platform
	@KUBECONFIG= python -m tests.cluster && python -m tests.bench kubernetes

bench-inventory: bootstrap-dev  # lists of 10,000 tenants; on a registry alone
	@python -m tests.bench inventory

bench-%: bootstrap-dev host
	@python -m tests.bench $*

lint: lint-python  ## ruff, mypy strict, import contracts, ansible-lint production
	@ansible-lint --offline -q

lint-python: bootstrap-dev
	@ruff check && ruff format --check
	@cd collections && mypy --config-file ../pyproject.toml -p ansible_collections.saasodoo.platform.plugins
	@mypy webhook_runner demo tests bin
	@lint-imports

docs: bootstrap  ## the tables of variables in each role's README, from its argument specs
	@bin/role_readmes.py

lock:  ## resolve requirements/*.in anew into the locked *.txt
	@for each in runtime dev uv; do "$${SAASODOO_CACHE:-$$HOME/.cache/saasodoo}"/uv-*/bin/uv pip compile -q --upgrade \
	  --no-header --no-annotate --generate-hashes requirements/$$each.in -o requirements/$$each.txt; done
