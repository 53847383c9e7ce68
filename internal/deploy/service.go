package deploy

import (
	"fmt"
	"slices"
)

// Size gives the resources of a service's instances, and their number.
type Size struct {
	Concurrency, MaxInstances int
	Timeout                   int    // of a request, in seconds
	Memory                    string // as Kubernetes writes it
	SessionAffinity           bool
}

// Flags returns the size as flags of gcloud run deploy.
func (s Size) Flags() []string {
	flags := []string{
		fmt.Sprintf("--concurrency=%d", s.Concurrency), fmt.Sprintf("--max-instances=%d", s.MaxInstances),
		fmt.Sprintf("--timeout=%d", s.Timeout), "--memory=" + s.Memory,
	}
	if s.SessionAffinity {
		flags = append(flags, "--session-affinity")
	}
	return flags
}

// whole is the size of the service that serves everything.
var whole = Size{Concurrency: 200, MaxInstances: 10, Timeout: 300, Memory: "1Gi"}

// Sizes are the sizes of the services that serve one function each. They survived the loads of
// docs/deploy.md, "Sizing".
var Sizes = map[string]Size{
	"sweep":   {Concurrency: 8, MaxInstances: 2, Timeout: 300, Memory: "512Mi"},
	"check":   {Concurrency: 40, MaxInstances: 4, Timeout: 120, Memory: "512Mi"},
	"trigger": {Concurrency: 40, MaxInstances: 4, Timeout: 120, Memory: "512Mi"},
	"status":  {Concurrency: 40, MaxInstances: 4, Timeout: 120, Memory: "512Mi"},
	"syncrun": {Concurrency: 20, MaxInstances: 4, Timeout: 300, Memory: "1Gi"},
	"draft":   {Concurrency: 40, MaxInstances: 4, Timeout: 120, Memory: "512Mi"},
	"echo":    {Concurrency: 40, MaxInstances: 4, Timeout: 120, Memory: "512Mi"},
	"live":    {Concurrency: 1000, MaxInstances: 4, Timeout: 3600, Memory: "1Gi", SessionAffinity: true},
	"ingest":  {Concurrency: 200, MaxInstances: 10, Timeout: 60, Memory: "1Gi"},
}

// split are the functions in the order of their deployment: those that read claims and events
// are updated before the one that writes them.
var split = []string{"sweep", "check", "trigger", "status", "syncrun", "live", "echo", "draft", "ingest"}

// services plans one service, or one for each function that the configuration uses.
func (b *builder) services() {
	if !b.Split {
		size := whole
		if b.cfg.Live != nil {
			size.Timeout, size.SessionAffinity = Sizes["live"].Timeout, true
		}
		b.Services = []Service{{Name: Name, Size: size, AlwaysCPU: b.async(), Public: b.cfg.Auth != nil}}
		return
	}
	for _, f := range split {
		if b.uses(f) {
			b.Services = append(b.Services, Service{
				Name: Name + "-" + f, Function: f, Size: Sizes[f],
				AlwaysCPU: f == "ingest" && b.async(), Public: b.cfg.Auth != nil,
			})
		}
	}
}

// uses reports whether the configuration has work for the function. Webhooks need no
// configuration: a URL subscribes to messages while Headgate runs.
func (b *builder) uses(function string) bool {
	switch function {
	case "syncrun":
		return b.hasSyncs()
	case "live":
		return b.cfg.Live != nil
	case "draft":
		return len(b.cfg.Drafts) > 0
	case "echo":
		return true
	}
	return len(b.cfg.Services) > 0
}

// async reports whether a service answers before its work is done.
func (b *builder) async() bool {
	for _, s := range b.cfg.Services {
		if s.AsyncEventTrigger {
			return true
		}
	}
	return false
}

// hasSyncs reports whether the configuration has syncs, or lets people define some.
func (b *builder) hasSyncs() bool {
	if b.cfg.Sync != nil || len(b.cfg.Syncs) > 0 {
		return true
	}
	for _, s := range b.cfg.Services {
		if len(s.SyncsStarted()) > 0 {
			return true
		}
	}
	for _, h := range b.cfg.Hooks {
		if h.Sync != "" {
			return true
		}
	}
	return slices.ContainsFunc(b.cfg.Drafts, func(d draft) bool { return d.Sync != nil })
}

// calls returns the call of a path that the function serves.
func (b *builder) calls(function, path string) Push {
	p := Push{Service: Name, Path: path}
	if b.Split {
		p.Service += "-" + function
	}
	if a := b.cfg.Auth; a != nil && a.OIDC != nil {
		p.Audience = a.OIDC.Audiences[0] // Headgate itself checks the token, and for these only
	}
	return p
}

// Args returns the arguments of the service's process.
func (s Service) Args(p *Plan) []string {
	args := []string{"--database=" + p.Database}
	if s.Function != "" {
		args = append([]string{"--function=" + s.Function}, args...)
	}
	return args
}
