# The commands that people type. `make help` lists them.
.PHONY: help build run test lint check schema snapshot

help: ## Lists the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/\1	\2/p' Makefile

build: ## Builds ./caddy with this module
	go build -o caddy ./cmd/caddy

run: ## Runs Caddyfile.example
	go run ./cmd/caddy run --config Caddyfile.example

test: ## Runs the tests with the race detector
	./test

lint: ## Runs vet and the linters
	go vet ./... && go run $(shell sed -n 's/^golangci_lint=//p' .ci/run) run ./...

check: ## Runs everything that guards the main branch
	.ci/run

schema: ## Writes docs/applications.schema.json
	go run ./cmd/caddy tokenidp schema > docs/applications.schema.json

snapshot: ## Builds the archives and packages of every platform in dist/
	go run $(shell sed -n 's/^goreleaser=//p' .ci/package) release --snapshot --clean
