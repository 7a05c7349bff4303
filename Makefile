# godwit: make run and make test are all you need; both work on a fresh machine.

GO      ?= go
BIN     := bin
DATA    ?= godwit-data
export GOFLAGS ?= -buildvcs=false

.PHONY: pictures packaging run cluster demo test chaos simulate planted bench bench-large lint build cross fuzz tools deps debian e2e-deps js-deps reproducible release-snapshot release-files clean

## run: build godwit and start a node with its store in ./godwit-data (needs Go alone)
run: build
	@exec $(BIN)/godwit serve --data $(DATA)

build:
	@test -x $(BIN)/godwit || echo "building $(BIN)/godwit: the first time takes a minute or two"
	@$(GO) build -o $(BIN)/godwit ./cmd/godwit

## cluster: three members that share a log, on this machine, until Ctrl-C
cluster: build
	@$(GO) build -o $(BIN)/cluster ./examples/cluster
	@exec $(BIN)/cluster -godwit $(BIN)/godwit

## demo: a centre, two relays and six edges as far apart as their cities, until Ctrl-C
demo: build
	@$(GO) build -o $(BIN)/world ./examples/world
	@exec $(BIN)/world -godwit $(BIN)/godwit

## test: install what the tests need, then run all of them
test:
	@$(MAKE) --no-print-directory -j4 lint reproducible deps
	@$(MAKE) --no-print-directory fuzz planted packaging
	$(TEST) -race -timeout 40m -skip $(CHAOS)'|'$(PROGRAM) ./...
	$(TEST) -timeout 15m -run $(PROGRAM) ./cmd/godwit
	$(TEST) -timeout 15m -run $(CHAOS) ./e2e
	@$(MAKE) --no-print-directory simulate SEEDS=200

# lint vets all packages, and their tests.
TEST := $(GO) test -vet=off

# What happens to three members is measured against bounds of time, so nothing else
# runs beside it.
CHAOS := '^TestThreeMembers'

# These start the program hundreds of times, or have it copy 200 MiB and kill it. The race
# detector takes ten minutes for that, and the tests of the packages have it already.
PROGRAM := '^TestScripts$$|^TestKillOf'

## chaos: what happens to a cluster's members, again and again
ROUNDS ?= 10
chaos: e2e-deps
	@tools/debian.sh ip
	$(GO) test -timeout 90m -run $(CHAOS) -v ./e2e -args -chaos.rounds $(ROUNDS)

## simulate: SEEDS whole worlds from seed FROM on; fails when a promise broke in one
SEEDS ?= 1000
FROM  ?= 1
simulate:
	@mkdir -p $(BIN)
	@$(GO) test -c -o $(BIN)/simulate ./internal/simulation
	@$(BIN)/simulate -simulate.main -simulate.seeds=$(SEEDS) -simulate.seed=$(FROM)

## planted: bugs planted on purpose are found by the simulation
planted:
	$(TEST) -tags planted -run TestPlantedBugsAreFound ./internal/simulation

## bench: compare with nginx, Redis, etcd, NATS and miniflare in one run
bench: build e2e-deps
	@tools/debian.sh nginx redis-server etcd wrk
	$(GO) run ./bench

bench-large: build
	$(GO) run ./bench -large

## lint: formatting, vet and golangci-lint at the version of tools/go.mod
lint: tools
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt"; exit 1; }
	$(BIN)/golangci-lint run --allow-parallel-runners ./...

tools: $(BIN)/golangci-lint

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

## fuzz: every decoder, for FUZZTIME each
FUZZTIME ?= 1s
fuzz:
	@tools/fuzz.sh $(FUZZTIME)

## deps: what tests need that is not of Go
deps: debian e2e-deps js-deps

# ip makes the networks that tests cut; nginx and caddy are what users put in front of
# edges; shells are asked what they complete, and mandoc reads the manual.
debian:
	@tools/debian.sh ip nginx caddy chromium redis-server zsh fish mandoc groff script promtool $(SYSTEMD)

# What runs the package.
SYSTEMD := systemd-analyze systemd-nspawn dbus-daemon man

# e2e-deps are the real clients, as e2e/package-lock.json pins them.
e2e-deps: e2e/node_modules/.package-lock.json
e2e/node_modules/.package-lock.json: e2e/package-lock.json
	cd e2e && npm ci --ignore-scripts --no-audit --no-fund

# js-deps are what the tests of clients/js need, as its package-lock.json pins them.
js-deps: clients/js/node_modules/.package-lock.json
clients/js/node_modules/.package-lock.json: clients/js/package-lock.json
	cd clients/js && npm ci --ignore-scripts --no-audit --no-fund

## pictures: take those of README.md and docs/dashboard.md anew, from nodes that run
pictures: e2e-deps
	@tools/debian.sh chromium
	$(GO) test -count=1 -timeout 5m -tags pictures -run '^TestDashboardPictures$$' ./e2e

## packaging: what a server is set up with is well formed, and a systemd runs the package
packaging: release-files $(BIN)/nfpm
	@tools/debian.sh caddy promtool $(SYSTEMD)
	@mkdir -p $(BIN)
	@sed 's,=godwit ,=/bin/true ,' packaging/systemd/godwit.service > $(BIN)/godwit.service
	systemd-analyze verify --man=no $(BIN)/godwit.service
	systemd-sysusers --dry-run $(CURDIR)/packaging/systemd/godwit.sysusers > /dev/null
	caddy validate --adapter caddyfile --config packaging/docker/Caddyfile > /dev/null
	caddy fmt packaging/docker/Caddyfile | cmp - packaging/docker/Caddyfile
	promtool check rules packaging/prometheus/godwit.rules.yaml
	promtool test rules packaging/prometheus/godwit.rules.test.yaml
	$(GO) test -count=1 -timeout 30m -v -run '^TestPackage$$' ./packaging -nfpm $(CURDIR)/$(BIN)/nfpm

# The flags of a release: .goreleaser.yaml has the same.
RELEASED := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w'

# One system and one processor that tests do not run on: what is compiled for them serves
# both of these. A release's builds are compiled by goreleaser.
FOREIGN := GOOS=darwin GOARCH=arm64

## cross: the binary builds for macOS and arm64
cross:
	@mkdir -p $(BIN)
	$(FOREIGN) $(RELEASED) -o $(BIN)/godwit-foreign ./cmd/godwit

## reproducible: another directory makes the same bytes (with GOCACHE=DIR, of packages compiled anew)
reproducible: cross
	@again=$$(mktemp -d) && trap "rm -rf $$again" EXIT && \
		git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $$again && cd $$again && \
		$(FOREIGN) $(RELEASED) -o again ./cmd/godwit && \
		cmp again $(CURDIR)/$(BIN)/godwit-foreign && sha256sum again

## release-snapshot: what a release has, but the images, into dist/; publishes nothing
release-snapshot: $(BIN)/goreleaser $(BIN)/cyclonedx-gomod
	@tools/debian.sh $(SYSTEMD)
	$(BIN)/goreleaser check
	$(BIN)/goreleaser release --snapshot --clean --skip=docker
	$(GO) test -count=1 -run TestRelease ./packaging -dist $(CURDIR)/dist

# release-files are what goreleaser packs beside the binary.
release-files: RELEASE := $(BIN)/release
release-files:
	rm -rf $(RELEASE)
	mkdir -p $(RELEASE)/man.gz $(RELEASE)/completions
	GOFLAGS= $(GO) build -buildvcs=true -ldflags '-s -w' -o $(RELEASE)/godwit ./cmd/godwit
	$(RELEASE)/godwit man $(RELEASE)/man
	for page in $(RELEASE)/man/*; do gzip -9nc $$page > $(RELEASE)/man.gz/$${page##*/}.gz || exit 1; done
	$(RELEASE)/godwit completion bash > $(RELEASE)/completions/godwit.bash
	$(RELEASE)/godwit completion zsh > $(RELEASE)/completions/_godwit
	$(RELEASE)/godwit completion fish > $(RELEASE)/completions/godwit.fish
	gzip -9nc CHANGELOG.md > $(RELEASE)/changelog.gz

# It packs what goreleaser has packed.
$(BIN)/nfpm: tools/release/go.mod tools/release/go.sum
	cd tools/release && $(GO) build -o ../../$@ github.com/goreleaser/nfpm/v2/cmd/nfpm

# They take minutes to build, so nothing that everyone runs needs them.
$(BIN)/goreleaser $(BIN)/cyclonedx-gomod: tools/release/go.mod tools/release/go.sum
	cd tools/release && $(GO) build -o ../../$(BIN)/ github.com/goreleaser/goreleaser/v2 github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

clean:
	rm -rf $(BIN) dist
