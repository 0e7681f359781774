# make setup   what bpfman needs on this machine, and .venv/bin/bpfman
# make demo    the tutorial, on a real kernel
# make test    lint, types, tests, on this kernel and on emulated ones
# make test-vm the latter alone; writes docs/kernels.md
# make bench   the benchmarks

PYTHON := /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := python3-venv clang llvm libbpf1 libbpf-dev linux-libc-dev gcc libc6-dev \
	iproute2 iputils-ping bpftool
TEST_PACKAGES := docker-registry apache2-utils buildah skopeo podman
VM_PACKAGES := qemu-system-x86 qemu-system-common busybox-static

PLUGINS := $(wildcard plugins/*/pyproject.toml)
SEEDS := bpfman_core/image/seeds/index.json
CODE := bpfman_core plugins bpf scripts

all: setup

setup: packages $(VENV)/.installed programs $(SEEDS)
	@$(BIN)/python -m compileall -q $(CODE)

packages:
	@scripts/install-packages $(PACKAGES)

$(VENV)/bin/python: | packages
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(PLUGINS) | $(VENV)/bin/python
	@echo "Installing bpfman, its plugins and their requirements into $(VENV)"
	@$(BIN)/python -m pip install -qq --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install -qq -e . $(PLUGINS:%/pyproject.toml=-e %) --group dev
	@touch $@

programs: | packages
	@$(MAKE) --silent -C bpf

$(SEEDS): bpf/seeds.py bpfman_core/image/build.py $(wildcard bpf/examples/*.[ch]) | programs $(VENV)/.installed
	@$(BIN)/python bpf/seeds.py $(@D)

demo: setup
	@scripts/demo

lint: setup
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

test: lint
	@scripts/install-packages $(TEST_PACKAGES) $(VM_PACKAGES)
	@$(BIN)/pytest
	@$(BIN)/python tests/vm/matrix.py

# Kernels other than this one, emulated: what it lacks is proven there.
test-vm: setup
	@scripts/install-packages $(VM_PACKAGES)
	@$(BIN)/python tests/vm/matrix.py --write

bench: setup
	@$(BIN)/python -m benchmarks

clean:
	@$(MAKE) --silent -C bpf clean
	@rm -rf $(VENV) $(dir $(SEEDS)) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find $(CODE) tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: all setup packages programs demo lint test test-vm bench clean
