// Package gcloud writes a plan as a script for bash, with the commands of gcloud. The script
// can be run again: it makes what is missing, and updates what there is.
//
// Invariants:
//
//   - The text is a function of the plan and of the name of the configuration's file.
//   - Everything exists before a command refers to it.
//   - A text of the configuration is one quoted word: bash evaluates nothing in it.
//
// On failure: the script stops at the first command that fails. What was made stays, and the
// next run goes on.
package gcloud

import (
	"fmt"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/deploy"
	"github.com/headgate/headgate/internal/platform/shell"
)

// head defines what the commands below it use.
const head = `#!/usr/bin/env bash
# Written by: headgate deploy gcloud. Run it again after a change: it makes what is missing,
# and updates what there is.
#   bash deploy.sh [CONFIGURATION]
set -euo pipefail

config=${1:-%s}
project=%s
region=%s
export CLOUDSDK_CORE_PROJECT=$project CLOUDSDK_CORE_DISABLE_PROMPTS=1
runtime=%s # the account that Headgate runs as
caller=%s # the account that calls it
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# have reports whether the thing that is described exists.
have() { "$@" >/dev/null 2>&1; }

# bind grants a role without printing the whole policy.
bind() { "$@" >/dev/null; }

# url prints the address of a service.
url() { gcloud run services describe "$1" --region="$region" --format='value(status.url)'; }
`

// script is the text under way.
type script struct {
	*deploy.Plan
	strings.Builder
}

// Write returns the script. config is the name of the configuration's file.
func Write(p *deploy.Plan, config string) []byte {
	s := &script{Plan: p}
	s.line(head, shell.Quote(config), shell.Quote(p.Project), shell.Quote(p.Region), shell.Quote(p.Email(deploy.Name)), shell.Quote(p.Email(deploy.Caller)))
	for _, note := range p.Notes {
		s.line("# Note: %s.", strings.ReplaceAll(note, "\n", " "))
	}
	s.section("The services of Google Cloud")
	apis := p.APIs
	if p.Image == "" {
		apis = append(slices.Clone(apis), "cloudbuild.googleapis.com", "artifactregistry.googleapis.com")
	}
	s.line("gcloud services enable %s", strings.Join(apis, " "))
	s.accounts()
	s.database()
	s.topics()
	s.secrets()
	s.queues()
	s.section("What Headgate may do")
	for _, g := range p.Grants {
		if g.To == deploy.Runtime {
			s.grant(g)
		}
	}
	s.services()
	s.section("Who calls Headgate, and what else is called")
	for _, g := range p.Grants {
		if g.To != deploy.Runtime && g.To != deploy.Everyone && g.Kind != deploy.OnSubscription {
			s.grant(g)
		}
	}
	s.pushes()
	s.jobs()
	s.triggers()
	s.observe()
	s.section("Done")
	for _, v := range p.Services {
		s.line("echo \"%s: $%s\"", v.Name, variable(v.Name))
	}
	return []byte(s.String())
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

func (s *script) section(title string) { s.line("\n# %s.", title) }

// variable names the variable that has the address of a service.
func variable(service string) string {
	return "url_" + strings.ReplaceAll(service, "-", "_")
}

// address returns a word of bash with the address that is called.
func address(p deploy.Push) string { return `"$` + variable(p.Service) + `"` + shell.Quote(p.Path) }

// audience returns a word of bash with the audience of the token.
func audience(p deploy.Push) string {
	if p.Audience != "" {
		return shell.Quote(p.Audience)
	}
	return `"$` + variable(p.Service) + `"`
}
