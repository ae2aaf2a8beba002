# `make` alone lists what there is.
PYTHON := .venv/bin/python
LOCK := .venv/bin/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

# Tests start thousands of Pythons: where no bytecode were kept, each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: setup
setup: ## make .venv with all that demo and test need
	@tools/setup dev

.PHONY: demo
demo: ## show an agent online in its controller, on a throwaway host (ARGS=--keep keeps it)
	@tools/setup demo
	@$(PYTHON) -m toolkit demo $(ARGS)

.PHONY: test
test: packages setup lint pythons ## all tests and scenarios, on real hosts too (an hour)
	$(PYTHON) -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)
	$(PYTHON) -m tests.support.molecule.run

.PHONY: suites
suites: packages setup ## run on all systems of hosts what the other targets run on one (an hour)
	ALL_SUITES=1 $(PYTHON) -m pytest -n 3 --dist loadfile -m "one_suite or either_suite" tests/e2e $(ARGS)

.PHONY: molecule
molecule: packages setup ## run Molecule's scenarios, all but vm (ARGS='default pm2' for those alone)
	$(PYTHON) -m tests.support.molecule.run $(ARGS)

.PHONY: molecule-vm
molecule-vm: setup ## run the scenario vm: install on a virtual machine, and reboot it
	@tools/system-packages --install vm
	$(PYTHON) -m tests.support.molecule.run vm

.PHONY: vm
vm: setup ## cut the power of virtual machines at every step of every verb (an hour where no KVM works)
	@tools/system-packages --install vm
	$(PYTHON) -m pytest tests/vm -m vm -n 2 --dist worksteal -s $(ARGS)

.PHONY: pythons
pythons: setup ## fetch the CPythons that releases are tested on, where they are missing
	@tools/pythons

.PHONY: quick
quick: setup lint ## what needs no host, no network and no root (under three minutes)
	$(PYTHON) -m pytest -n auto tests/unit $(ARGS)

.PHONY: packages
packages: ## install the Debian packages that the tests need, where that is allowed
	@tools/system-packages --install

.PHONY: lint
lint: setup ## check style, types, the import law, scripts and generated files
	@tools/lint

.PHONY: crash
crash: packages setup ## kill agentctl, its host, and toolkit's uploads, at every step or request (an hour)
	CRASH_POINTS=all ALL_SUITES=1 $(PYTHON) -m pytest -m "long or hosts or store" tests/e2e/test_crash_on_hosts.py \
		tests/e2e/test_upload_killed.py tests/e2e/test_signed_upload_killed.py tests/e2e/test_signing_killed.py \
		$(ARGS)

.PHONY: faults
faults: packages setup ## eight bad releases in two ways, with real watch windows (an hour)
	ALL_SUITES=1 FAULT_SECONDS=60 $(PYTHON) -m pytest -s tests/e2e/test_faults_on_hosts.py $(ARGS)

.PHONY: upgrades
upgrades: packages setup ## 200 upgrades with store and controller failing 30 s at a time (an hour)
	ALL_SUITES=1 UPGRADES=200 OUTAGE=30 $(PYTHON) -m pytest -s tests/e2e/test_unsteady_on_hosts.py $(ARGS)

.PHONY: fleet-faults
fleet-faults: packages setup ## break 50 hosts, their store and their operator in mid-rollout; look for secrets (an hour)
	FLEET_HOSTS=50 $(PYTHON) -m pytest -s tests/e2e/test_fleet_faults.py tests/e2e/test_fleet_secrets.py \
		-k bookworm $(ARGS)

.PHONY: bench
bench: setup ## measure packing, trust, uploads, installs and upgrades, and simulate a fleet
	$(PYTHON) -m bench.pack
	$(PYTHON) -m bench.oclif
	$(PYTHON) -m bench.delta
	$(PYTHON) -m bench.refresh
	$(PYTHON) -m bench.follow
	$(PYTHON) -m bench.upload
	$(PYTHON) -m bench.install
	$(PYTHON) -m bench.downtime
	$(PYTHON) -m bench.agentctl

.PHONY: bench-fleet
bench-fleet: packages setup ## measure 10, 25 and 50 hosts at once, beside plain Ansible and pyinfra (long)
	$(PYTHON) -m bench.fleet $(ARGS)

.PHONY: growth
growth: setup ## send a million heartbeats, and see that the database does not grow (minutes)
	HEARTBEATS=1000000 $(PYTHON) -m pytest tests/unit/controller/test_growth.py $(ARGS)

.PHONY: bench-controller
bench-controller: packages setup ## measure the controller: heartbeats, 100,000 agents, connections, the fleet page
	$(PYTHON) -m bench.controller.heartbeats
	$(PYTHON) -m bench.controller.steady
	$(PYTHON) -m bench.controller.connects
	$(PYTHON) -m bench.controller.page

.PHONY: lock
lock: setup ## write requirements/ and release/agent.schema.json anew
	$(LOCK) pyproject.toml --group setup --output-file requirements/runtime.txt
	$(LOCK) pyproject.toml controller/pyproject.toml --group setup --no-emit-package aiwm-toolkit \
		--constraint requirements/runtime.txt --output-file requirements/demo.txt
	$(LOCK) pyproject.toml controller/pyproject.toml agents/xora/pyproject.toml --all-extras \
		--group pyproject.toml:dev --no-emit-package aiwm-toolkit --constraint requirements/demo.txt \
		--output-file requirements/dev.txt
	echo uv | $(LOCK) - --constraint requirements/runtime.txt --output-file requirements/uv.txt
	$(PYTHON) -m toolkit schema > release/agent.schema.json

.PHONY: clean
clean: ## remove what was built
	rm -rf .venv release/dist dist build
