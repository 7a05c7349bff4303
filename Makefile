# godwit: make run and make test are all you need; both work on a fresh machine.

GO      ?= go
BIN     := bin
DATA    ?= godwit-data
export GOFLAGS ?= -buildvcs=false

.PHONY: run test bench bench-large lint build cross fuzz tools e2e-deps clean

## run: build godwit and start a node with its store in ./godwit-data (needs Go alone)
run: build
	@exec $(BIN)/godwit serve --data $(DATA)

build:
	@$(GO) build -o $(BIN)/godwit ./cmd/godwit

## test: install what the tests need, then run all of them
test: lint cross e2e-deps
	$(GO) test -race ./... 
	$(MAKE) fuzz
	cd e2e/gosdk && $(GO) test ./...

## bench: compare with nginx, Redis, etcd and miniflare in one run
bench: build e2e-deps bench-deps
	$(GO) run ./bench

bench-large: build
	$(GO) run ./bench -large

## lint: formatting, vet and golangci-lint at the version of tools/go.mod
lint: tools
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt"; exit 1; }
	$(BIN)/golangci-lint run ./...

tools: $(BIN)/golangci-lint

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

## cross: the binary builds for every system we name
cross:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/godwit
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/godwit

clean:
	rm -rf $(BIN)
