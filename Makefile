# Patchbay on one machine: `make demo` shows it, `make test` proves it; both set up what they need.  Debian 12, root.
.PHONY: help setup demo demo-clean test bench clean

VENV := .venv
STAMP := $(VENV)/.setup
PACKAGES := openvswitch-switch mininet iputils-ping iproute2 ethtool iperf3 tcpdump procps python3-venv \
	postgresql mariadb-server udhcpc isc-dhcp-client

help:
	@echo "make setup       install what is missing (Debian packages, Python packages into $(VENV))"
	@echo "make demo        two simulated hypervisors, a VLAN and a VXLAN network, pings (KEEP=1: leave it running)"
	@echo "make demo-clean  end a demo that was kept"
	@echo "make test        everything CI runs"
	@echo "make bench       the benchmarks, 15 to 20 minutes (ROWS=\"P1 P4\": some of them); writes docs/generated/benchmarks.*"
	@echo "make clean       remove caches, leftovers of aborted runs and $(VENV)"

setup: $(STAMP)
	@:

# Debian's own Python first: it is built with profile-guided optimisation, and a tenth faster here than one without.
$(STAMP): setup.cfg pyproject.toml Makefile
	@missing=""; for package in $(PACKAGES); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q "ok installed" || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
		[ "$$(id -u)" = 0 ] || { echo "missing:$$missing; run make setup as root" >&2; exit 1; }; \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	fi
	@python=""; for candidate in /usr/bin/python3 python3.11 python3.12 python3.13 python3; do \
		$$candidate -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
			&& { python=$$candidate; break; }; \
	done; \
	[ -n "$$python" ] || { echo "no Python 3.11 or newer with venv found" >&2; exit 1; }; \
	$(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $$python -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(STAMP)

demo: setup
	@$(VENV)/bin/python -m demo $(if $(KEEP),--keep)

demo-clean: setup
	@$(VENV)/bin/python -m demo --clean

# The quick checks first.  -qq: the last line is the summary of pytest.
test: setup
	@$(VENV)/bin/tox run -qq -e lint,types </dev/null
	@$(VENV)/bin/tox run -qq -e all </dev/null

bench: setup
	@$(VENV)/bin/python -m bench $(ROWS)

clean:
	@if [ -x $(VENV)/bin/python ] && [ "$$(id -u)" = 0 ]; then $(VENV)/bin/python -m tests.netns.testbed clean; fi
	rm -rf $(VENV) .tox .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage .coverage.* build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
