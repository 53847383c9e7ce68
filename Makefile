.PHONY: run test check lint fuzz bench bench-quick crash large attack function-source release emulators

FUZZTIME ?= 10s
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

run:
	go run .

test: ## run the tests that need only Go; the others skip themselves
	go test ./...

check: ## run all checks, as CI does
	.ci/run

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go mod tidy -diff
	go vet ./...
	go run $(GOLANGCI_LINT) run ./...
	go run $(ACTIONLINT) .github/workflows/*.yml
	./scripts/gosec
	./scripts/govulncheck

fuzz: ## run each fuzz target for FUZZTIME; with FUZZ=light, those that compile fast
	./scripts/fuzz $(FUZZTIME) $(FUZZ)

bench: ## print the table of docs/performance.md, with emulators and databases of its own; FLAGS=-write writes it
	go build -o build/bench ./internal/bench
	./scripts/with-emulators ./scripts/with-databases build/bench $(FLAGS)

bench-quick: ## in a few minutes, name the ratios that are worse than the committed ones by more than 15 %
	go build -o build/bench ./internal/bench
	./scripts/with-emulators build/bench -quick $(FLAGS)

crash: ## kill -9 under load, and while windows complete and close, 200 times on each store
	HEADGATE_CRASH_ROUNDS=200 ./scripts/with-emulators go test -count=1 -timeout 60m -run '^TestCrash' -v ./internal/e2e

large: ## claim a window of a million events, with crashes, and one of 50,000 on the emulator
	HEADGATE_LARGE=1 ./scripts/with-emulators go test -count=1 -timeout 60m -run '^TestLargeWindow' -v ./internal/gate

attack: ## run the attacks that must fail, on 127.0.0.1 only, including those too slow for every test run
	HEADGATE_ATTACK=1 ./scripts/with-emulators ./scripts/with-databases go test -count=1 -timeout 30m -run '^TestAttack' -v ./...

VERSION ?= v0.0.0-dev
release: ## make build/release: binaries, SBOMs, an OCI image, checksums. VERSION=v1.2.3
	go run ./internal/release -version $(VERSION) -out build/release

function-source: ## stage build/function for deployment as native Cloud Functions
	./scripts/function-source build/function
